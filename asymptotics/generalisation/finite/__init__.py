"""What is the test error at all n, p, d?"""
