"""The verdict on each stage as a table, and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from runner.checking.probe import Finding
from runner.checking.stages import LATE, NODES, NOT_RUN, RIGHT, WRONG, Row

WIDTH = 150  # where there is no terminal
STYLES = {RIGHT: "green", WRONG: "bold red", LATE: "yellow", NOT_RUN: "yellow"}


def show(rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False, markup=False)
    table = Table("stage", "largest error", "allowed", "where", "node whose value that is", "verdict", box=None, pad_edge=False)
    for row in rows:
        worst = row.worst
        cells = [f"{worst.error:.2e}", f"{worst.tolerance:.1e}", worst.place] if worst else ["", "", ""]
        name = f"{row.stage}, {len(row.verdict.findings)} of {row.nodes}" if row.stage == NODES and worst else row.stage
        table.add_row(name, *cells, _node(row), row.word, style=None if row.word == RIGHT else STYLES[row.word])
    console.print(table)
    for row in rows:
        if "f32_max_rel_err" in row.figures:
            console.print(f"{row.stage}: {row.figures['f32_max_rel_err']:.2e} from the model as written, in f32")
    told = set()
    for row in rows:
        worst = row.worst
        same = (worst.place, worst.actual, worst.fault) if worst and not row.verdict.said else row.stage
        if same not in told and (sentence := said(row)):
            console.print(sentence, soft_wrap=True)
        told.add(same)  # what a stage made of another's wrong numbers is told once
    words = [row.word for row in rows]
    counts = ", ".join(f"{words.count(word)} {word}" for word in STYLES if word in words)
    console.print(f"{len(rows)} stages: {counts}", soft_wrap=True)


def said(row: Row) -> str:
    """What is to be said of a stage besides its figures."""
    if row.verdict.said:
        late = "ran out of time: it " if row.word == LATE else ""
        return f"{row.stage}: {', '.join(row.files)}: {late}{row.verdict.said}"
    worst = row.worst
    if row.word == RIGHT or worst is None:
        return ""
    fault = worst.fault or f"off by {worst.error:.2e}, {worst.tolerance:.1e} allowed"
    node = f", the value of {_named(worst)}" if worst.node else ""
    return f"{row.stage}: {', '.join(row.files)}: {worst.place} is {worst.actual}, PyTorch has {worst.expected}{node}: {fault}"


def write(rows: Sequence[Row], path: Path) -> None:
    path.write_text(json.dumps({row.stage: row.plain() for row in rows}, indent=1) + "\n")


def _node(row: Row) -> str:
    """Whose value is shown: of several that are wrong the first."""
    wrong = sum(not finding.right for finding in row.verdict.findings)
    return (_named(row.worst) if row.worst else "") + (f", first of {wrong} wrong" if wrong > 1 else "")


def _named(finding: Finding) -> str:
    return f"{finding.node} at {finding.source}" if finding.source else finding.node
