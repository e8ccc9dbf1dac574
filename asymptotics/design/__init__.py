"""Which settings reach the least error, or a given one?"""
