"""Products, and what belongs to them, into parallel loops: see `passes.groups`."""

from __future__ import annotations

from passes.groups import groups_of
from passes.mlir import ir
from passes.schedule import Schedule, functions, mark
from passes.starts import own_starts
from passes.targets import Target


def schedule_products(module: ir.Operation, target: Target) -> None:
    """Tile each group's root with one parallel loop and compute its members inside, tile by tile."""
    for function in functions(module):
        own_starts(function, target)
        for group in groups_of(function, target):
            mark(function, group.ops())
            schedule = Schedule()
            group.fuse(schedule)
            schedule.apply(function)
