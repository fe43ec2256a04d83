"""Share the operators out among worker processes; a worker that dies or hangs costs one sample."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

COMMAND = [sys.executable, "-m", "tests.coverage.worker"]
TIMEOUT = 60.0  # seconds a sample
LIFE = 400  # samples a worker, so that compiled code does not pile up


class Worker:
    """One process; `measure` starts it when there is none."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.age = 0

    def measure(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        """The rows of one operator's samples."""
        rows: list[dict[str, Any]] = []
        first = 0
        while True:
            running, finished = self._attempt({**job, "first": first}, rows)
            if finished:
                return rows
            if running is None:
                return [*rows, {"sample": first, "result": "crashed", "why": "the samples cannot be made"}]
            first = running + 1

    def _attempt(self, job: dict[str, Any], rows: list[dict[str, Any]]) -> tuple[int | None, bool]:
        """Rows are appended; the sample at which the worker died if it did, and whether the job is done."""
        process = self._started()
        assert process.stdin and process.stdout
        running = None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        while True:
            timer = threading.Timer(TIMEOUT, process.kill)
            timer.start()
            line = process.stdout.readline()
            late = not timer.is_alive()
            timer.cancel()
            if not line.endswith("\n"):
                status = process.wait()
                self.process = None
                if running is not None:
                    why = f"took more than {TIMEOUT:.0f} s" if late else f"signal {-status}" if status < 0 else f"exit {status}"
                    rows.append({"sample": running, "result": "crashed", "why": why})
                return running, False
            row = json.loads(line)
            if "begin" in row:
                running = row["begin"]
            elif "sample" in row:
                rows.append(row)
                self.age += 1
            elif "done" in row:
                if self.age > LIFE:
                    self.close()
                return None, True

    def _started(self) -> subprocess.Popen[str]:
        if self.process is None:
            self.age = 0
            self.process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "SLUICE_CACHE": "off", "OMP_NUM_THREADS": "1"},
            )
        return self.process

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def run(jobs: Sequence[dict[str, Any]], workers: int, report: Callable[[dict[str, Any], list[dict[str, Any]]], None]) -> None:
    """Every job's rows go to `report`, one call at a time."""
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    lock = threading.Lock()

    def work() -> None:
        worker = Worker()
        try:
            while True:
                try:
                    job = waiting.get_nowait()
                except queue.Empty:
                    return
                rows = worker.measure(job)
                with lock:
                    report(job, rows)
        finally:
            worker.close()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
