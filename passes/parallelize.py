"""Run what is in no group, elementwise operations and reductions, in parallel over its outer loops."""

from __future__ import annotations

import logging

from passes.loops import loops_of
from passes.mlir import ir
from passes.products import product_of
from passes.schedule import Schedule, find_all, functions, mark
from passes.targets import Target

log = logging.getLogger("passes.parallelize")

WORTH_A_REGION = 8192  # iterations; below, starting the threads costs more than they save
CHUNKS = 16  # enough to share out evenly among a few threads


def parallelize(module: ir.Operation, target: Target) -> None:
    """Tile each linalg.generic at the top of a function by 1 over as many outer parallel loops as give CHUNKS iterations."""
    for function in functions(module):
        outermost = [
            op for op in find_all(function, "linalg.generic") if op.parent.name == "func.func" and product_of(op) is None
        ]
        chosen = [(op, sizes) for op in outermost if (sizes := _sizes(op))]
        mark(function, [op for op, _ in chosen])
        schedule = Schedule()
        for number, (_, sizes) in enumerate(chosen):
            schedule.tile_parallel(schedule.match("%root", "linalg.generic", mark=number), sizes)
        schedule.apply(function)


def _sizes(op: ir.Operation) -> list[int]:
    """The tile sizes of the outer loops; none where the operation stays on one thread."""
    loops = loops_of(op)
    sizes: list[int] = []
    chunks = 1
    if loops.extents is None:
        log.debug("%s stays on one thread: its extents are not known", op.location)
        return sizes
    if loops.count < WORTH_A_REGION:
        log.debug("%s stays on one thread: %d iterations, threads pay from %d", op.location, loops.count, WORTH_A_REGION)
        return sizes
    for kind, extent in zip(loops.kinds, loops.extents, strict=True):
        if kind == "reduction" or chunks >= CHUNKS:
            break
        sizes.append(1)
        chunks *= extent
    log.debug("%s: %s by %s, cut into %d", op.location, loops.kinds, loops.extents, chunks)
    return sizes if chunks > 1 else []
