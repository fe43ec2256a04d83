"""Run code of any stage on given numbers and compare all that it computes: what `doit verify` and `doit bisect` are made of."""
