"""What the timers saw, call by call: `runner/timers.h` writes the file, and `passes/timers.py` says where the timers are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

BEGIN, ENTER, WAIT, LEAVE, CALL_BEGAN, CALL_ENDED = range(6)
NO_REGION = -1
Time = int  # nanoseconds


@dataclass
class Stretch:
    """A region as the first thread passes through it."""

    region: int
    begin: Time
    end: Time


@dataclass
class Share:
    """What one thread does of a region that runs in parallel: it works until `done`, then waits for the others."""

    thread: int
    region: int
    begin: Time
    done: Time = 0
    end: Time = 0


@dataclass
class Call:
    begin: Time = 0
    end: Time = 0
    stretches: list[Stretch] = field(default_factory=list)
    shares: list[Share] = field(default_factory=list)

    def teams(self) -> Iterable[list[Share]]:
        """The shares of each time that the threads went parallel; the first is the first thread's."""
        counts: dict[tuple[int, int], int] = defaultdict(int)
        teams: dict[tuple[int, int], list[Share]] = defaultdict(list)
        for share in self.shares:
            turn = counts[share.thread, share.region]
            counts[share.thread, share.region] += 1
            teams[share.region, turn].append(share)
        return teams.values()


def waiting(team: list[Share]) -> float:
    """Nanoseconds that the threads of a team did not work while it was parallel, on average."""
    whole = team[0].end - team[0].begin
    return sum(whole - (share.done - share.begin) for share in team) / len(team)


def read(path: Path, numbers: Collection[int]) -> list[Call]:
    """The calls of these numbers that were recorded whole, in order."""
    import numpy as np

    kind = np.dtype([("call", "<i4"), ("thread", "<i4"), ("kind", "<i4"), ("region", "<i4"), ("time", "<i8")])
    recorded = np.fromfile(path, kind)
    recorded = recorded[np.isin(recorded["call"], list(numbers))]
    calls: dict[int, Call] = {}
    for number, *event in recorded.tolist():
        _add(calls.setdefault(number, Call()), *event)
    return list(calls.values())


def _add(call: Call, thread: int, kind: int, region: int, time: Time) -> None:
    if kind == CALL_BEGAN:
        call.begin = time
    elif kind == CALL_ENDED:
        call.end = time
    elif kind == BEGIN:
        if call.stretches and not call.stretches[-1].end:
            call.stretches[-1].end = time
        if region != NO_REGION:
            call.stretches.append(Stretch(region, time, 0))
    elif kind == ENTER:
        call.shares.append(Share(thread, region, time))
    elif kind == WAIT:
        call.shares[-1].done = time
    elif kind == LEAVE:
        call.shares[-1].end = time
