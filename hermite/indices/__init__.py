"""What does correlation with the label see: leap index, hard directions, staircase?"""
