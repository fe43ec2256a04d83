"""Passes run in another process: when that one dies, hangs or fails, this one says in which pass and keeps its input."""

from __future__ import annotations

import argparse
import itertools
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path


def supervise(words: list[str], given: argparse.Namespace) -> int:
    """`python -m passes run` with these words; the exit status is that of the process, 1 when it had to be ended."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="sluice-") as journal:
        child = subprocess.Popen([sys.executable, "-m", "passes", "run", "--journal", journal, *words])
        fate = ""
        try:
            status = child.wait(given.timeout)
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as error:
            child.kill()
            child.wait()
            status, fate = 1, _why_ended(error, given.timeout)
        if status < 0:
            fate = f"crashed with {signal.Signals(-status).name}"
        if status in (0, 2) or status == -signal.SIGPIPE:
            return max(status, 0)
        print(_report(next(Path(journal).iterdir(), None), fate or "failed", given), file=sys.stderr)
        return 1


def _why_ended(error: BaseException, timeout: float | None) -> str:
    return "was interrupted" if isinstance(error, KeyboardInterrupt) else f"did not end within {timeout:g} s"


def _report(entry: Path | None, fate: str, given: argparse.Namespace) -> str:
    """One sentence. `entry` is named after the pass that ran and holds its input, or nothing if that is the file itself."""
    if entry is None:
        return f"{given.pipeline} {fate} outside of any pass, while {given.file} was read or the result was written"
    kept = _keep(entry, given.file) if entry.stat().st_size else given.file
    again = shlex.join([*_again(kept, given), "--only", entry.name])
    return f"{given.pipeline}: {entry.name} {fate}; what it was given is in {kept}, and this repeats it: {again}"


def _again(file: Path, given: argparse.Namespace) -> list[str]:
    words = [sys.executable, "-m", "passes", "run", str(file), "--pipeline", given.pipeline, "--target", given.target]
    words += [] if given.verify_each else ["--no-verify-each"]
    return words + ([] if given.timeout is None else ["--timeout", f"{given.timeout:g}"])


def _keep(entry: Path, file: Path) -> Path:
    """The input of a pass, as text beside the file that was given; nothing that is there is overwritten."""
    from passes.stages import BadModule, read, write

    text = entry.with_name("input.mlir")
    try:
        write(read(entry), text)
    except BadModule:
        text = entry  # passes that are not verified may leave what cannot be read: bytecode it is, then
    stem = f"{file.stem}-before-{entry.name.replace('#', '-')}"
    folder = file.parent if os.access(file.parent, os.W_OK) else Path()
    for number in itertools.count(1):
        path = folder / f"{stem}{'' if number == 1 else f'.{number}'}.mlir"
        if not path.exists() or path.read_bytes() == text.read_bytes():
            path.write_bytes(text.read_bytes())
            return path
    raise AssertionError("numbers end")
