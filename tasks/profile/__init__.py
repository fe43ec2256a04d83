"""What `doit profile` runs: the executable with timers and the one without, and what the timers tell."""
