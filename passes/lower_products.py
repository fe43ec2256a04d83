"""Products in memory to loops over tiles whose sums stay in registers.

    for outer
      for blocks of k               a block of the right operand stays in a cache
        for tiles of rows
          for tiles of columns      two vectors wide, as many rows as there are registers for sums
            for k                   a broadcast for each row, a multiply-add for each row and vector

Columns that fill no vector are masked. While one block is multiplied the next is fetched, at an even rate: otherwise all
traffic falls into the first tile of rows, which then waits. Packing has put the next block behind this one; beyond the last one
a fetch reaches memory that nobody reads, which a processor ignores.
"""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from passes.mlir import arith, ir, scf
from passes.operands import Left, Places, Right, Sums, along_memory, index, shifted
from passes.products import RESULT, RIGHT, Product, product_of
from passes.schedule import find_all
from passes.starts import Start, start_of, zeros
from passes.targets import Target
from passes.tiles import NEAR, block_bytes, column_tiles, k_block, row_tiles, runs, spans, tiling_at
from passes.tilings import default

log = logging.getLogger("passes.lower-products")

RUN = 256  # steps, at most, that are added up before they are added to the result
IN_FLIGHT = 8  # multiply-adds that a processor has under way
LONG = 64  # steps; of shorter sums a processor has several tiles under way
SHORT = 8  # steps; of so short a sum eager PyTorch rounds the products before it adds them
FLAT, NARROW = 4, 12  # if rows or columns are fewer than that
LINE = 64  # bytes of a cache line
AHEAD = 1 << 13  # bytes between what a single tile reads and what it fetches
COMPACT = 1 << 16  # bytes of sums that are worth memory of their own
WORTH_FETCHING = 1 << 14  # bytes of a block; smaller ones come from near


def lower_products(module: ir.Operation, target: Target) -> None:
    """Turn every product whose columns lie side by side into loops over register tiles."""
    for op in find_all(module, "linalg.generic"):
        product = product_of(op)
        if product is None:
            continue
        if not all(along_memory(op.operands[i]) for i in (RIGHT, RESULT)):
            log.debug("%s stays as it is, its columns do not lie side by side: %s", op.location, product.name)
            continue
        with ir.InsertionPoint(op), op.location:
            start = start_of(op, product)
            _Loops(op, product, target, start).emit()
        op.erase()
        if start and start.move:
            start.move.erase()


@contextmanager
def _loop(first: int, count: int, step: int) -> Iterator[ir.Value]:
    """The values first, first + step, ...: of a loop, unless there is only one."""
    if count == 1:
        yield index(first)
        return
    with _for(index(first), index(first + count * step), step) as place:
        yield place


@contextmanager
def _for(first: ir.Value, end: ir.Value, step: int) -> Iterator[ir.Value]:
    op = scf.ForOp(first, end, index(step))
    with ir.InsertionPoint(op.body):
        yield op.induction_variable
        scf.YieldOp([])


@dataclass(frozen=True)
class _Tile:
    """Of the result: its size, where it begins, and where its rows and its vectors do; a vector with the lanes that count."""

    rows: int
    columns: int
    row: ir.Value
    column: ir.Value
    lines: list[ir.Value]
    vectors: list[tuple[ir.Value, int]]


