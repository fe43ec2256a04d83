"""Results as a table on a terminal or in plain lines, and as JSON and CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from rich.box import SIMPLE
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from tasks.bench.statistics import Comparison
from tasks.benchmarks.result import FAILED, PASSED, SKIPPED, Result
from tasks.records import write_atomically

HEADS = ("Benchmark", "Build seq", "Build OMP", "Run seq", "Run OMP", "Correct", "Speedup", "vs eager")
MARKS = {PASSED: "✓", FAILED: "✗", SKIPPED: "○"}
STYLES = {"✓": "green", "✗": "red", "○": "dim"}
HOW = {"from the cache": "cache", "up to date": "as it was"}
LEGEND = "Speedup: sequential time over OpenMP's; vs eager: PyTorch's over OpenMP's; (95 % interval); ~ inside the noise"
WIDTH = 132  # of a table that is not read on a terminal


def console_on(out: TextIO) -> Console:
    console = Console(file=out, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    return console


class Screen:
    """What is shown while benchmarks run: the table as it fills, or a line for each step where nobody watches."""

    def __init__(self, results: Sequence[Result], out: TextIO) -> None:
        self._results = results
        self.console = console_on(out)
        self._watched = self.console.is_terminal and not self.console.is_dumb_terminal
        self._doing = ""
        self._spinner = Spinner("dots")
        self._live = Live(console=self.console, get_renderable=self._render, transient=True, refresh_per_second=8)

    def __enter__(self) -> Screen:
        if self._watched:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._watched:
            self._live.stop()

    def tell(self, name: str, step: str) -> None:
        self._doing = f"{name}: {step}"
        if not self._watched:
            number = next(i for i, result in enumerate(self._results, 1) if result.name == name)
            self.console.print(f"[{number}/{len(self._results)}] {self._doing}", markup=False)

    def _render(self) -> Group:
        done = [result for result in self._results if result.status != SKIPPED]
        self._spinner.update(text=Text(f"{len(done)} of {len(self._results)} done; {self._doing}"))
        return Group(*([table(done)] if done else []), self._spinner)


def table(results: Sequence[Result]) -> Table:
    made = Table(*HEADS[:1], box=SIMPLE, pad_edge=False)
    for head in HEADS[1:]:
        made.add_column(head, justify="right", no_wrap=True)
    for result in results:
        flag = " ↓" if result.regression else ""
        made.add_row(Text(result.name + flag), *(_styled(cell) for cell in cells(result)))
    return made


def cells(result: Result) -> list[str]:
    """What stands right of the name; the mark of a step that failed, a ring for those that were not reached."""
    found = []
    for step, key in (("build seq", "seq"), ("build OMP", "omp")):
        how = result.how.get(key, "")
        figure = f"{result.build[key]:.1f} s" if how == "built" else HOW.get(how, "")
        found.append(_cell(result, (step, "capture"), figure))
    for step, key in (("run seq", "seq"), ("run OMP", "omp")):
        figure = duration(result.run[key]) if key in result.run else ""
        found.append(_cell(result, (step,), figure))
    found.append(_cell(result, ("correct",), f"{max(result.errors.values(), default=0):.0e}"))
    for compared in (result.speedup, result.vs_eager):
        found.append(ratio(compared) if compared else _cell(result, ("measure",), ""))
    return found


def duration(ms: float) -> str:
    return f"{ms:.3g} ms" if ms >= 1 else f"{ms * 1e3:.3g} µs"


def _cell(result: Result, steps: tuple[str, ...], figure: str) -> str:
    """Done if the first of the steps was; failed if one of them did."""
    if result.reached(steps[0]):
        return f"{MARKS[PASSED]} {figure}".strip()
    return MARKS[FAILED if result.status == FAILED and result.step in steps else SKIPPED]


def ratio(compared: Comparison) -> str:
    """A difference that noise may explain has a tilde before it."""
    low, high = ("" if bound is None else _short(bound) for bound in (compared.low, compared.high))
    between = f" ({low}–{high})" if low else ""  # noqa: RUF001
    return f"{'' if compared.differs else '~'}{_short(compared.ratio)}x{between}"


def _short(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 100 else f"{ratio:.0f}"


def _styled(cell: str) -> Text:
    return Text(cell, style=STYLES.get(cell[:1], ""))


def show(console: Console, results: Sequence[Result], whole: Mapping[str, Any]) -> None:
    """The table, a sentence for whatever is not as it should be, and the summary."""
    console.print(table(results))
    for result in results:
        if result.reason:
            console.print(f"{MARKS[result.status]} {result.name}, {result.step}: {result.reason}", markup=False, soft_wrap=True)
        if result.regression:
            console.print(f"↓ {result.name}: worse than before: {result.regression}", markup=False, soft_wrap=True)
    console.print(
        f"size={whole['size']}, {whole['threads']} threads, {whole['rounds']} rounds in turns. {LEGEND}", soft_wrap=True
    )
    counts = ", ".join(f"{whole[status]} {status}" for status in MARKS)
    worse = f", {whole['regressed']} worse than before" if whole["regressed"] else ""
    console.print(f"{counts}{worse}, {whole['seconds']:.1f} s", soft_wrap=True)


def write(folder: Path, results: Sequence[Result], whole: Mapping[str, Any]) -> list[Path]:
    """benchmarks.json with everything, benchmarks.csv with a line for each benchmark."""
    paths = [folder / "benchmarks.json", folder / "benchmarks.csv"]
    rows = {"rows": [result.row() for result in results]}
    write_atomically(paths[0], json.dumps({**whole, **rows}, indent=1, allow_nan=False) + "\n")
    with paths[1].open("w", newline="") as file:
        lines = [_line(result) for result in results]
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    return paths


def _line(result: Result) -> dict[str, Any]:
    line: dict[str, Any] = {"benchmark": result.name, "status": result.status, "step": result.step, "reason": result.reason}
    line |= {f"build_{key}_s": result.build.get(key) for key in ("seq", "omp")}
    line |= {f"build_{key}": result.how.get(key) for key in ("seq", "omp")}
    line |= {f"{key}_ms": result.run.get(key) for key in ("seq", "omp", "eager")}
    line |= {"max_rel_err": max(result.errors.values(), default=None), "tolerance": result.tolerance}
    for name in ("speedup", "vs_eager"):
        compared = getattr(result, name)
        for part in ("ratio", "low", "high"):
            line[f"{name}_{part}"] = getattr(compared, part) if compared else None
    return line | {"regression": result.regression}


def listing(rows: Sequence[tuple[str, ...]], size: str, out: TextIO) -> None:
    """Name, purpose, and the settings of one size."""
    made = Table("Benchmark", "What it is", f"size={size}", box=SIMPLE, pad_edge=False)
    for row in rows:
        made.add_row(*map(Text, row))
    console_on(out).print(made)
