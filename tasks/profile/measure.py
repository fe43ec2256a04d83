"""Run the executable with timers and the one without, in turns."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tasks.bench.machine import environment
from tasks.bench.measure import TURN
from tasks.bench.process import Failed, Process

TURNS = 60  # of each: short ones, so that both meet the same moments of a machine that others use, too
SOUNDINGS = 3  # of the machine's limits
LEAST = 0.02  # seconds of calls in a turn, unless their number is given
MOST = 300  # calls of a turn


@dataclass
class Measured:
    """`plain_ms` and `timed_ms` are the milliseconds of each call, round by round.

    `numbers` are those of the counted calls among all that the executable with timers made; `limits` are the machine's.
    """

    plain_ms: list[list[float]] = field(default_factory=list)
    timed_ms: list[list[float]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    limits: list[dict[str, float | None]] = field(default_factory=list)


class Timed:
    """An executable that was started with --serve; it has made one call, to verify its answer."""

    def __init__(self, command: Sequence[str], threads: int, log: Path) -> None:
        words = [*command, "--serve", "--threads", str(threads)]
        self.process = Process(words, environment(threads), log)
        self.name, self.calls = command[0], 1

    def finish(self) -> None:
        """Its last answer is verified, too."""
        self.process.go_on()
        try:
            self.process.finish(TURN)
        except Failed as failure:
            raise Failed(f"{self.name}: {failure}") from None

    def turn(self, warmup: int, count: int) -> tuple[list[float], int]:
        """Milliseconds of so many calls, and the number of the first of them."""
        self.process.go_on()
        self.times(warmup)
        first, times = self.calls, self.times(count)
        self.process.halt()
        return times, first

    def times(self, count: int) -> list[float]:
        if count == 0:
            return []
        self.calls += count
        return [float(word) for word in self.process.say(str(count), TURN).split()]


def measure(
    plain: Path, timed: Path, limits: Path, events: Path, logs: Path, threads: int, iterations: int | None, warmup: int
) -> Measured:
    """Raises Failed when one of the programs does, also when the last answer of one was wrong."""
    programs = [
        Timed([str(plain)], threads, logs / "plain.log"),
        Timed([str(timed), "--events", str(events)], threads, logs / "timed.log"),
    ]
    machine = Process([str(limits), str(threads)], environment(threads), logs / "limits.log")
    found = Measured()
    try:
        turns = _turns(iterations or _fitting(programs[0]))
        for program in programs:
            program.process.halt()
        for number, count in enumerate(turns):
            if number % math.ceil(len(turns) / SOUNDINGS) == 0:
                found.limits.append(json.loads(machine.say("", TURN)))
            for place in (0, 1) if number % 2 else (1, 0):
                times, first = programs[place].turn(warmup, count)
                (found.plain_ms, found.timed_ms)[place].append(times)
                if place == 1:
                    found.numbers += range(first, first + count)
        for program in programs:
            program.finish()
    finally:
        for process in (machine, *(program.process for program in programs)):
            process.close()
    return found


def _turns(iterations: int) -> list[int]:
    """So many calls, in as many turns as a comparison needs."""
    turns = min(TURNS, iterations)
    return [iterations // turns + (turn < iterations % turns) for turn in range(turns)]


def _fitting(program: Timed) -> int:
    """Calls in all that take a while, for a model of any size."""
    program.times(1)
    ms = statistics.median(program.times(3))
    return TURNS * min(math.ceil(LEAST * 1e3 / max(ms, 1e-6)), MOST)
