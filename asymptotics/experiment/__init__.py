"""What is asked: the settings of a point, the grid of an experiment, and the rules of its file?"""