class _Loops:
    def __init__(self, op: ir.Operation, product: Product, target: Target, start: Start | None) -> None:
        tiling = tiling_at(op) or default(target)
        target = target.of(product.types[RESULT])
        self.product, self.target, self.unroll = product, replace(target, rows=tiling.rows), tiling.unroll
        self.left, self.right, self.sums = Left(op, product, target), Right(op, product, target), Sums(op, product, target)
        self.start = start
        self.columns = column_tiles(product.columns, target, product.rows)
        single = [count for count, _ in self.columns] == [1]
        self.one_pass = single and product.rows is not None and product.rows <= tiling.rows
        most = tiling.block or block_bytes(product.rows)
        self.width = 1 if product.panel is None else product.extent(product.k)  # steps that no block or run parts
        panels = product.steps // self.width
        self.block = product.steps if self.one_pass else self.width * k_block(panels, self.width * self.right.row_bytes, most)
        log.debug(
            "%s: %s in tiles of at most %d rows, columns of %s, sums of %d steps in blocks of %d, %d unrolled",
            op.location, product.name, tiling.rows, self.columns, product.steps, self.block, self.unroll,
        )  # fmt: skip

    def emit(self) -> None:
        self._outer(list(self.product.outer), {})

    def _outer(self, loops: list[int], places: Places) -> None:
        if loops:
            with _loop(0, self.product.extent(loops[0]), 1) as place:
                self._outer(loops[1:], places | {loops[0]: place})
            return
        result, start = self.sums, self.start
        if compact := self._compact():
            self.sums, self.start = result.compact(compact), zeros(result.type.element_type)
        with _loop(0, self.product.steps // self.block, self.block) as block:
            for tile in self._tiles():
                self._tile(tile, block, places)
        if compact:
            for tile in self._tiles():
                for cell, lanes in self._cells(tile, places):
                    old = start.load(cell, result.type, lanes) if start else result.load(cell, lanes)
                    result.store(arith.addf(old, self.sums.load(cell, lanes)), cell, lanes)

    def _tiles(self) -> Iterator[_Tile]:
        for rows, loop in self._row_loops():
            with loop as row:
                for first_column, column_count, columns in spans(self.columns):
                    with _loop(first_column, column_count, columns) as column:
                        yield self._tile_at(rows, columns, row, column)

    def _compact(self) -> tuple[int, int] | None:
        """Rows and columns of memory of its own for the sums, where blocks pass over them again and again.

        The rows of a wide result are often a multiple of a page apart, so that few of them stay in a cache together.
        """
        rows, columns = self.product.rows, self.product.columns
        if rows is None or self.block == self.product.steps or 4 * rows * columns > COMPACT or self.sums.dense():
            return None
        return rows, columns

    def _cells(self, tile: _Tile, places: Places) -> list[tuple[Places, int]]:
        return [(self._cell(places, line, at), lanes) for line in tile.lines for at, lanes in tile.vectors]

    def _row_loops(self) -> Iterator[tuple[int, AbstractContextManager[ir.Value]]]:
        """The sizes of row tiles, each with the loop over where they begin."""
        if self.product.rows is not None:
            for first, count, rows in spans(row_tiles(self.product.rows, self.target)):
                yield rows, _loop(first, count, rows)
            return
        begin, end = index(0), self.left.rows()
        most = self.target.rows
        for rows in dict.fromkeys((most, max(1, most // 3), 1)):  # of an unknown number: what is left takes smaller tiles
            whole = arith.muli(arith.divui(arith.subi(end, begin), index(rows)), index(rows))
            stop = arith.addi(begin, whole)
            yield rows, _for(begin, stop, rows)
            begin = stop

    def _tile_at(self, rows: int, columns: int, row: ir.Value, column: ir.Value) -> _Tile:
        lanes = self.target.lanes
        vectors = [(shifted(column, at), min(lanes, columns - at)) for at in range(0, columns, lanes)]
        return _Tile(rows, columns, row, column, [shifted(row, i) for i in range(rows)], vectors)

    def _tile(self, tile: _Tile, block: ir.Value, places: Places) -> None:
        """Add one block's products to a tile of the result, in runs that each start at zero: so the sums round less."""
        cells = self._cells(tile, places)
        for first, count, panels in spans(runs(self.block // self.width, max(1, RUN // self.width))):
            steps = panels * self.width
            with _loop(first * self.width, count, steps) as begin:
                sums = self._run(tile, block, begin, steps, places, len(cells))
                before = self._before(cells, arith.addi(block, begin))
                for (cell, lanes), old, value in zip(cells, before, sums, strict=True):
                    self.sums.store(arith.addf(old, value), cell, lanes)

    def _before(self, cells: list[tuple[Places, int]], step: ir.Value) -> list[ir.Value]:
        """What the sums of these cells are before this step: what they start with, if it is the first one."""
        if self.start is None:
            return [self.sums.load(cell, lanes) for cell, lanes in cells]
        first = arith.cmpi(arith.CmpIPredicate.eq, step, index(0))
        choice = scf.IfOp(first, [self.sums.type] * len(cells), has_else=True)
        with ir.InsertionPoint(choice.then_block):
            scf.YieldOp([self.start.load(cell, self.sums.type, lanes) for cell, lanes in cells])
        with ir.InsertionPoint(choice.else_block):
            scf.YieldOp([self.sums.load(cell, lanes) for cell, lanes in cells])
        return list(choice.results)

    def _run(self, tile: _Tile, block: ir.Value, begin: ir.Value, steps: int, places: Places, count: int) -> list[ir.Value]:
        chains = self._chains(steps, count)
        unroll = -(-self.unroll // chains) * chains
        sums = [self.sums.zero()] * (count * chains)
        first = arith.addi(block, begin)
        if self.product.panel is None:
            sums = self._walk(tile, block, begin, first, steps, unroll, sums, places)
        else:
            loop = scf.ForOp(index(0), index(steps // self.width), index(1), sums)
            with ir.InsertionPoint(loop.body):
                done = arith.addi(begin, arith.muli(loop.induction_variable, index(self.width)))
                here = places | {self.product.panel: arith.divui(arith.addi(block, done), index(self.width))}
                sums = list(loop.inner_iter_args)
                scf.YieldOp(self._walk(tile, block, done, index(0), self.width, unroll, sums, here))
            sums = list(loop.results)
        return [self._added(sums[cell::count]) for cell in range(count)]

    def _walk(
        self, tile: _Tile, block: ir.Value, done: ir.Value, first: ir.Value, steps: int, unroll: int, sums: list[ir.Value],
        places: Places,
    ) -> list[ir.Value]:  # fmt: skip
        """The sums after so many steps more from the first one, `done` steps after the block's begin."""
        whole = steps // unroll * unroll if steps >= 2 * unroll else 0
        if whole:
            loop = scf.ForOp(index(0), index(whole), index(unroll), sums)
            with ir.InsertionPoint(loop.body):
                self._fetch(tile, block, arith.addi(done, loop.induction_variable), unroll, places)
                step = arith.addi(first, loop.induction_variable)
                scf.YieldOp(self._steps(tile, unroll, step, list(loop.inner_iter_args), places))
            sums = list(loop.results)
        return self._steps(tile, steps - whole, shifted(first, whole), sums, places)

    def _chains(self, steps: int, count: int) -> int:
        """Sums of each cell, in turn, so that none waits for the one before."""
        rows, columns = self.product.rows, self.product.columns
        if self.product.steps <= SHORT and (columns < NARROW or (rows is not None and rows < FLAT)):
            return steps
        return -(-IN_FLIGHT // count) if steps > LONG else 1

    def _added(self, values: list[ir.Value]) -> ir.Value:
        """In order, or the second half to the first, and so on, as libraries add up the products of two rows."""
        while self.right.transposed and len(values) > 1:
            half = (len(values) + 1) // 2
            pairs = [arith.addf(*pair) for pair in zip(values, values[half:], strict=False)]
            values = pairs + values[len(pairs) : half]
        return functools.reduce(arith.addf, values)

    def _steps(self, tile: _Tile, count: int, first: ir.Value, sums: list[ir.Value], places: Places) -> list[ir.Value]:
        for step in range(count):
            here = places | {self.product.k: shifted(first, step)}
            right = [self.right.load(here | {self.product.n: at}, lanes) for at, lanes in tile.vectors]
            left = [self.left.load(self._cell(here, line)) for line in tile.lines]
            pairs = itertools.product(left, right)
            chain = len(left) * len(right)
            added = [self.right.multiply_add(a, b, sum_) for (a, b), sum_ in zip(pairs, sums[:chain], strict=True)]
            sums = sums[chain:] + added
        return sums

    def _fetch(self, tile: _Tile, block: ir.Value, step: ir.Value, unroll: int, places: Places) -> None:
        """This iteration's share of the next block, in elements from its begin on; of a single tile, what comes soon."""
        p, bytes_ = self.product, self.right.element.width // 8
        elements = self.block * self.right.row_bytes // bytes_
        if elements * bytes_ < WORTH_FETCHING or not self.right.packed or p.rows is None:
            return
        if self.one_pass:
            for ahead in range(AHEAD, AHEAD + unroll * self.right.row_bytes, LINE):
                self.right.fetch(places, arith.addi(block, step), index(ahead // bytes_), near=True)
            return
        cells = p.rows * p.columns
        each = -(-elements * tile.rows * tile.columns // (cells * self.block))  # in a step
        done = arith.addi(arith.muli(tile.row, index(p.columns)), arith.muli(tile.column, index(tile.rows)))
        begin = arith.divui(arith.muli(done, index(elements)), index(cells))
        position = arith.addi(begin, arith.muli(step, index(each)))
        for at in range(0, each * unroll, LINE // bytes_):
            self.right.fetch(places, shifted(block, self.block), shifted(position, at), near=elements * bytes_ <= NEAR)

    def _cell(self, places: Places, line: ir.Value, column: ir.Value | None = None) -> Places:
        rows = {} if self.product.m is None else {self.product.m: line}
        return places | rows | ({} if column is None else {self.product.n: column})
