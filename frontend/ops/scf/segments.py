"""Reductions of a dimension's segments."""

from __future__ import annotations

from typing import Any

from frontend.ops.elements import constant, exact, limits
from frontend.ops.indices import clamped
from frontend.ops.kernel import array, cell, fold, loop, positions, reader
from frontend.ops.scalars import Scalar, where
from frontend.ops.scf.registry import ops_registry
from frontend.ops.values import lengths as sizes
from frontend.ops.values import ranked
from passes.mlir import ir

_OPERATIONS = {"sum": "add", "mean": "add", "prod": "mul", "max": "maximum", "min": "minimum"}


@ops_registry.lowers("aten.segment_reduce.default", dynamic=True)
def segment_reduce(
    out: ir.Type,
    data: ir.Value,
    reduce: str,
    lengths: ir.Value | None = None,
    indices: Any = None,
    offsets: ir.Value | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: Any = None,
) -> ir.Value:
    """Segments are given by their lengths, or by where each begins and the last ends; the mean of nothing is NaN."""
    element = ranked(out).element_type
    shape = sizes(data)
    lowest, highest = limits(element)
    neutral = {"prod": 1, "max": lowest, "min": highest}.get(reduce, 0)
    start = Scalar(constant(exact(element), neutral if initial is None else initial))
    x, bounds = reader(data), reader(offsets if lengths is None else lengths)
    count = sizes(bounds.tensor)[axis] - (lengths is None)
    result = array([*shape[:axis], count, *shape[axis + 1 :]], element)
    for outer in positions(shape[:axis]):
        end = cell("index", 0)
        for s in loop(count):
            first = bounds[*outer, s].to("index") if lengths is None else end.value
            last = bounds[*outer, s + 1].to("index") if lengths is None else first + bounds[*outer, s].to("index")
            first, last = (clamped(bound, shape[axis]) for bound in (first, last))
            end.value = last
            for inner in positions(shape[axis + 1 :]):
                total = fold(first, last, start, lambda i, so_far: so_far.do(_OPERATIONS[reduce], x[*outer, i, *inner]))
                if reduce == "mean":
                    number = last - first
                    of_nothing = total.like(float("nan")) if initial is None else total
                    total = where(number == 0, of_nothing, total / number.to("i64"))
                result[*outer, s, *inner] = total
    return result.tensor()
