"""The real network: direct simulation in d dimensions and reduced simulation at a cost free of d."""
