"""Cases without PyTorch: what a file computes by the plain lowering is right, on numbers that are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.bisect.states import NoStates, OutOfTime
from runner.checking.cases import Case, Result, Tensor, default_tolerance, save
from runner.checking.probe import probe


def drawn_case(made: Mapping[str, Any]) -> Case:
    """How a function is called; `made` says what it takes and returns, as `passes.slices.signature` does.

    Memory that it takes may be written, so its new values count as results.
    """
    arguments = [Tensor(f"argument{i}", t["dtype"], tuple(t["shape"])) for i, t in enumerate(made["takes"])]
    returned = [Tensor(f"result{i}", t["dtype"], tuple(t["shape"])) for i, t in enumerate(made["returns"])]
    written = [Result(a, i, nan=True) for i, (a, t) in enumerate(zip(arguments, made["takes"], strict=True)) if t["memory"]]
    results = [*(Result(t, nan=True) for t in returned), *written]
    return Case(
        made["function"],
        tuple(arguments),
        tuple(replace(r, tolerance=default_tolerance(r.expected.dtype)) for r in results),
    )


def reference_case(file: Path, made: Mapping[str, Any], target: str, timeout: float, folder: Path) -> Path:
    """The case of a file, in a folder, with what the file computes as expected; raises NoStates where that is not known."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "cases.json"
    case = drawn_case(made)
    save([case], path)
    ended = probe([file], path, case.function, target, timeout, keep=folder)
    if ended.late:
        raise OutOfTime(f"{file}: the code of the plain lowering takes", timeout)
    if ended.said:
        raise NoStates(
            f"{file}: the plain lowering is what is right, but its code {ended.said}" if ended.crashed else ended.said
        )
    results = [
        replace(r, expected=replace(r.expected, file=str(number), stored=r.expected.dtype))
        for number, r in enumerate(case.results)
    ]
    save([replace(case, results=tuple(results))], path)
    return path
