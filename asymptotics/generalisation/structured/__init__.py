"""Gaussian mixtures and covariances that are no identity as inputs: the ridge fit before and after one step."""
