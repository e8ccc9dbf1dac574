"""Engines that compute the heat-smoothed target: polynomial, closed forms, certified balls, sampled."""
