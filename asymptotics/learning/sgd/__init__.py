"""What does the first layer learn from online SGD, batch by small batch?"""
