"""torch.compile as an engine: the job's options are `freezing` and `max_autotune`."""

from __future__ import annotations

import torch
from torch._inductor import config

from frontend.capture.engines.loaded import DTYPES, load
from runner.engines.serve import Engine, Job, serve


def inductor(job: Job) -> Engine:
    job.takes(*DTYPES)
    loaded = load(job, DTYPES[job.dtype])
    config.freezing = bool(job.options.get("freezing"))
    mode = "max-autotune" if job.options.get("max_autotune") else None
    return loaded.engine(torch.compile(loaded.module, mode=mode))


if __name__ == "__main__":
    serve(inductor)
