"""Which numbers and subspaces are computed exactly, and how sure is each digit?"""
