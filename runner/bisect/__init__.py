"""Find the first pass after which the numbers are wrong, and the few operations that show it."""
