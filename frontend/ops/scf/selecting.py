"""Operators whose result is as long as the data say: what is not zero, and what a mask selects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from frontend.ops.indices import broadcast, common_sizes, masks
from frontend.ops.kernel import Array, Index, Reader, array, cell, positions, when
from frontend.ops.linalg.indexing import index_
from frontend.ops.scalars import Scalar
from frontend.ops.scf.registry import ops_registry
from frontend.ops.values import length, lengths, ranked, size_value
from frontend.registry import DECLINED
from passes.mlir import ir, tensor


@ops_registry.lowers("aten.nonzero.default", dynamic=True)
def nonzero(out: ir.Type, self: ir.Value) -> ir.Value:
    """The positions of what is not zero, one a row, in row-major order."""
    x, shape = Reader(self), lengths(self)
    rank = len(shape)

    def found(at: Sequence[Index]) -> Scalar:
        return x[at] != 0

    def put(rows: Array, row: Scalar, at: Sequence[Scalar]) -> None:
        for axis, i in enumerate(at):
            rows[row, axis] = i

    return _selected(shape, found, lambda count: array([count, rank], "i64"), put)


@ops_registry.lowers("aten.masked_select.default", dynamic=True)
def masked_select(out: ir.Type, self: ir.Value, mask: ir.Value) -> ir.Value:
    """The elements where the mask, broadcast as they are, is true."""
    x, chosen, shape = Reader(self), Reader(mask), [length(size) for size in common_sizes([self, mask])]

    def put(values: Array, row: Scalar, at: Sequence[Scalar]) -> None:
        values[row] = x[broadcast(self, at)]

    def room(count: Scalar) -> Array:
        return array([count], ranked(self).element_type)

    return _selected(shape, lambda at: chosen[broadcast(mask, at)], room, put)


@ops_registry.lowers("aten.index.Tensor", dynamic=True)
def index_by_masks(out: ir.Type, self: ir.Value, indices: Sequence[ir.Value | None]) -> Any:
    """A mask of n dimensions stands for n tensors of indices: those of what it selects."""
    if 0 in ranked(self).shape:
        return DECLINED
    numbers: list[ir.Value | None] = []
    for index in indices:
        if index is None or not masks(ranked(index).element_type):
            numbers.append(index)
        else:
            rows = nonzero(out, index)
            numbers += [_column(rows, axis) for axis in range(ranked(index).rank)]
    return index_(out, self, numbers)


def _column(rows: ir.Value, axis: int) -> ir.Value:
    type_ = ir.RankedTensorType.get([ir.ShapedType.get_dynamic_size()], ranked(rows).element_type)
    return tensor.ExtractSliceOp(type_, rows, [], [size_value(rows, 0)], [], [0, axis], [type_.shape[0], 1], [1, 1]).result


def _selected(
    shape: Sequence[Index],
    found: Callable[[Sequence[Index]], Scalar],
    room: Callable[[Scalar], Array],
    put: Callable[[Array, Scalar, Sequence[Scalar]], Any],
) -> ir.Value:
    """Count, then write: `put(made, row, at)` for each position `at` that is found."""
    count = cell("index", 0)
    for at in positions(shape):
        count.value = count.value + found(at).to("index")
    made = room(count.value)
    row = cell("index", 0)
    for at in positions(shape):
        with when(found(at)):
            put(made, row.value, at)
            row.value = row.value + 1
    return made.tensor()
