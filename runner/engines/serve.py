"""The process of an engine: `python -m MODULE JOB.json` loads a model, then answers requests, a line of JSON each way.

It says `{"ready": true, "first_ms", "max_rel_err"}` or `{"reason", "applies"}`. To `{"iterations", "warmup"}` it answers
`{"ms": [...]}`, to `{"check": true}` `{"max_rel_err", "huge_mb", "resident_mb"}`. Errors are those of the outputs against
PyTorch's in float64, relative to the largest element.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


class CannotRun(Exception):
    """Why an engine does not run this model."""


class NotMadeFor(CannotRun):
    """A case that an engine does not take, by its nature."""


@dataclass(frozen=True)
class Job:
    """What an engine is to run, and with what.

    folder: what was exported for the engines: `reference.npz`, `inputs.npz`, `model.onnx`, `model.mlir`.
    executable: ours, with its data beside it; it writes tensors of the shapes and dtypes in `outputs`.
    options: the engine's own.
    """

    model: str
    settings: dict[str, str]
    dtype: str
    threads: int
    folder: str
    executable: str
    outputs: list[tuple[list[int], str]]
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str) -> Job:
        return cls(**json.loads(Path(path).read_text()))

    def file(self, name: str) -> Path:
        return Path(self.folder, name)

    def arrays(self, name: str) -> list[np.ndarray]:
        """The arrays of `reference.npz` or `inputs.npz`, in order."""
        with np.load(self.file(f"{name}.npz")) as stored:
            return [stored[key] for key in stored.files]

    def takes(self, *dtypes: str) -> None:
        """Raises NotMadeFor unless the job's dtype is among those of an engine."""
        if self.dtype not in dtypes:
            raise NotMadeFor(f"runs {' and '.join(dtypes)} only, not {self.dtype}")


@dataclass
class Engine:
    """A loaded model: `call()` runs it, `arrays` makes numpy arrays of what it returned."""

    call: Callable[[], Any]
    arrays: Callable[[Any], list[np.ndarray]]

    def times(self, iterations: int) -> list[float]:
        """Milliseconds of so many calls."""
        found = []
        for _ in range(iterations):
            begin = time.perf_counter()
            self.call()
            found.append((time.perf_counter() - begin) * 1e3)
        return found

    def answer(self) -> list[np.ndarray]:
        return self.arrays(self.call())

    def process(self) -> int:
        """The id of the process that holds the model."""
        return os.getpid()


def serve(load: Callable[[Job], Engine]) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is not an answer
    job = Job.load(sys.argv[1])
    try:
        engine = load(job)
        reference = job.arrays("reference")
        error = max_rel_err(engine.answer(), reference)
        ready: dict[str, Any] = {"ready": True, "first_ms": min(engine.times(3)), "max_rel_err": error}
    except Exception as failure:
        traceback.print_exc()
        ready = {"reason": sentence(failure), "applies": not isinstance(failure, NotMadeFor)}
    print(json.dumps(ready), file=answers)
    for line in sys.stdin if "ready" in ready else ():
        request = json.loads(line)
        if "check" in request:
            error = max_rel_err(engine.answer(), reference)
            print(json.dumps({"max_rel_err": error, **memory(engine.process())}), file=answers)
        else:
            engine.times(request["warmup"])
            print(json.dumps({"ms": engine.times(request["iterations"])}), file=answers)


def sentence(failure: Exception) -> str:
    """An error in one line, for a table: the one that says `error:`, or else the first; without what colours it."""
    lines = [line.strip() for line in re.sub(r"\x1b\[[\d;]*m", "", str(failure)).splitlines() if line.strip()]
    said = next((line for line in lines if "error:" in line), lines[0] if lines else "")[:200]
    return said if isinstance(failure, CannotRun) else f"{type(failure).__name__}: {said}"


def max_rel_err(actual: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float | None:
    """The largest error over the largest magnitude, of the output where that is worst; None if outputs are missing, of another
    shape, or hold NaN where they should not."""
    if [a.shape for a in actual] != [e.shape for e in expected]:
        return None
    errors = [_error(a, e) for a, e in zip(actual, expected, strict=True)]
    return None if not np.isfinite(errors).all() else float(max(errors, default=0.0))


def _error(actual: np.ndarray, expected: np.ndarray) -> float:
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected)) if expected.dtype.kind == "f" else actual == expected
    if same.all():
        return 0.0
    if expected.dtype.kind not in "fc":
        return float("inf")
    largest = float(np.abs(expected).max(initial=0.0, where=np.isfinite(expected)))
    worst = float(np.abs(actual[~same].astype(expected.dtype) - expected[~same]).max())
    return worst / largest if largest else worst


def memory(process: int) -> dict[str, float]:
    """What a process holds in memory, and how much of that lies in huge pages, in MB."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text()
    held = {name: int(kilobytes) / 1e3 for name, kilobytes in re.findall(r"^(\w+): +(\d+) kB", text, re.MULTILINE)}
    huge = sum(held.get(name, 0.0) for name in ("AnonHugePages", "ShmemPmdMapped", "FilePmdMapped"))
    return {"huge_mb": round(huge, 1), "resident_mb": round(held.get("Rss", 0.0), 1)}
