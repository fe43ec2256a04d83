"""Schedule matrix products for the register file, the caches and the cores, in the transform dialect.

A product has loops (o, m, n, k): o runs over the panels of a packed weight or over a batch, m and n over rows and columns of
the result, k over the sum. The schedule is

    parallel o                      the start values are computed in the same iteration
      for k blocks                  so that a block of the right operand stays in the second-level cache
        for m tiles, for n tiles    two vectors wide, as many rows as there are registers for sums
          for k                     one outer product a step, sums in registers

Extents that no tile divides are cut in two first, so every tile has a static shape and no lane is masked.
"""

from __future__ import annotations

from dataclasses import dataclass

from passes.loops import body_of, loops_of
from passes.mlir import ir
from passes.schedule import Schedule, find_all, functions, mark
from passes.targets import Target

OUTER, M, N, K = range(4)
K_BLOCK = 2048  # rows of a block of the right operand: 256 KiB of f32 when 32 wide


@dataclass(frozen=True)
class Product:
    """A product's extents and whether its start values can be computed inside the parallel loop."""

    m: int
    n: int
    k: int
    fusible_start: bool

    @property
    def kept(self) -> list[int]:
        """The dimensions that are left when those of size 1 are folded away, in order."""
        return [d for d, size in ((M, self.m), (N, self.n), (K, self.k)) if size > 1]


def schedule_contractions(module: ir.Operation, target: Target) -> None:
    """Tile and vectorize every f32 product whose loops are (o, m, n, k) with static extents."""
    for function in functions(module):
        _generalize_batch_products(function)
        products = [(op, p) for op in find_all(function, "linalg.generic") if (p := product_of(op)) is not None]
        mark(function, [op for op, _ in products])
        for number, (_, product) in enumerate(products):
            schedule = Schedule()
            _schedule(schedule, number, product, target)
            schedule.apply(function)
        if products:
            _keep_sums_in_registers(function)


def product_of(op: ir.Operation) -> Product | None:
    """What `op`, a linalg.generic, multiplies; None when it is no product or not one that the schedule fits."""
    if body_of(op) != ["arith.mulf", "arith.addf", "linalg.yield"] or len(op.operands) != 3:
        return None
    loops = loops_of(op)
    if loops.kinds != ("parallel", "parallel", "parallel", "reduction") or loops.extents is None or 0 in loops.extents:
        return None
    left, right, result = loops.reads
    fits = M in left and N not in left and right[-1] == N and M not in right and result[-1] == N and None not in left + right
    _, m, n, k = loops.extents
    if not fits or n == 1 or k == 1 or not _is_f32(op):
        return None
    return Product(m, n, k, _start_is_fusible(op))


def _is_f32(op: ir.Operation) -> bool:
    return all(ir.ShapedType(v.type).element_type == ir.F32Type.get(op.context) for v in op.operands)


def _start_is_fusible(op: ir.Operation) -> bool:
    owner = op.operands[2].owner
    return isinstance(owner, ir.Operation | ir.OpView) and owner.name in ("linalg.fill", "linalg.generic")


def _generalize_batch_products(function: ir.Operation) -> None:
    if find_all(function, "linalg.batch_matmul"):
        schedule = Schedule()
        product = schedule.match("%root", "linalg.batch_matmul")
        schedule.op(f"structured.generalize {product}", product, results=1)
        schedule.apply(function)


