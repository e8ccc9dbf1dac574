"""The commands of ``giantstep``: parsing and printing only; nothing heavy is imported before it is needed."""
