"""Run the engines of one case in turns."""

from __future__ import annotations

import json
import math
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from runner.engines.serve import Job
from tasks.bench.cases import Case
from tasks.bench.engines import EXPORT, Engine
from tasks.bench.machine import environment
from tasks.bench.process import Failed, Process

LOADING, TURN = 900.0, 300.0  # the seconds of a plan that does not say
PAUSE = 0.3  # seconds between turns: the threads of the engine before spin for a while, waiting for work
LEAST = 0.2  # seconds of calls in a turn, unless their number is given
FEWEST, MOST = 5, 2000  # calls of a turn
WARMUP = 5  # calls: after the pause processor and caches are as they are in a row of calls only by then


@dataclass
class Plan:
    """How often: rounds, in each of which every engine has a turn, and calls in a turn (None: as many as take LEAST).

    loading, turn: seconds after which an engine is given up.
    """

    threads: int
    rounds: int
    iterations: int | None = None
    warmup: int = WARMUP
    loading: float = LOADING
    turn: float = TURN


@dataclass
class Measured:
    """What one engine did. `rounds` are the milliseconds of its calls, round by round; `reason` says why there are none.

    An engine that `applies` not is not made for the case.
    """

    engine: Engine
    rounds: list[list[float]] = field(default_factory=list)
    max_rel_err: float | None = None
    huge_mb: float | None = None
    resident_mb: float | None = None
    reason: str | None = None
    applies: bool = True
    process: Process | None = None
    iterations: int = 0

    def close(self) -> None:
        if self.process:
            self.process.close()
            self.process = None

    def give_up(self, failure: Failed) -> None:
        self.reason = str(failure)
        self.close()


class Bench:
    """The engines of one case, from their loading to their end."""

    def __init__(
        self,
        case: Case,
        engines: Sequence[Engine],
        plan: Plan,
        scratch: Path,
        logs: Path,
        say: Callable[[str], object] = lambda text: print(text, flush=True),
    ) -> None:
        self.case, self.plan, self.scratch, self.logs = case, plan, scratch, logs / case.name
        self._say = say
        self.measured = [Measured(engine) for engine in engines]
        self._environment = environment(plan.threads)
        graph = case.graph()
        types = [graph.type_of(ref) for ref in graph.returned()]
        self._job = Job(
            model=case.settings.model.module,
            settings=case.settings.overrides,
            dtype=case.dtype,
            threads=plan.threads,
            folder=str(scratch),
            executable=str(case.executable.resolve()),
            outputs=[(list(t.sizes), t.dtype) for t in types],
        )

    def run(self, limits: Process | None) -> list[dict[str, float | None]]:
        """Measure all; the answers of `limits`, one a round. What fails has its reason in `measured`, the rest goes on."""
        try:
            self._load()
            return [self._round(number, limits) for number in range(self.plan.rounds)]
        finally:
            for measured in self.measured:
                self._finish(measured)

    def _load(self) -> None:
        """One engine after the other: what compiles takes all cores."""
        reasons = {"": self._export("reference")}
        for measured in self.measured:
            engine, begin = measured.engine, time.perf_counter()
            if engine.missing:
                measured.reason = f"not installed: {', '.join(engine.missing)}; pip install -e .[bench]"
            else:
                if engine.needs not in reasons:
                    reasons[engine.needs] = self._export(engine.needs)
                measured.reason = reasons[""] or reasons[engine.needs]
            if measured.reason is None:
                self._start(measured)
            said = measured.reason or f"loaded in {time.perf_counter() - begin:.1f} s"
            self._say(f"  {engine.name:26s} {said}")

    def _export(self, kind: str) -> str | None:
        """Why it cannot be exported, or None."""
        command = [sys.executable, "-m", EXPORT, kind, str(self._write_job(kind, self._job))]
        process = Process(command, self._environment, self.logs / f"{kind}.log")
        try:
            process.wait(self.plan.loading)
        except Failed as failure:
            return str(failure)
        finally:
            process.close()
        return None

    def _write_job(self, name: str, job: Job) -> Path:
        path = self.scratch / f"{name}.json"
        path.write_text(json.dumps(asdict(job)))
        return path

    def _start(self, measured: Measured) -> None:
        engine = measured.engine
        case = self.case if engine.parallel else self.case.sequential()
        job = replace(self._job, executable=str(case.executable.resolve()), options=engine.options)
        job = replace(job, threads=1) if engine.alone else job
        command = [sys.executable, "-m", engine.module, str(self._write_job(engine.name, job))]
        measured.process = Process(command, self._environment, self.logs / f"{engine.name}.log")
        try:
            answer = measured.process.answer(self.plan.loading)
            if "reason" in answer:
                measured.applies = answer["applies"]
                raise Failed(answer["reason"])
            measured.max_rel_err = answer["max_rel_err"]
            fitting = math.ceil(LEAST * 1e3 / max(answer["first_ms"], 1e-6))
            measured.iterations = self.plan.iterations or min(max(fitting, FEWEST), MOST)
        except Failed as failure:
            measured.give_up(failure)

    def _round(self, number: int, limits: Process | None) -> dict[str, float | None]:
        turns: list[Measured | None] = [None] if limits else []
        turns += [m for m in self.measured if m.process]
        random.Random(number).shuffle(turns)
        found: dict[str, float | None] = {}
        for measured in turns:
            time.sleep(PAUSE)
            if measured is None:
                assert limits
                found = limits.ask({}, self.plan.turn)
            else:
                self._turn(measured)
        return found

    def _turn(self, measured: Measured) -> None:
        assert measured.process
        try:
            request = {"iterations": measured.iterations, "warmup": self.plan.warmup}
            measured.rounds.append(measured.process.ask(request, self.plan.turn)["ms"])
        except Failed as failure:
            measured.give_up(failure)

    def _finish(self, measured: Measured) -> None:
        """Whether the last answer was as right as the first, and what memory it took."""
        if measured.process is None:
            return
        try:
            if len(measured.rounds) == self.plan.rounds:
                answer = measured.process.ask({"check": True}, self.plan.turn)
                errors = [measured.max_rel_err, answer["max_rel_err"]]
                measured.max_rel_err = None if None in errors else max(e for e in errors if e is not None)
                measured.huge_mb, measured.resident_mb = answer["huge_mb"], answer["resident_mb"]
            measured.close()
        except Failed as failure:
            measured.give_up(failure)