def _schedule(schedule: Schedule, number: int, product: Product, target: Target) -> None:
    contraction = schedule.match("%root", "linalg.generic", mark=number)
    start = (
        schedule.op(f"get_producer_of_operand {contraction}[2]", contraction, results=1)[0] if product.fusible_start else None
    )
    _, loop = schedule.tile_parallel(contraction, [1])
    if start:
        _, loop = schedule.op(f"structured.fuse_into_containing_op {start} into {loop}", start, loop, results=2)
    schedule.patterns(loop, "linalg.fold_unit_extent_dims_via_slices", "canonicalization")
    parallel = ["parallel"] * (len(product.kept) - 1)
    if start:
        for kind, iterators in (("linalg.fill", None), ("linalg.generic", parallel)):
            rows = schedule.match(loop, kind, iterators)
            rows = schedule.tile(rows, [1]) if len(parallel) > 1 else rows
            schedule.op(f"structured.vectorize {rows}", rows)
    contraction = schedule.match(loop, "linalg.generic", [*parallel, "reduction"])
    for tile in _register_tiles(schedule, contraction, product, target):
        schedule.op(f"structured.vectorize {tile}", tile)
    schedule.patterns("%root", "vector.reduction_to_contract", "vector.transfer_permutation_patterns")


def _register_tiles(schedule: Schedule, contraction: str, product: Product, target: Target) -> list[str]:
    """Cut `contraction` into pieces that tiles divide, and tile each down to one step of k."""
    block = k_block(product.k)
    if block != product.k:
        contraction = schedule.tile(contraction, _sizes(product, {K: block}))
    pieces = [(contraction, {K: 1})]
    for dimension, extent, tiles in (
        (N, product.n, column_tiles(product.n, target)),
        (M, product.m, row_tiles(product.m, target)),
    ):
        if dimension in product.kept:
            pieces = [cut for piece in pieces for cut in _cut(schedule, piece, product, dimension, extent, tiles)]
    steps = []
    for piece, sizes in pieces:
        tile = piece
        for dimension in sorted(sizes):
            tile = schedule.tile(tile, _sizes(product, {dimension: sizes[dimension]}))
        steps.append(tile)
    return steps


def _cut(
    schedule: Schedule,
    piece: tuple[str, dict[int, int]],
    product: Product,
    dimension: int,
    extent: int,
    tiles: list[tuple[int, int]],
) -> list[tuple[str, dict[int, int]]]:
    """One piece for each (count, size) of `tiles`, which cover the extent in order."""
    handle, sizes = piece
    if len(tiles) == 1:
        return [(handle, {**sizes, dimension: tiles[0][1]})]
    (count, size), (_, rest) = tiles
    first, second = schedule.split(handle, product.kept.index(dimension), count * size)
    return [(first, {**sizes, dimension: size}), (second, {**sizes, dimension: rest})]


def _sizes(product: Product, sizes: dict[int, int]) -> list[int]:
    return [sizes.get(dimension, 0) for dimension in product.kept]


def row_tiles(extent: int, target: Target) -> list[tuple[int, int]]:
    """(count, size) of the fewest row tiles that fit the registers, as even as they can be: 40 rows are 4 tiles of 10."""
    count = -(-extent // target.rows)
    size, larger = divmod(extent, count)
    return [(larger, size + 1), (count - larger, size)] if larger else [(count, size)]


def column_tiles(extent: int, target: Target) -> list[tuple[int, int]]:
    """(count, size): tiles two vectors wide, then one narrower tile for what is left."""
    width = 2 * target.lanes
    count, rest = divmod(extent, width)
    return [(n, size) for n, size in ((count, width), (1, rest)) if n and size]


def k_block(extent: int) -> int:
    """The largest divisor of the extent up to K_BLOCK, or all of it when only small ones divide it."""
    if extent <= K_BLOCK:
        return extent
    block = max(d for d in range(1, K_BLOCK + 1) if extent % d == 0)
    return block if block >= K_BLOCK // 8 else extent


def _keep_sums_in_registers(function: ir.Operation) -> None:
    """Make the result tile a value that the k loop carries, not a tensor that every step reads and writes."""
    schedule = Schedule()
    schedule.patterns("%root", "tensor.fold_tensor_subset_ops_into_vector_transfers", "canonicalization")
    loops = schedule.match("%root", "scf.for")
    schedule.op(f"apply_licm to {loops}", loops)
    schedule.op(f"loop.hoist_loop_invariant_subsets {loops}", loops)
    schedule.apply(function)
