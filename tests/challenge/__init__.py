"""A standing challenge: random settings, each predicted and simulated, and how far the predictions can be trusted.

python -m tests.challenge --seed S --count N
"""
