"""Products, and what belongs to them, into parallel loops: see `passes.groups`."""

from __future__ import annotations

import logging

from passes.groups import groups_of
from passes.mlir import ir
from passes.products import RESULT, product_of
from passes.schedule import Schedule, find_all, functions, mark
from passes.targets import Target

log = logging.getLogger("passes.schedule-products")


def schedule_products(module: ir.Operation, target: Target) -> None:
    """Tile each group's root with one parallel loop and compute its members inside, tile by tile."""
    for function in functions(module):
        _own_starts(function)
        for group in groups_of(function, target):
            mark(function, group.ops())
            schedule = Schedule()
            group.fuse(schedule)
            schedule.apply(function)


def _own_starts(function: ir.Operation) -> None:
    """Give every product a start of its own: what two products share could not be computed inside either loop."""
    for op in find_all(function, "linalg.generic"):
        if product_of(op) is None:
            continue
        start = op.operands[RESULT]
        shared = len(list(start.uses)) > 1 and not isinstance(start.owner, ir.Block)
        if shared and start.owner.name in ("linalg.fill", "linalg.generic"):
            log.debug("%s gets a start of its own, a copy of %s", op.location, start.owner.name)
            with ir.InsertionPoint(op):
                op.operands[RESULT] = start.owner.operation.clone().results[start.result_number]
