"""What does a target do when one plays with its settings?"""
