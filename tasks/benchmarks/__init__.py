"""The decoder block, its parts and common kernels: built, checked, and timed in turns: `doit benchmarks`."""
