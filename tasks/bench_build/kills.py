"""Builds killed at random moments by random signals: the next build must end with a clean build's bytes."""

from __future__ import annotations

import os
import random
import signal
import time

from tasks.bench_build.copies import copy

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
GROUPS = ("model=mlp", "executable", "onestep")


def measure(count: int = 50) -> list[tuple[str, str]]:
    rng = random.Random(0)
    wrong = 0
    with copy() as project:
        begin = time.perf_counter()
        assert project.doit(*GROUPS).status == 0
        whole, clean = time.perf_counter() - begin, project.artifacts("mlp")
        for _ in range(count):
            for path in (project.root / "build" / "mlp").glob("*"):
                if path.is_file() and rng.random() < 0.5:
                    path.unlink()
            process = project.start(*GROUPS)
            time.sleep(rng.uniform(0, whole))
            if process.poll() is None:
                chosen = rng.choice(SIGNALS)
                os.killpg(process.pid, chosen) if chosen == signal.SIGINT else process.send_signal(chosen)
            process.communicate()
            again = project.doit(*GROUPS)
            wrong += again.status != 0 or project.artifacts("mlp") != clean
    return [(f"{count} builds killed at random", f"{wrong} were not a clean build's bytes after the next")]
