"""What is the mean of a target, an activation or a product of them under Gaussian inputs?"""
