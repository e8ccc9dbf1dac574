"""What changes when the inputs are not Gaussian around zero: biased and Boolean inputs?"""
