"""Which symmetries of a target are proved, and which directions do they fix?"""
