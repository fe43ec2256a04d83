"""Measure one operator after the other, as told on standard input, one JSON line an operator; answers are JSON lines too.

A line `{"begin": ...}` goes before each sample, so that whoever reads knows which one was running when this process dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree

from tests.coverage.compare import difference
from tests.coverage.samples import OPERATORS, Call, is_random, samples, seed
from tests.coverage.subjects import SUBJECTS, Unsupported


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the operators print is not an answer

    def answer(**row: Any) -> None:
        print(json.dumps(row), file=answers)

    for line in sys.stdin:
        measure(json.loads(line), answer)


def measure(job: dict[str, Any], answer: Callable[..., None]) -> None:
    op = OPERATORS[job["op"]]
    every = samples(op, job["dtype"])
    chosen = job["samples"] if job["samples"] is not None else range(len(every))
    answer(count=len(every))
    for number in chosen:
        if number >= len(every) or number < job["first"]:
            continue
        answer(begin=number)
        try:
            random = is_random(op, every[number])
        except Exception:  # PyTorch itself refuses it
            random = True
        if random:
            answer(sample=number, result="random")
        else:
            answer(sample=number, **verdict(op, every[number], SUBJECTS[job["subject"]], job.get("perturb", False)))
    answer(done=True)


def verdict(op: Any, sample: Any, subject: Callable[..., Any], perturb: bool) -> dict[str, Any]:
    """`passed`, `wrong` with the difference, or `unsupported` with the reason and the operators that are missing."""
    call = Call(op, sample)
    with torch.no_grad():
        seed()
        expected = _flat(call(*call.arguments()))
        seed()
        try:
            with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):
                actual = _flat(subject(call, expected))
        except Unsupported as error:
            return {"result": "unsupported", "why": re.sub(r"\s+", " ", str(error))[:400], "missing": " ".join(error.missing)}
        if perturb:
            actual = [_perturbed(a) for a in actual]
        different = difference(op, actual, expected, sample)
    return {"result": "wrong", "why": different} if different else {"result": "passed"}


def _flat(results: Any) -> list[Any]:
    leaves = [leaf for leaf in pytree.tree_leaves(results) if leaf is not None]
    return [x.detach().resolve_conj().resolve_neg().clone() if isinstance(x, torch.Tensor) else x for x in leaves]


def _perturbed(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    return ~value if value.dtype == torch.bool else value * 1.01 + 1 if value.is_floating_point() else value + 1


if __name__ == "__main__":
    main()
