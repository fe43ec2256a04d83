"""Every stage of a build on the same inputs: what its artifacts compute, and how far that is from PyTorch's answer."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from runner.checking import ENDS, PARTS, cases, child
from runner.checking.probe import Finding, Verdict, finding, probe

FUNCTION, INSIDE = PARTS
NODES = "nodes"  # the row of every node's value
RIGHT, WRONG, LATE, NOT_RUN = "right", "wrong", "out of time", "cannot be run"
ALIGNMENT = 64  # bytes, of tensors in a file of answers
FRESH = {"GLIBC_TUNABLES": "glibc.malloc.perturb=1:glibc.malloc.tcache_count=0"}  # fresh memory is filled


@dataclass
class Row:
    """A stage: its files, and its verdict, in a word, with what it rests on.

    `figures` is what an executable says of itself, `nodes` how many there are to look at.
    """

    stage: str
    files: list[str]
    verdict: Verdict
    figures: dict[str, Any] = field(default_factory=dict)
    nodes: int = 0

    @property
    def word(self) -> str:
        if self.verdict.late:
            return LATE
        return RIGHT if self.verdict.right else WRONG if self.verdict.findings else NOT_RUN

    @property
    def worst(self) -> Finding | None:
        return self.verdict.worst

    def plain(self) -> dict[str, Any]:
        """For `verify.json`; what is no number is null there."""
        worst = self.worst
        found: dict[str, Any] = {"verdict": self.word, "said": self.verdict.said, "max_rel_err": None}
        if worst:
            error = max((f.error for f in self.verdict.findings), default=0.0)
            found |= {"max_rel_err": error if np.isfinite(error) else None, "tolerance": worst.tolerance, "where": worst.place}
            found |= {"actual": worst.actual, "expected": worst.expected, "node": worst.node, "source": worst.source}
            found["fault"] = worst.fault
        return self.figures | found


def rows(folder: Path, executables: list[Path], target: str, timeout: float, missing: Mapping[str, str]) -> Iterator[Row]:
    """A row for each stage, in order, as it is done. `missing` says of stages why they could not be built."""
    listed = folder / "cases.json"
    for stage, end in ENDS.items():
        files = [folder / f"{part}{end}" for part in PARTS]
        names = [path.name for path in files]
        if stage in missing:
            yield Row(stage, names, Verdict(said=missing[stage]))
            continue
        yield Row(stage, names, probe(files, listed, FUNCTION, target, timeout))
        if stage == "frontend":
            places = folder / "places.json"
            inside = probe(files[1:], listed, INSIDE, target, timeout, places=places)
            yield Row(NODES, names[1:], inside, nodes=len(json.loads(places.read_text())))
    yield from _executables(folder, executables, timeout, missing)


def _executables(folder: Path, executables: list[Path], timeout: float, missing: Mapping[str, str]) -> Iterator[Row]:
    """Each against PyTorch, and those that are right against one another bit by bit."""
    first: tuple[str, bytes] | None = None
    for path in executables:
        if path.name in missing:
            yield Row(path.name, [path.name], Verdict(said=missing[path.name]))
            continue
        row, answer = run(path, folder, timeout)
        if row.word == RIGHT and first and answer != first[1]:
            row.verdict = replace(row.verdict, said=f"gives other bits than {first[0]}")
        elif row.word == RIGHT:
            first = (path.name, answer)
        yield row


def run(executable: Path, folder: Path, timeout: float) -> tuple[Row, bytes]:
    """An executable on the recorded inputs, and the bytes of its answer."""
    with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
        figures, answer = Path(scratch, "figures.json"), Path(scratch, "answer.data")
        command = [str(executable.resolve()), "--data", str(folder), "--warmup", "0", "--iterations", "1"]
        command += ["--json", str(figures), "--output", str(answer)]
        ended, stderr = child.run(command, timeout, {**os.environ, **FRESH})
        if ended.crashed:  # what it left may be half an answer
            return Row(executable.name, [executable.name], Verdict(**vars(ended))), b""
        said = f"{ended.said}: {' '.join(stderr.split())}" if ended.said and stderr else ended.said
        found = json.loads(figures.read_text()) if figures.exists() else {}
        if not answer.exists():
            return Row(executable.name, [executable.name], Verdict(said=said or "it leaves no answer")), b""
        data = answer.read_bytes()
        findings = tuple(_findings(cases.load(folder / "cases.json", FUNCTION), data))
        if said and all(f.right for f in findings):
            return Row(executable.name, [executable.name], Verdict(findings, said), found), data
        return Row(executable.name, [executable.name], Verdict(findings), found), data


def _findings(case: cases.Case, answer: bytes) -> Iterator[Finding]:
    start = 0
    for result in case.results:
        tensor = result.expected
        data = np.frombuffer(answer, np.uint8, tensor.nbytes, start)
        yield finding(case, result, [data.view(cases.STORED[tensor.dtype]).reshape(tensor.shape)])
        start += -(-tensor.nbytes // ALIGNMENT) * ALIGNMENT
