"""How is a whole study written down: reports, reproductions, the demo?"""
