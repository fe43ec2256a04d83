"""What `doit benchmarks` does: run those that are named, one after the other, and tell."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from doit.exceptions import InvalidCommand

from passes import targets
from tasks import models
from tasks.bench.engines import ENGINES
from tasks.bench.machine import cores, processor
from tasks.bench.measure import WARMUP, Plan
from tasks.benchmarks import history, report
from tasks.benchmarks.measure import Runner
from tasks.benchmarks.result import FAILED, PASSED, SKIPPED, Result
from tasks.benchmarks.table import SIZES, Benchmark, UnknownBenchmark, chosen
from tasks.settings import Settings
from tasks.trace import Trace

FOLDER = "benchmarks"  # below the build folder
REGRESSED, INTERRUPTED = 4, 130  # exit statuses; 1: something failed, doit has 2 and 3


def main(names: Sequence[str], settings: Settings, out: TextIO) -> int:
    """The exit status. Raises doit's InvalidCommand for names and settings that make no sense."""
    if list(names) == ["list"]:
        _list(settings.size, out)
        return 0
    try:
        benchmarks = chosen(names)
    except UnknownBenchmark as error:
        raise InvalidCommand(str(error)) from error
    _refuse(settings)
    folder = settings.root / FOLDER
    shutil.rmtree(folder / "logs", ignore_errors=True)
    (folder / "logs").mkdir(parents=True)
    return _Run(benchmarks, settings, folder, out).status()


def _refuse(settings: Settings) -> None:
    """What cannot be said of all benchmarks at once."""
    taken = [word for word in settings.words if word.startswith(("model=", "parallel="))]
    taken += [word for word in settings.words if word.partition("=")[0] in settings.overrides]
    if taken:
        raise InvalidCommand(
            f"{taken[0]}: benchmarks have models of their own, at size={'|'.join(SIZES)}, with threads and without"
        )
    if why := targets.missing_here(targets.find(settings.target)):
        raise InvalidCommand(f"target={settings.target} does not run here: {why}; benchmarks take target=native, the default")


def _list(size: str, out: TextIO) -> None:
    def told(benchmark: Benchmark) -> str:
        words = [f"model={benchmark.model}", *(f"{name}={value}" for name, value in benchmark.settings(size).items())]
        return " ".join(words)

    report.listing([(b.name, models.find(b.model).purpose, told(b)) for b in chosen([])], size, out)


class _Run:
    """Some benchmarks, from the first to the last."""

    def __init__(self, benchmarks: Sequence[Benchmark], settings: Settings, folder: Path, out: TextIO) -> None:
        self.benchmarks, self.settings, self.folder, self.out = benchmarks, settings, folder, out
        self.results = [Result(b.name, b.model, b.settings(settings.size)) for b in benchmarks]
        self._threads = settings.run.get("threads", len(os.sched_getaffinity(0)))
        self._trace = Trace()
        self._doing = ""
        self._earlier = history.load(folder / "history.jsonl")

    def status(self) -> int:
        began, begin = time.strftime("%Y-%m-%dT%H:%M:%S%z"), time.perf_counter()
        interrupted = self._all()
        whole = self._whole(began, time.perf_counter() - begin)
        self._remember(began)
        whole["regressed"] = sum(result.regression is not None for result in self.results)
        console = report.console_on(self.out)
        report.show(console, self.results, whole)
        paths = report.write(self.folder, self.results, whole)
        if self.settings.trace and self._trace.events:
            paths.append(self.folder / "trace.json")
            self._trace.write(paths[-1])
        console.print(f"written: {', '.join(map(str, paths))}", soft_wrap=True)
        if interrupted:
            return INTERRUPTED
        if whole[FAILED]:
            return 1
        return REGRESSED if whole["regressed"] and self.settings.regressions == "fail" else 0

    def _all(self) -> bool:
        """Run them; true when somebody interrupted: what is left is skipped."""
        settings, timeout = self.settings, float(self.settings.timeout)
        warmup = settings.run.get("warmup", WARMUP)
        plan = Plan(self._threads, settings.rounds, settings.run.get("iterations"), warmup, timeout, timeout)
        with report.Screen(self.results, self.out) as screen:

            def tell(name: str, step: str) -> None:
                self._traced(f"{name}: {step}")
                screen.tell(name, step)

            runner = Runner(settings, plan, self.folder / "logs", tell)
            for benchmark, result in zip(self.benchmarks, self.results, strict=True):
                try:
                    runner.run(benchmark, result)
                except KeyboardInterrupt:
                    result.reason = "interrupted"
                    return True
                finally:
                    self._traced("")
        return False

    def _traced(self, doing: str) -> None:
        """Where in the trace one step ends and the next begins."""
        if self._doing:
            self._trace.end(self._doing, "")
        if doing:
            self._trace.begin(doing, "", [])
        self._doing = doing

    def _whole(self, began: str, seconds: float) -> dict[str, Any]:
        (torch,) = {engine.version for engine in ENGINES if engine.name == "eager"}
        counts = {status: sum(r.status == status for r in self.results) for status in (PASSED, FAILED, SKIPPED)}
        about = {"began": began, "seconds": seconds, "size": self.settings.size, "dtype": self.settings.dtype}
        about |= {"target": self.settings.target, "threads": self._threads, "rounds": self.settings.rounds}
        about |= {"processor": processor(), "cores": cores(self._threads), "torch": torch}
        return about | counts

    def _remember(self, began: str) -> None:
        """Flag what got worse, and add this run to the history."""
        whole = self._whole(began, 0.0)
        lines = []
        for result in self.results:
            if result.vs_eager is None:
                continue
            line = {name: whole[name] for name in ("began", "size", "dtype", "target", "threads", "processor", "torch")}
            line |= {"benchmark": result.name, "settings": result.settings, **vars(result.vs_eager), "run": result.run}
            result.regression = history.regression(line, self._earlier)
            lines.append(line | {"regressed": result.regression is not None})
        history.append(self.folder / "history.jsonl", lines)
