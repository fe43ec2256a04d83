"""Cases without PyTorch: what a file computes by the plain lowering is right, on numbers that are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.checking.cases import Case, Result, Tensor, default_tolerance, save
from runner.checking.probe import Verdict, probe


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


def reference_case(file: Path, made: Mapping[str, Any], target: str, timeout: float, folder: Path) -> tuple[Path, str]:
    """The case of a file, in a folder, with what the file computes as expected; and why there is none, in a sentence."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "cases.json"
    case = drawn_case(made)
    save([case], path)
    said = probe([file], path, case.function, target, timeout, keep=folder).said
    results = [
        replace(r, expected=replace(r.expected, file=str(number), stored=r.expected.dtype))
        for number, r in enumerate(case.results)
    ]
    save([replace(case, results=tuple(results))], path)
    return path, said


def compare_files(before: Path, after: Path, made: Mapping[str, Any], target: str, timeout: float, folder: Path) -> Verdict:
    """Whether two files compute the same."""
    path, said = reference_case(before, made, target, timeout, folder)
    if said:
        return Verdict(said=f"{before} {said}")
    return probe([after], path, made["function"], target, timeout)
