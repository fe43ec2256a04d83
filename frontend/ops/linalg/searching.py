"""Where numbers belong in sorted lines: binary search."""

from __future__ import annotations

from typing import Any

from frontend.ops.control import iterate
from frontend.ops.elements import constant
from frontend.ops.kernel import index, reader
from frontend.ops.linalg.elementwise import common
from frontend.ops.linalg.registry import ops_registry
from frontend.ops.scalars import Scalar, where
from frontend.ops.values import cast, elementwise, loop_indices, ranked, size
from passes.mlir import ir


@ops_registry.lowers("aten.searchsorted.Tensor", "aten.searchsorted.Scalar", dynamic=True)
def searchsorted(
    out: ir.Type,
    sorted_sequence: ir.Value,
    self: Any,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: ir.Value | None = None,
) -> Any:
    """The number of elements in front: those that are less, or with `right` those that are not greater.

    A sequence of one dimension serves all numbers, others one line each.
    """
    type_, element = ranked(out), common(sorted_sequence, self)
    right = right or side == "right"
    keys, order = reader(sorted_sequence), None if sorter is None else reader(sorter)
    tensors = [cast(self, element)] if isinstance(self, ir.Value) else []

    def body(*numbers: ir.Value) -> ir.Value:
        line = loop_indices(type_.rank)[:-1] if keys.type.rank > 1 else []
        number = numbers[0] if numbers else constant(element, self)

        def step(low: Scalar, high: Scalar) -> tuple[Scalar, Scalar]:
            middle = (low + high) / 2
            key = keys[*line, middle if order is None else order[*line, middle]].to(element)
            behind = key > Scalar(number) if right else key >= Scalar(number)
            return where(behind, low, middle + 1), where(behind, middle, high)

        start = Scalar(index(0)), Scalar(index(size(sorted_sequence, -1)))
        return iterate(lambda low, high: low < high, step, *start)[0].to(type_.element_type).value

    return elementwise(type_, tensors, body)


@ops_registry.lowers("aten.bucketize.Tensor", "aten.bucketize.Scalar", dynamic=True)
def bucketize(out: ir.Type, self: Any, boundaries: ir.Value, out_int32: bool = False, right: bool = False) -> Any:
    return searchsorted(out, boundaries, self, right=right)
