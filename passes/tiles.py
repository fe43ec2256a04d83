"""How a product is cut into tiles: of the register file, and of the second-level cache."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict

from passes.mlir import ir
from passes.products import Product
from passes.targets import Target
from passes.tilings import PARAMETERS, Tiling

NEAR, FAR = 1 << 15, 1 << 18  # bytes that stay in the first-level and in the second-level cache
FEW_ROWS = 256
FEW = 2  # panels, which every thread would have to read if rows were cut
HALF = 1 << 17  # bytes of a batch's left operand or result in an iteration: they stay in the second-level cache
TILING = "sluice.tiling"  # on a product: what schedule-products chose for it


def row_tiles(extent: int, target: Target) -> list[tuple[int, int]]:
    """(count, size) of the fewest row tiles that fit the registers, as even as they can be: 40 rows are 4 tiles of 10."""
    count = -(-extent // target.rows)
    size, larger = divmod(extent, count)
    return [(larger, size + 1), (count - larger, size)] if larger else [(count, size)]


def column_tiles(extent: int, target: Target, rows: int | None = None) -> list[tuple[int, int]]:
    """(count, size): tiles two vectors wide, then one narrower tile for what is left.

    Of few rows wider ones, as the registers allow: the right operand is then read in longer runs.
    """
    vectors = 2
    while rows and vectors * (rows + 1) <= target.rows + 1:
        vectors *= 2
    width = vectors * target.lanes
    count, rest = divmod(extent, width)
    return [(n, size) for n, size in ((count, width), (1, rest)) if n and size]


def block_bytes(rows: int | None) -> int:
    """For few rows what half of the first-level cache holds; many make up for the sums that every block reads and writes."""
    return NEAR if rows is not None and rows <= FEW_ROWS else FAR


def k_block(extent: int, row_bytes: int, bytes_: int) -> int:
    """The largest divisor of the extent whose rows fill at most so many bytes, or all of it when only small ones divide it."""
    most = max(1, bytes_ // row_bytes)
    if extent <= most:
        return extent
    block = max(d for d in range(1, most + 1) if extent % d == 0)
    return block if block >= most // 8 else extent


def runs(extent: int, most: int) -> list[tuple[int, int]]:
    """(count, size) of runs of at most so many steps: of one size if a divisor is near, or else with a shorter last one."""
    size = k_block(extent, 1, most)
    count, rest = divmod(extent, size if size <= most else most)
    return [(n, steps) for n, steps in ((count, min(size, most)), (1, rest)) if n and steps]


def spans(tiles: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """(first, count, size) of tiles that cover an extent in order."""
    begins = itertools.accumulate((count * size for count, size in tiles), initial=0)
    return [(first, count, size) for first, (count, size) in zip(begins, tiles, strict=False)]


def parallel_tiles(product: Product, tiling: Tiling) -> dict[int, int]:
    """How much of each parallel loop one iteration of the threads' common loop takes: panels of a weight, or rows of a batch.

    Rows are cut where the outer loops alone are too few to share out, and where a batch's rows would leave the caches.
    """
    tiles = dict.fromkeys(product.outer, 1)
    if tiles and product.packed:
        extent = product.extent(product.outer[-1])
        tiles[product.outer[-1]] = max(d for d in range(1, tiling.panels + 1) if extent % d == 0)
    count = math.prod(product.extent(loop) for loop in product.outer)
    if product.m is None:
        return tiles
    most = HALF // (4 * max(product.steps, product.columns))
    if count < (FEW if product.packed else tiling.chunks):
        most = min(most, -(-(product.rows or most) * count // tiling.chunks))
    elif product.packed:
        return tiles
    return tiles | {product.m: row_block(product.rows, max(most, 2 * tiling.rows))}


def row_block(extent: int | None, most: int) -> int:
    """The largest divisor of the extent up to `most`; if all are small, `most` itself, and the last block is smaller."""
    if extent is None or extent <= most:
        return most if extent is None else extent
    block = max(d for d in range(1, most + 1) if extent % d == 0)
    return block if 2 * block >= most else most


def set_tiling(op: ir.Operation, tiling: Tiling) -> None:
    """Write down how a product is tiled, on the product: loops will cut it, and its tiles tell nothing of the whole."""
    i64 = ir.IntegerType.get_signless(64, op.context)
    op.attributes[TILING] = ir.DictAttr.get(
        {name: ir.IntegerAttr.get(i64, n) for name, n in asdict(tiling).items()}, op.context
    )


def tiling_at(op: ir.Operation) -> Tiling | None:
    if TILING not in op.attributes:
        return None
    numbers = ir.DictAttr(op.attributes[TILING])
    return Tiling(**{name: ir.IntegerAttr(numbers[name]).value for name in PARAMETERS})
