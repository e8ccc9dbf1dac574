"""What does the text of a target say: from characters to an exact tree, and what can be read off it?"""
