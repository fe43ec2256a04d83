"""What may crash or hang runs in a process of its own: how one is started, and how it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from passes import faults

THREADS = (4, 4, 3, 1)  # of the runs of parallel code; more than the machine may have, so that they take turns
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


@dataclass(frozen=True)
class Ended:
    """How a process ended: with what sentence, empty if all is well. `crashed`: by a signal, or not by itself; then its time
    was up, `late`."""

    said: str = ""
    crashed: bool = False
    late: bool = False


def process(module: str, words: Iterable[str], timeout: float) -> Ended:
    """Run a module of ours; of what it says on stderr the last line counts."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS[0]), "OMP_DYNAMIC": "false"}
    ended, stderr = run([sys.executable, "-m", module, *words], timeout, environment)
    lines = [line for line in stderr.splitlines() if line.strip()]
    return Ended(lines[-1]) if lines and ended.said and not ended.crashed else ended


def run(command: Sequence[str], timeout: float, environment: Mapping[str, str]) -> tuple[Ended, str]:
    """Run a program, and what it says on stderr."""
    try:
        done = subprocess.run(
            command, timeout=timeout, check=False, capture_output=True, text=True, errors="replace", env=environment
        )
    except subprocess.TimeoutExpired:
        return Ended(f"does not end within {timeout:g} s", crashed=True, late=True), ""
    except OSError as error:
        return Ended(str(error)), ""
    if done.returncode < 0:
        return Ended(f"crashes with {signal.Signals(-done.returncode).name}", crashed=True), done.stderr
    return Ended(f"exit status {done.returncode}" if done.returncode else ""), done.stderr


def guarded(run: Callable[[], None]) -> int:
    """What such a module does, with its exit status: an error is one sentence."""
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    try:
        run()
    except Exception as error:
        print(" ".join(faults.sentence(error).split()), file=sys.stderr)
        return 2
    return 0
