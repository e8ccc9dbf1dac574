"""What one giant step on a Gaussian mixture makes of the first layer."""
