"""What the task graph costs and whether it can be trusted, measured: `doit bench_build`."""
