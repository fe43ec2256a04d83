"""The passes of a pipeline, one by one: how each is addressed, and which of them a part of the pipeline has."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from passes.mlir import ir
from passes.names import nearest
from passes.targets import Target

PythonPass = Callable[[ir.Operation, Target], None]
Pipeline = tuple[str | PythonPass, ...]  # upstream passes by name, ours as functions of a module and the target


class UnknownStep(ValueError):
    """A name that is no pass of a pipeline, or of several: what there is instead."""


@dataclass(frozen=True)
class Step:
    """A pass at one place of a pipeline. `label`: `cse#2` for the second of several, the bare name for the only one."""

    entry: str | PythonPass
    label: str


def name_of(entry: str | PythonPass) -> str:
    """A pass as people write it: `canonicalize`, `schedule-products`."""
    return entry if isinstance(entry, str) else entry.__name__.replace("_", "-")


def bare(entry: str | PythonPass) -> str:
    """A pass's name without what it runs on and its options."""
    found = re.match(r"[\w-]+", name_of(entry).rpartition("(")[2])
    return found[0] if found else name_of(entry)


def steps_of(pipeline: Pipeline) -> list[Step]:
    """Every pass of a pipeline, in order."""
    names = [bare(entry) for entry in pipeline]
    labels = (name if names.count(name) == 1 else f"{name}#{names[: i + 1].count(name)}" for i, name in enumerate(names))
    return [Step(entry, label) for entry, label in zip(pipeline, labels, strict=True)]


def place(steps: list[Step], word: str, pipeline: str) -> int:
    """Where the pass that `word` addresses stands among the steps of the pipeline of this name."""
    labels = [step.label for step in steps]
    name, _, number = word.partition("#")
    alike = [i for i, label in enumerate(labels) if label.partition("#")[0] == name]
    if word in labels or (number == "1" and len(alike) == 1):
        return alike[int(number or 1) - 1]
    if not alike:
        hint = nearest(word, {*labels, *(bare(step.entry) for step in steps)})
        raise UnknownStep(f"{pipeline} has no pass {word!r}, `python -m passes list {pipeline}` names all{hint}")
    if number:
        raise UnknownStep(f"{pipeline} has no {word!r}: {name!r} occurs {_times(len(alike))}")
    behind = (f"{labels[i]} ({f'after {labels[i - 1]}' if i else 'at the start'})" for i in alike)
    raise UnknownStep(f"{pipeline} has {name!r} {_times(len(alike))}, say which: {', '.join(behind)}")


def part(steps: list[Step], pipeline: str, start_after: str | None, stop_after: str | None, only: str | None) -> list[Step]:
    """The steps behind one pass, up to and with another, or a single one."""
    if only is not None:
        return [steps[place(steps, only, pipeline)]]
    begin = 0 if start_after is None else place(steps, start_after, pipeline) + 1
    end = len(steps) if stop_after is None else place(steps, stop_after, pipeline) + 1
    if begin > end:
        raise UnknownStep(f"nothing lies between {start_after!r} and {stop_after!r}: in {pipeline} the second comes first")
    return steps[begin:end]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
