"""What does the first layer learn from giant steps on fresh batches?"""
