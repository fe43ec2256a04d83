"""Our executable and other engines, in turns on one machine, and the machine's limits: `doit bench`."""
