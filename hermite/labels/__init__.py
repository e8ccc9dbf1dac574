"""What do functions of the label see: generative exponent, weak recovery, reused data?"""
