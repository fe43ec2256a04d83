"""PyTorch eager as an engine."""

from __future__ import annotations

from frontend.capture.engines.loaded import DTYPES, load
from runner.engines.serve import Engine, Job, serve


def eager(job: Job) -> Engine:
    job.takes(*DTYPES)
    loaded = load(job, DTYPES[job.dtype])
    return loaded.engine(loaded.module)


if __name__ == "__main__":
    serve(eager)
