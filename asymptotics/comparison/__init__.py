"""Do theory and simulation agree?"""
