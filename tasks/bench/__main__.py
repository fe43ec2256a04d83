"""`python -m tasks.bench LIMITS OUTPUT [WORD ...]`: the words are doit's, LIMITS is the program that measures the machine."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.bench.cases import Case, NotBuilt, cases
from tasks.bench.engines import ENGINES
from tasks.bench.machine import cores, environment, huge_pages, processor
from tasks.bench.measure import WARMUP, Bench, Plan
from tasks.bench.plot import plot
from tasks.bench.process import Failed, Process
from tasks.bench.report import conditions, table, title
from tasks.bench.results import Row, limits_of, rows
from tasks.settings import Settings, parse


def main() -> int:
    program, output, *words = sys.argv[1:]
    settings = parse(dict(word.split("=", 1) for word in words))
    chosen, broken = _built(cases(settings), settings.folder)
    threads = settings.run.get("threads", len(os.sched_getaffinity(0)))
    plan = Plan(threads, settings.rounds, settings.run.get("iterations"), settings.run.get("warmup", WARMUP))
    pinned = cores(threads)
    os.sched_setaffinity(0, pinned)  # every process from here on inherits it
    try:
        whole = measure(chosen, settings, plan, Path(program), Path(output).parent)
    except Failed as failure:
        print(f"{program}: {failure}", file=sys.stderr)
        return 1
    whole |= {"processor": processor(), "cores": pinned, "huge_pages": huge_pages()}
    whole["failed"] = broken
    Path(output).write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n")
    print(f"\n{table(whole['rows'])}\n{conditions(whole)}")
    draw(whole, Path(output).parent)
    return 1 if broken or any(row["ours"] and row["applies"] and row["reason"] for row in whole["rows"]) else 0


def _built(chosen: Sequence[Case], already: Path) -> tuple[list[Case], dict[str, str]]:
    """The cases whose executable is there, up to date, and for the others the reason; `already` is built."""
    ready, broken = [], {}
    for case in chosen:
        try:
            if case.settings.folder != already:
                case.build()
            ready.append(case)
        except NotBuilt as error:
            broken[case.name] = str(error)
            print(error, flush=True)
    return ready, broken


def measure(chosen: Sequence[Case], settings: Settings, plan: Plan, program: Path, folder: Path) -> dict[str, Any]:
    """The limits and the rows of all cases; logs are left in `folder`/logs."""
    logs = folder / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    engines = [engine for engine in ENGINES if not settings.engines or engine.name in settings.engines]
    limits = Process([str(program), str(plan.threads)], environment(plan.threads), logs / "limits.log")
    answers: list[dict[str, float | None]] = []
    found: list[Row] = []
    try:
        for case in chosen:
            print(title(case.row() | {"threads": plan.threads}), flush=True)
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                bench = Bench(case, engines, plan, Path(scratch), logs)
                own = bench.run(limits)
                found += rows(case, case.work(), bench.measured, plan.threads, limits_of(own))
                answers += own
    finally:
        limits.close()
    return {"threads": plan.threads, "rounds": plan.rounds, "limits": limits_of(answers), "rows": found}


def draw(whole: dict[str, Any], folder: Path) -> None:
    try:
        print(f"drawn: {', '.join(map(str, plot(whole, folder)))}")
    except ModuleNotFoundError as missing:
        print(f"no plot, {missing.name} is not installed: pip install -e .[bench]")


if __name__ == "__main__":
    sys.exit(main())
