"""Where values belong in sorted ones: binary search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from frontend.ops.kernel import Reader, array, cell, lengths, positions, while_
from frontend.ops.scalars import Scalar, where
from frontend.ops.scf.registry import ops_registry
from frontend.ops.values import ranked, splat
from passes.mlir import ir


@ops_registry.lowers("aten.bucketize.Tensor")
def bucketize(out: ir.Type, self: ir.Value, boundaries: ir.Value, out_int32: bool = False, right: bool = False) -> ir.Value:
    return searchsorted(out, boundaries, self, out_int32, right)


@ops_registry.lowers("aten.searchsorted.Tensor", "aten.searchsorted.Scalar")
def searchsorted(
    out: ir.Type,
    sorted_sequence: ir.Value,
    self: Any,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: ir.Value | None = None,
) -> ir.Value:
    """The first place before which a value may be put, or the last one; `sorter` says in which order the sequence is sorted."""
    right = right or side == "right"
    if not isinstance(self, ir.Value):
        self = splat(ir.RankedTensorType.get(ranked(out).shape, ranked(sorted_sequence).element_type), self)
    wanted, sequence = Reader(self), Reader(sorted_sequence)
    order = Reader(sorter) if sorter is not None else None
    places = array(lengths(self), ranked(out).element_type)
    n = ranked(sorted_sequence).shape[-1]
    for at in positions(lengths(self)):
        row = at[:-1] if ranked(sorted_sequence).rank > 1 else ()

        def value(k: Scalar, row: Any = row) -> Scalar:
            return sequence[(*row, order[(*row, k)] if order else k)]

        places[at] = _search(value, n, wanted[at], right)
    return places.tensor()


def _search(value: Callable[[Scalar], Scalar], n: int, x: Scalar, right: bool) -> Scalar:
    low, high = cell("index", 0), cell("index", n)
    for _ in while_(lambda: low.value < high.value):
        middle = (low.value + high.value) // 2
        below = ~(value(middle) > x) if right else ~(value(middle) >= x)
        low.value = where(below, middle + 1, low.value)
        high.value = where(below, high.value, middle)
    return low.value
