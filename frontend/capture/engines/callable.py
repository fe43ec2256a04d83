"""Our in-process callable as an engine."""

from __future__ import annotations

from frontend.capture.engines.loaded import DTYPES, load
from frontend.compiler import DynamoCompiler
from runner.engines.serve import Engine, Job, serve


def compiled(job: Job) -> Engine:
    job.takes(*DTYPES)
    loaded = load(job, DTYPES[job.dtype])
    return loaded.engine(DynamoCompiler().compile(loaded.module, *loaded.args, **loaded.kwargs))


if __name__ == "__main__":
    serve(compiled)
