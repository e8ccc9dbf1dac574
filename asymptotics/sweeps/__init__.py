"""How are many simulations run, stored and resumed?"""
