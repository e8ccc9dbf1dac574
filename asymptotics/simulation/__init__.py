"""What does the real network do?"""
