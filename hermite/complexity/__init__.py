"""For whom is a target hard: the table of algorithms and sample sizes?"""
