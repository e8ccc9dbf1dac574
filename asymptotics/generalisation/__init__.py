"""Errors of the ridge fit: random features, learned features, plateaus."""
