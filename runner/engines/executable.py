"""Our executable as an engine: it times its own calls, this process passes them on."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from runner.engines.serve import CannotRun, Engine, Job, serve

DTYPES = {
    "f64": np.float64, "f32": np.float32, "f16": np.float16, "i64": np.int64, "i32": np.int32, "i16": np.int16, "i8": np.int8,
    "u8": np.uint8, "i1": np.bool_,
}  # fmt: skip
ALIGNMENT = 64  # bytes, between the tensors of a data file


class Executable(Engine):
    def __init__(self, job: Job, answer: Path) -> None:
        self._job, self._answer = job, answer
        command = [job.executable, "--serve", "--threads", str(job.threads), "--output", str(answer)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.times(1)

    def times(self, iterations: int) -> list[float]:
        assert self._child.stdin and self._child.stdout
        with suppress(BrokenPipeError):  # it has ended: the empty answer tells
            self._child.stdin.write(f"{iterations}\n")
            self._child.stdin.flush()
        line = self._child.stdout.readline()
        if not line:
            raise CannotRun(f"{self._job.executable}: exit status {self._child.wait()}")
        return [float(word) for word in line.split()]

    def answer(self) -> list[np.ndarray]:
        """What the last call gave: floating-point numbers that numpy does not know are widened."""
        data, found, offset = self._answer.read_bytes(), [], 0
        for shape, dtype in self._job.outputs:
            wide = dtype == "bf16"
            kind = np.dtype(np.uint16 if wide else DTYPES[dtype])
            flat = np.frombuffer(data, kind, int(np.prod(shape)), offset)
            offset += -(-flat.nbytes // ALIGNMENT) * ALIGNMENT
            found.append(((flat.astype(np.uint32) << 16).view(np.float32) if wide else flat).reshape(shape))
        return found

    def process(self) -> int:
        return self._child.pid


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        serve(lambda job: Executable(job, Path(scratch, "answer.data")))


if __name__ == "__main__":
    main()
