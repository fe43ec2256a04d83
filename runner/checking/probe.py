"""Run files of one stage on a case in a process of its own, which may crash or hang, and tell how far off each result is.

`python -m runner.checking.probe CASES FUNCTION FILE... --target T --out VERDICT.json [--keep FOLDER] [--places FILE.json]`
"""

from __future__ import annotations

import argparse
import ctypes
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from runner.checking.child import THREADS, guarded, process

TIMEOUT = 300.0  # seconds


@dataclass(frozen=True)
class Finding:
    """One result: how far off it is, where, and whether that is allowed."""

    name: str
    node: str
    source: str
    error: float
    tolerance: float
    index: tuple[int, ...]
    actual: str
    expected: str
    fault: str
    right: bool

    @property
    def place(self) -> str:
        return f"{self.name}{list(self.index)}"


@dataclass(frozen=True)
class Verdict:
    """`findings`: of each result, in the case's order. `said`: why it is not right whatever they are, in a sentence.

    `crashed`: it ended the process that ran it, or never ended itself: then its time was up, `late`.
    """

    findings: tuple[Finding, ...] = ()
    said: str = ""
    crashed: bool = False
    late: bool = False

    @property
    def right(self) -> bool:
        return not self.said and all(finding.right for finding in self.findings)

    @property
    def wrong(self) -> bool:
        """It ran and its numbers are wrong."""
        return not self.said and not self.right

    @property
    def worst(self) -> Finding | None:
        """The first that is wrong, else that of the largest error."""
        bad = [f for f in self.findings if not f.right]
        return bad[0] if bad else max(self.findings, key=lambda f: f.error, default=None)


def probe(
    files: Sequence[Path],
    cases: Path,
    function: str,
    target: str,
    timeout: float = TIMEOUT,
    keep: Path | None = None,
    places: Path | None = None,
) -> Verdict:
    """What files of one stage compute, against a case; with `keep` their results are left there as `0`, `1`, ... instead.

    With `places` the function, of MLIR as the frontend writes it, is made to return the values that are there as well.
    """
    with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
        out = Path(scratch, "verdict.json")
        words = [str(cases), function, *map(str, files), "--target", target, "--out", str(out), "--scratch", scratch]
        words += [word for name, path in (("--keep", keep), ("--places", places)) if path for word in (name, str(path))]
        ended = process("runner.checking.probe", words, timeout)
        if ended.said:
            return Verdict(**vars(ended))
        if keep:
            return Verdict()
        return Verdict(tuple(Finding(**{**row, "index": tuple(row["index"])}) for row in json.loads(out.read_text())))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("cases", "function"):
        parser.add_argument(name)
    parser.add_argument("files", nargs="+", type=Path)
    for name in ("target", "out", "scratch"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--places", type=Path)
    given = parser.parse_args()
    return guarded(lambda: _run(given))


def _run(given: argparse.Namespace) -> None:
    from passes import targets
    from runner.checking import cases, code

    case = cases.load(Path(given.cases), given.function)
    shown = 0
    if given.places:
        case, shown = _exposed(given, case)
    own = [result for result in case.results if result.argument is None]
    takes = {given.function: len(case.arguments) + len(own)}
    entries, parallel = code.load(given.files, takes, targets.find(given.target), Path(given.scratch))
    answers = runs(entries[given.function], case, parallel)
    if given.keep:
        for number, array in enumerate(answers[0]):
            array.tofile(given.keep / str(number))
        return
    found = [finding(case, result, [run[i] for run in answers]) for i, result in enumerate(case.results)]
    Path(given.out).write_text(json.dumps([asdict(row) for row in found[-shown:]]))


def _exposed(given: argparse.Namespace, case: Any) -> tuple[Any, int]:
    """The case without the results that the file does not show, and how many it does; in its place one that returns them."""
    from passes import expose, stages
    from runner.checking.code import NotRunnable

    module = stages.read(given.files[0])
    places = list(json.loads(given.places.read_text()).values())
    found = expose.expose(module, given.function, [(name, ordinal, index) for name, ordinal, index in places])
    if not any(found):
        raise NotRunnable(f"{given.files[0]}: no operation in it is at the location of a node")
    given.files = [Path(given.scratch, "exposed.mlir")]
    stages.write(module, given.files[0])
    own = len(case.results) - len(places)
    shown = [result for result, there in zip(case.results[own:], found, strict=True) if there]
    return replace(case, results=(*case.results[:own], *shown)), len(shown)


def runs(entry: Any, case: Any, parallel: bool) -> list[list[np.ndarray]]:
    """What several calls leave in the results, each on another number of threads, or one where the code starts none."""
    from runner.link import openmp_library

    if not parallel:
        return [answer(entry, case)]
    found = []
    for threads in THREADS:
        ctypes.CDLL(str(openmp_library())).omp_set_num_threads(threads)
        found.append(answer(entry, case))
    return found


def answer(entry: Any, case: Any) -> list[np.ndarray]:
    """What one call leaves in the results."""
    from runner.checking import cases
    from runner.jit import call

    arguments = cases.numbers(case)
    results = [cases.room(case, result) if result.argument is None else arguments[result.argument] for result in case.results]
    call(entry, [*arguments, *(r for r, kind in zip(results, case.results, strict=True) if kind.argument is None)])
    return results


def finding(case: Any, result: Any, answers: Sequence[np.ndarray], expected: np.ndarray | None = None) -> Finding:
    """One result, of several runs: against what is expected, here or in the case's files, and against one another."""
    from runner.checking import cases
    from runner.checking.compare import compare

    dtype, tolerance = result.expected.dtype, case.allowed(result)
    wanted = cases.expected(case, result) if expected is None else cases.decoded(expected, dtype)
    differences = [compare(cases.decoded(run, dtype), wanted, result.nan) for run in answers]
    worst = next((d for d in differences if not d.within(tolerance)), max(differences, key=lambda d: d.error))
    fault = worst.fault
    if any(run.tobytes() != answers[0].tobytes() for run in answers):
        fault = fault or "other numbers in other runs or on fewer threads: a race"
    right = worst.within(tolerance) and not fault
    where = (result.expected.name, result.node, result.source)
    return Finding(*where, worst.error, tolerance, worst.index, worst.actual, worst.expected, fault, right)


if __name__ == "__main__":
    sys.exit(main())
