"""A command with a time limit, that ends with everything that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit status (minus the signal that killed it; None: it took too long), and what it said."""

    status: int | None
    seconds: float
    said: str


def run(command: Sequence[str], log: Path, seconds: float, environment: Mapping[str, str] | None = None) -> Ended:
    """Run it in a process group of its own; after so many seconds, or when this process is interrupted, the group is killed."""
    log.parent.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    with log.open("w") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    status = None
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if process.returncode is None:  # its number is still its own
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return Ended(status, time.perf_counter() - begin, log.read_text(errors="replace"))
