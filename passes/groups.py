"""Which operations run in one parallel loop: a product, what consumes it element by element, and what only they read.

A group has a root, whose parallel loops are tiled, and members, each computed in the root's loop for one tile at a time. An
operation joins when nothing outside of the group reads it and no tile of it is computed twice: where a member reads it,
its subscripts name every tiled loop. What belongs to no product forms groups too, see `passes.parallelize`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from passes.loops import loops_of
from passes.mlir import ir
from passes.products import RESULT, Product, product_of, recognized
from passes.schedule import Schedule, find_all
from passes.targets import Target
from passes.tiles import parallel_tiles, set_tiling, tiling_at
from passes.tilings import tiling_of

log = logging.getLogger("passes.schedule-products")

Tiles = dict[int, int]  # loops, and how many of their iterations a tile has
MANY = 32  # rows, where their number is known only when the code runs
WORTH_A_REGION = 1 << 16  # multiply-adds; below, starting the threads costs more than they save


@dataclass
class Group:
    """`members` are in the order in which they are fused into the root's loop: readers before what they read."""

    root: ir.Operation
    tiles: Tiles
    members: list[ir.Operation] = field(default_factory=list)

    def ops(self) -> list[ir.Operation]:
        return [self.root, *self.members]

    def fuse(self, schedule: Schedule, first: int = 0) -> None:
        """Write the loop into a schedule for which `ops` are marked with the numbers from `first` on."""
        root, *members = (schedule.match("%root", mark=first + number) for number in range(len(self.ops())))
        sizes = [self.tiles.get(loop, 0) for loop in range(len(loops_of(self.root).kinds))]
        _, loop = schedule.tile_parallel(root, sizes)
        for member in members:
            schedule.op(f"apply_cse to {loop}", loop)
            _, loop = schedule.op(f"structured.fuse_into_containing_op {member} into {loop}", member, loop, results=2)
        schedule.op(f"apply_cse to {loop}", loop)
        schedule.patterns(loop, "tensor.fold_tensor_empty", "canonicalization")


def groups_of(function: ir.Operation, target: Target) -> list[Group]:
    """The groups around the products of a function; a product belongs to one, small ones to none."""
    at_top = at_top_of(function)
    taken: set[ir.Operation] = set()
    groups = []
    for op in reversed(at_top):
        if op.name != "linalg.generic" or op in taken:
            continue
        product = recognized(op)
        if isinstance(product, str):
            if log.isEnabledFor(logging.DEBUG) and "reduction" in loops_of(op).kinds:
                log.debug("%s is no product: it %s", op.location, product)
        elif not worth_a_region(product):
            log.debug("%s is too small for threads: %s", op.location, product.name)
        elif group := _around(op, product, at_top, taken, target):
            taken |= set(group.ops())
            groups.append(group)
    return groups


def at_top_of(function: ir.Operation) -> list[ir.Operation]:
    """What may be in a group: of the operations in no loop, those that have loops of their own."""
    return [op for op in find_all(function, "linalg.generic", "linalg.fill") if op.parent == function]


def _around(
    op: ir.Operation, product: Product, at_top: list[ir.Operation], taken: set[ir.Operation], target: Target
) -> Group | None:
    tiling = tiling_at(op) or tiling_of(product.name, target)
    tiles = parallel_tiles(product, tiling)
    if not tiles:
        log.debug("%s has no loop to share out: %s", op.location, product.name)
        return None
    group = grown(*_root(op, product, tiles, taken), at_top)
    _set_tilings(group.ops(), target)
    log.debug("%s is a product, %s, tiled %s", op.location, product.name, tiling.words())
    log.debug("  in a parallel loop over %s by %s", group.root.location, group.tiles)
    for member in group.members:
        log.debug("  which computes %s at %s", member.name, member.location)
    return group


def _set_tilings(ops: list[ir.Operation], target: Target) -> None:
    for op in ops:
        if (product := product_of(op)) is not None:
            set_tiling(op, tiling_at(op) or tiling_of(product.name, target))


def worth_a_region(product: Product) -> bool:
    return product.per_row * (product.rows or MANY) >= WORTH_A_REGION


def _root(op: ir.Operation, product: Product, tiles: Tiles, taken: set[ir.Operation]) -> tuple[ir.Operation, Tiles]:
    """What consumes the product's elements one by one, if it is free and their only reader, or else the product itself."""
    uses = list(op.results[0].uses)
    consumer = uses[0].owner.operation if len(uses) == 1 else None
    if consumer is None or consumer in taken or consumer.name != "linalg.generic":
        return op, tiles
    loops = loops_of(consumer)
    read = loops.reads[uses[0].operand_number]
    permutes = [sorted(reads, key=str) == list(range(len(loops.kinds))) for reads in (read, loops.reads[-1])]
    if set(loops.kinds) != {"parallel"} or len(consumer.results) != 1 or not all(permutes):
        return op, tiles
    return consumer, {read[product.reads[RESULT].index(loop)]: size for loop, size in tiles.items()}


def grown(root: ir.Operation, tiles: Tiles, at_top: list[ir.Operation]) -> Group:
    """A root with all that can be computed in its loop."""
    group = Group(root, tiles)
    tiled = {root: {loop: loop for loop in tiles}}
    results = zip(root.results, loops_of(root).reads[-len(root.results) :], strict=True)
    owns = [(result.type, {place: loop for place, loop in enumerate(reads) if loop in tiles}) for result, reads in results]
    for op in reversed(at_top):
        if op in tiled or len(op.results) != 1:
            continue
        wanted = [_wanted(use, tiled) for use in op.results[0].uses]
        if wanted and wanted[0] and all(w == wanted[0] for w in wanted):
            loops = _result_loops(op)
            # members of its type write into the root's result, where all but the own tile is other iterations'
            foreign = any(op.results[0].type == type_ and wanted[0] != own for type_, own in owns)
            if foreign:
                log.debug("%s stays out of the loop over %s: it would write other tiles", op.location, root.location)
            elif all(loops[place] >= 0 for place in wanted[0]):
                tiled[op] = {loop: wanted[0][place] for place, loop in enumerate(loops) if place in wanted[0]}
                group.members.append(op)
    return group


def _wanted(use: ir.OpOperand, tiled: dict[ir.Operation, dict[int, int]]) -> dict[int, int] | None:
    """Which of the root's loops cut what a member reads, by the operand's dimensions; None if it reads more than a tile."""
    reader = use.owner.operation
    if reader not in tiled:
        return None
    reads = range(len(_result_loops(reader))) if reader.name == "linalg.fill" else loops_of(reader).reads[use.operand_number]
    if not set(tiled[reader]) <= set(reads):
        return None
    return {place: tiled[reader][loop] for place, loop in enumerate(reads) if loop in tiled[reader]}


def _result_loops(op: ir.Operation) -> list[int]:
    if op.name == "linalg.fill":
        return list(range(ir.ShapedType(op.results[0].type).rank))
    return [-1 if loop is None else loop for loop in loops_of(op).reads[-1]]
