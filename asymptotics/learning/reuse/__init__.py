"""What does the first layer learn from several full-batch steps on one and the same batch?"""
