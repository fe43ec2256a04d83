"""One benchmark, from its model file to its figures."""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from passes import faults
from tasks import models
from tasks.bench.cases import Case
from tasks.bench.engines import ENGINES
from tasks.bench.machine import cores, environment
from tasks.bench.measure import Bench, Measured, Plan
from tasks.bench.statistics import compare
from tasks.benchmarks.command import Ended, run
from tasks.benchmarks.result import FAILED, PASSED, Result
from tasks.benchmarks.table import Benchmark
from tasks.settings import Settings

(OMP,) = (engine for engine in ENGINES if engine.name == "sluice")
(EAGER,) = (engine for engine in ENGINES if engine.name == "eager")
TURNS = {"seq": replace(OMP, name="sequential", parallel=False), "omp": replace(OMP, name="OpenMP"), "eager": EAGER}


SHARED = ("frontend", "executable:runner.o")
WRONG = 1  # the exit status of an executable whose answer is wrong


class Fault(Exception):
    """What is wrong with a benchmark, in a sentence."""


@dataclass(frozen=True)
class Runner:
    """Runs benchmarks; logs go to `logs`, and `tell` hears which step begins."""

    settings: Settings
    plan: Plan
    logs: Path
    tell: Callable[[str, str], object]

    def case(self, benchmark: Benchmark) -> Case:
        model = models.find(benchmark.model)
        given = benchmark.settings(self.settings.size)
        overrides = {name: str(value) for name, value in sorted(given.items()) if model.settings.get(name) != value}
        return Case(replace(self.settings, model=model, overrides=overrides, parallel=True))

    def run(self, benchmark: Benchmark, result: Result) -> None:
        """Every step until one fails; what is found out goes into `result`."""
        try:
            parallel = self.case(benchmark)
            sequential, result.tolerance = parallel.sequential(), parallel.tolerance
            wrong: dict[str, str] = {}
            self._begin(result, "capture")
            for case in (sequential, parallel):  # what both have in common is not timed
                self._build(result, case, *SHARED)
            for name, key, case in (("build seq", "seq", sequential), ("build OMP", "omp", parallel)):
                self._begin(result, name)
                ended = self._build(result, case, "executable")
                result.build[key], result.how[key] = ended.seconds, _how(ended.said)
            for name, key, case in (("run seq", "seq", sequential), ("run OMP", "omp", parallel)):
                self._begin(result, name)
                result.errors[key], wrong[key] = self._check(result, case)
            self._begin(result, "correct")
            if any(wrong.values()):
                raise Fault("; ".join(f"{TURNS[key].name}: {said}" for key, said in wrong.items() if said))
            self._begin(result, "measure")
            self._measure(result, parallel)
            result.status = PASSED
        except (Fault, models.UnknownModel, OSError) as error:
            result.status, result.reason = FAILED, str(error)

    def _begin(self, result: Result, step: str) -> None:
        result.step = step
        self.tell(result.name, step)

    def _log(self, result: Result, name: str) -> Path:
        return self.logs / result.name / f"{name.replace(' ', '-')}.log"

    def _build(self, result: Result, case: Case, *groups: str) -> Ended:
        log = self._log(result, result.step)
        ended = run([sys.executable, "-m", "doit", *case.words(), *groups], log, self.settings.timeout)
        if ended.status == 0:
            return ended
        again = f"doit {' '.join([*case.words(), *groups])}"
        raise Fault(f"{self._ended(ended, log) or _of_doit(ended.said)}; again, alone: {again}")

    def _check(self, result: Result, case: Case) -> tuple[float, str]:
        """The error of a call, relative to the largest element, and what is wrong with the answer, if anything.

        The executable compares every element with eager PyTorch's.
        """
        log, figures = self._log(result, result.step), self._log(result, result.step).with_suffix(".json")
        command = [str(case.executable), "--iterations", "1", "--warmup", "0", "--threads", str(self.plan.threads)]
        figures.unlink(missing_ok=True)
        ended = run([*command, "--json", str(figures)], log, self.settings.timeout, environment(self.plan.threads))
        if ended.status in (0, WRONG):
            return float(json.loads(figures.read_text())["max_rel_err"]), _verdict(ended.said) if ended.status else ""
        raise Fault(self._ended(ended, log) or _last(ended.said))

    def _ended(self, ended: Ended, log: Path) -> str:
        """Why there is no result, where the command itself could not say; else nothing."""
        if ended.status is None:
            return f"took longer than timeout={self.settings.timeout} s, and was killed with all that it started; see {log}"
        return f"crashed, killed by signal {-ended.status}; see {log}" if ended.status < 0 else ""

    def _measure(self, result: Result, case: Case) -> None:
        """Both executables and PyTorch in turns."""
        with tempfile.TemporaryDirectory(dir=self.logs) as scratch, _pinned(self.plan.threads):
            bench = Bench(case, list(TURNS.values()), self.plan, Path(scratch), self.logs / result.name, lambda said: None)
            bench.run(None)
        for key, measured in zip(TURNS, bench.measured, strict=True):
            result.rounds[key] = [statistics.median(turn) for turn in _rounds(measured, case.tolerance)]
            result.run[key] = statistics.median(result.rounds[key])
        result.speedup = compare(result.rounds["seq"], result.rounds["omp"])
        result.vs_eager = compare(result.rounds["eager"], result.rounds["omp"])


def _rounds(measured: Measured, tolerance: float) -> list[list[float]]:
    """The calls' times; raises Fault where there are none, or our answers were wrong."""
    name, error = measured.engine.name, measured.max_rel_err
    if measured.reason:
        raise Fault(f"{name}: {measured.reason}")
    if measured.engine.ours and (error is None or error > tolerance):
        raise Fault(f"{name}: wrong beside PyTorch in float64: {'no finite error' if error is None else f'{error:.1e}'}")
    return measured.rounds


@contextmanager
def _pinned(threads: int) -> Iterator[None]:
    """Every process that is started meanwhile keeps to as many processors."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores(threads))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _how(said: str) -> str:
    """Whether doit built anything, by the marks of its lines."""
    marks = {line[:3] for line in said.splitlines()}
    return "built" if ".  " in marks else "from the cache" if "+  " in marks else "up to date"


def _of_doit(said: str) -> str:
    """The first task that failed, and what it said, in a line."""
    lines = said.splitlines()
    first = next((i for i, line in enumerate(lines) if line.startswith("!  ")), None)
    if first is None:
        return _last(said)
    after = [line.strip() for line in lines[first + 1 :]]
    reasons = [line for line in after[: next((i for i, x in enumerate(after) if x.startswith("again, alone:")), None)] if line]
    return faults.brief(f"{lines[first].split()[1]}: " + ("\n".join(reasons) or "no reason given"))


def _verdict(said: str) -> str:
    """What an executable says of a wrong answer: on standard error, so that its figures may come after it."""
    return next((line for line in said.splitlines() if line.startswith("Wrong answer")), "") or _last(said)


def _last(said: str) -> str:
    return next((line.strip()[:300] for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
