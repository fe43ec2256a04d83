"""`python -m passes run --check`: whether passes keep the numbers that a file computes."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from passes.command.supervise import supervise


def check(words: list[str], given: argparse.Namespace) -> int:
    """Run the passes, then what was there before and after them by the plain lowering, on drawn numbers. The verdict is all
    that is printed: what the passes leave goes to `given.output`, or nowhere.

    The exit status is 1 when the numbers differ, or when a pass failed; 2 when nothing can be compared.
    """
    from runner.bisect.reproduce import reference_case
    from runner.bisect.states import NoStates, record
    from runner.checking.probe import TIMEOUT, probe

    timeout = given.timeout or TIMEOUT
    with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
        after = given.output or Path(scratch, "after.mlir")
        plain = [word for word in words if word != "--check"]
        if status := supervise(plain if given.output else [*plain, "-o", str(after)], given):
            return status
        try:
            made = record(given.file, Path(scratch, "states"), given.target, (), "", timeout).made
            case = reference_case(given.file, made, given.target, timeout, Path(scratch, "case"))
        except NoStates as error:
            print(error, file=sys.stderr)
            return 2
        verdict = probe([after], case, made["function"], given.target, timeout)
    if verdict.right:
        print(f"{given.file}: the numbers are the same before and after")
        return 0
    if verdict.crashed:
        print(f"{given.file}: what the passes made of it {verdict.said}")
        return 1
    if verdict.said:
        said = verdict.said.removeprefix(f"{after}: ")
        print(f"{given.file}: what the passes made of it cannot be compared: {said}", file=sys.stderr)
        return 2
    worst = verdict.worst
    assert worst is not None
    how = worst.fault or f"off by {worst.error:.2e}, {worst.tolerance:.1e} allowed"
    print(f"{given.file}: wrong: {worst.place} is {worst.actual} and was {worst.expected} before: {how}")
    return 1
