"""Laws of what the first layer learns: one step, several steps, many neurons."""
