"""Sorting along a dimension: stable, NaN after every number (before them, when it descends)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from frontend.ops.kernel import Array, Reader, array, cell, lengths, lines, loop, while_
from frontend.ops.scalars import Scalar, is_float, where
from frontend.ops.scf.registry import ops_registry
from frontend.ops.values import ranked, splat
from passes.mlir import ir

Before = Callable[[Scalar, Scalar], Scalar]  # whether one value belongs before another, equal ones not


@ops_registry.lowers("aten.sort.default", "aten.sort.stable", dynamic=True)
def sort(out: Any, self: ir.Value, dim: int = -1, descending: bool = False, stable: Any = None) -> Any:
    rank = ranked(self).rank
    if rank == 0:
        return [self, splat(ranked(out[1]), 0)]
    shape, dim = lengths(self), dim % rank
    values, indices = array(shape, ranked(self).element_type), array(shape, "i64")
    source = Reader(self)
    before = _descending if descending else _ascending
    n = shape[dim]
    order, spare = array([n], "index"), array([n], "index")
    for at in lines(shape, dim):
        for k in loop(n):
            order[k] = k
        _merge_sort(order, spare, n, lambda i, at=at: source[at(i)], before)  # type: ignore[misc]
        for k in loop(n):
            values[at(k)] = source[at(order[k])]
            indices[at(k)] = order[k]
    return [values.tensor(), indices.tensor()]


def _merge_sort(order: Array, spare: Array, n: Any, key: Callable[[Scalar], Scalar], before: Before) -> None:
    """Runs of 1, 2, 4, ... elements of `order` are merged into `spare` and copied back, until one run is left."""
    width = cell("index", 1)
    for _ in while_(lambda: width.value < n):
        run = width.value
        for low in loop(0, n, run * 2):
            middle, high = (low + run).minimum(n), (low + run * 2).minimum(n)
            left, right = cell("index", low), cell("index", middle)
            for k in loop(low, high):
                i, j = left.value, right.value
                last = middle - 1  # where a side is used up, a place that exists is read for nothing
                x, y = order[i.minimum(last)], order[j.minimum(high - 1)]
                from_left = (i < middle) & ((j >= high) | ~before(key(y), key(x)))
                spare[k] = where(from_left, x, y)
                left.value = where(from_left, i + 1, i)
                right.value = where(from_left, j, j + 1)
        for k in loop(n):
            order[k] = spare[k]
        width.value = run * 2


def _ascending(x: Scalar, y: Scalar) -> Scalar:
    return (x < y) | ((y != y) & (x == x)) if is_float(x.type) else x < y


def _descending(x: Scalar, y: Scalar) -> Scalar:
    return (x > y) | ((x != x) & (y == y)) if is_float(x.type) else x > y
