"""What does the first layer learn?"""
