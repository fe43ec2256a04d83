"""When each task of a run began and ended: a file for Perfetto or chrome://tracing, and the critical path."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.records import write_atomically


@dataclass
class Event:
    name: str
    why: str
    after: list[str]
    lane: int
    begin: float
    end: float = 0.0
    how: str = ""

    @property
    def seconds(self) -> float:
        return self.end - self.begin


class Trace:
    """Lanes are numbered as threads would be: a task takes the lowest that is free."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._open: dict[str, Event] = {}

    def begin(self, name: str, why: str, after: list[str]) -> None:
        taken = {event.lane for event in self._open.values()}
        lane = next(n for n in range(len(taken) + 1) if n not in taken)
        self._open[name] = Event(name, why, after, lane, time.perf_counter())

    def end(self, name: str, how: str) -> None:
        if event := self._open.pop(name, None):
            event.end, event.how = time.perf_counter(), how
            self.events.append(event)

    def write(self, path: Path) -> None:
        first = min(event.begin for event in self.events)
        rows = [
            {
                "name": e.name,
                "ph": "X",
                "pid": 1,
                "tid": e.lane,
                "ts": (e.begin - first) * 1e6,
                "dur": e.seconds * 1e6,
                "args": {"why": e.why, "how": e.how, "after": e.after},
            }
            for e in self.events
        ]
        write_atomically(path, json.dumps({"traceEvents": rows}, indent=1))


def seconds(path: Path) -> dict[str, float]:
    """What each task of the last run took; nothing where no run left a trace."""
    try:
        return {row["name"]: row["dur"] / 1e6 for row in json.loads(path.read_text())["traceEvents"]}
    except FileNotFoundError:
        return {}


def critical_path(path: Path) -> list[tuple[str, float]]:
    """The chain of tasks of the last run that took longest, each with its seconds, in order."""
    rows: dict[str, Any] = {row["name"]: row for row in json.loads(path.read_text())["traceEvents"]}
    best: dict[str, tuple[float, list[str]]] = {}

    def longest(name: str) -> tuple[float, list[str]]:
        if name not in best:
            before = [longest(n) for n in rows[name]["args"]["after"] if n in rows]
            seconds, chain = max(before, default=(0.0, []))
            best[name] = (seconds + rows[name]["dur"] / 1e6, [*chain, name])
        return best[name]

    _, chain = max((longest(name) for name in rows), default=(0.0, []))
    return [(name, rows[name]["dur"] / 1e6) for name in chain]
