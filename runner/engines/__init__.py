"""What runs a model to be measured: each engine a process that loads it once and then runs it as often as it is asked to."""
