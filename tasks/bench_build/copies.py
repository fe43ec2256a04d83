"""Copies of the project to build in, edit and break."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path.cwd()


@dataclass
class Copy:
    """A copy of the project's files; `doit` runs in it without the cache unless it is asked to."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def doit(self, *words: str) -> Run:
        command = [sys.executable, "-m", "doit", *words]
        begin = time.perf_counter()
        done = subprocess.run(command, cwd=self.root, env=self._variables(), capture_output=True, text=True, check=False)
        return Run(done.returncode, done.stdout + done.stderr, time.perf_counter() - begin)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """In a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "doit", *words],
            cwd=self.root,
            env=self._variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def artifacts(self, model: str) -> dict[str, bytes]:
        folder = self.root / "build" / model
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".json"}

    def _variables(self) -> dict[str, str]:
        return {**os.environ, "SLUICE_CACHE": "off", "PYTHONPATH": str(self.root), **self.environment}


@dataclass(frozen=True)
class Run:
    status: int
    text: str
    seconds: float

    @property
    def ran(self) -> set[str]:
        return {line.split()[1] for line in self.text.splitlines() if line.startswith(".  ")}


@contextmanager
def copy() -> Iterator[Copy]:
    """A fresh copy, removed at the end."""
    with tempfile.TemporaryDirectory() as folder:
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True)
        for name in listed.stdout.splitlines():
            target = Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_file():
                target.write_bytes((ROOT / name).read_bytes())
        yield Copy(Path(folder))
