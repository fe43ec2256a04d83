"""Named linalg operations as linalg.generic."""

from __future__ import annotations

from passes.mlir import ir
from passes.schedule import Schedule, find_all, functions
from passes.targets import Target

MOVING = ("linalg.transpose", "linalg.broadcast")


def generalize_moves(module: ir.Operation, target: Target) -> None:
    """Write what only moves elements as linalg.generic, so that it fuses with what reads it."""
    for function in functions(module):
        generalize(function, *MOVING)


def generalize(function: ir.Operation, *names: str) -> None:
    """The operations of these names in a function."""
    schedule = Schedule()
    for name in names:
        if find_all(function, name):
            found = schedule.match("%root", name)
            schedule.op(f"structured.generalize {found}", found, results=1)
    if schedule.lines:
        schedule.apply(function)
