"""What is the test error on features with a few learned directions, at d → ∞?"""
