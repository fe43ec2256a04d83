"""Run what is in no product's group, elementwise operations and reductions, in parallel over its outer loops."""

from __future__ import annotations

import logging

from passes.groups import Group, Tiles, at_top_of, grown
from passes.loops import loops_of
from passes.mlir import ir
from passes.products import product_of
from passes.schedule import Schedule, functions, mark
from passes.targets import Target

log = logging.getLogger("passes.parallelize")

WORTH_A_REGION = 8192  # iterations; below, starting the threads costs more than they save
CHUNKS = 16  # enough to share out evenly among a few threads


def parallelize(module: ir.Operation, target: Target) -> None:
    """Cut the outer parallel loops of what stands at the top of a function into CHUNKS parts or a little more.

    What an operation alone reads is computed with it, part by part: a norm's sums and its quotients are one loop.
    """
    for function in functions(module):
        groups = _groups(function)
        mark(function, [op for group in groups for op in group.ops()])
        schedule, first = Schedule(), 0
        for group in groups:
            group.fuse(schedule, first)
            first += len(group.ops())
        schedule.apply(function)


def _groups(function: ir.Operation) -> list[Group]:
    at_top = [op for op in at_top_of(function) if op.name == "linalg.generic"]
    taken: set[ir.Operation] = set()
    groups = []
    for op in reversed(at_top):
        if op not in taken and product_of(op) is None and (tiles := _tiles(op)):
            groups.append(grown(op, tiles, at_top))
            taken |= set(groups[-1].ops())
    return groups


def _tiles(op: ir.Operation) -> Tiles:
    """How much of each outer loop goes into one part; nothing where the operation stays on one thread."""
    loops = loops_of(op)
    if loops.extents is None:
        log.debug("%s stays on one thread: its extents are not known", op.location)
        return {}
    if loops.count < WORTH_A_REGION:
        log.debug("%s stays on one thread: %d iterations, threads pay from %d", op.location, loops.count, WORTH_A_REGION)
        return {}
    tiles: Tiles = {}
    chunks = 1
    for loop, (kind, extent) in enumerate(zip(loops.kinds, loops.extents, strict=True)):
        if kind == "reduction" or chunks >= CHUNKS:
            break
        # the largest divisor that still leaves CHUNKS parts
        tiles[loop] = max(d for d in range(1, extent + 1) if extent % d == 0 and (d == 1 or chunks * extent // d >= CHUNKS))
        chunks *= extent // tiles[loop]
    log.debug("%s: %s by %s, cut into %d", op.location, loops.kinds, loops.extents, chunks)
    return tiles if chunks > 1 else {}
