"""A module after each pass of the pipelines: its text, its operations by dialect, and the time that the pass took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from passes import pipelines
from passes.command.listing import summary
from passes.mlir import ir
from passes.steps import Step
from passes.targets import Target

LARGE = 32  # elements; constants of more are elided


@dataclass(frozen=True)
class Began:
    """A pass that runs now."""

    pipeline: str
    step: str


@dataclass(frozen=True)
class Snapshot:
    """A module after a pass, or before the first (`step` is empty then).

    does: what the pass does, in a line. text: with locations, without large constants; None where the pass changed nothing.
    ops: how many operations of each dialect there are.
    """

    pipeline: str
    step: str
    does: str
    seconds: float
    text: str | None
    ops: dict[str, int]


def take(module: ir.Module, names: Iterable[str], target: Target, say: Callable[[Began | Snapshot], None]) -> None:
    """Run the pipelines of these names on a module, in place, and tell of each pass when it begins and when it has ended."""
    last, ops = text(module), count(module)
    say(Snapshot("", "", "what the frontend made", 0.0, last, ops))
    name = ""

    @contextmanager
    def around(step: Step, module: ir.Module) -> Iterator[None]:
        nonlocal last, ops
        say(Began(name, step.label))
        begin = time.perf_counter()
        yield
        seconds = time.perf_counter() - begin
        now = text(module)
        changed = now != last
        ops = count(module) if changed else ops
        last = now
        say(Snapshot(name, step.label, summary(step.entry), seconds, now if changed else None, ops))

    for name in names:
        pipelines.run(module, name, target, around=around)


def text(module: ir.Module) -> str:
    return module.operation.get_asm(enable_debug_info=True, large_elements_limit=LARGE, large_resource_limit=LARGE)


def count(module: ir.Module) -> dict[str, int]:
    ops: dict[str, int] = {}

    def visit(op: ir.Operation) -> ir.WalkResult:
        dialect = op.name.partition(".")[0]
        ops[dialect] = ops.get(dialect, 0) + 1
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return ops
