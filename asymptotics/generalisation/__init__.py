"""What is the test error of the ridge fit?"""
