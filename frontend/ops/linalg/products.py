"""Products with packed weights."""

from __future__ import annotations

from typing import Any

from frontend.ops.elements import constant, convert, is_float, wide
from frontend.ops.linalg.registry import ops_registry
from frontend.ops.scalars import Scalar
from frontend.ops.values import Size, cast, elementwise, empty, generic, mixed, padded, ranked, size, with_shape
from frontend.registry import DECLINED
from passes.mlir import ir, linalg, tensor

# Loops o and n over panels and their columns, m over rows, k over the sum and p over its steps that lie side by side.
_LOOPS = {3: ("mk", "okn", "mon", "omnk"), 4: ("mkp", "oknp", "mon", "omnkp")}  # by a packed weight's rank


@ops_registry.lowers("sluice.linear", dynamic=True)
def linear(out: ir.Type, input: ir.Value, weight: ir.Value, bias: ir.Value | None, scale: ir.Value | None) -> Any:
    """input [m, k] times weight (see `frontend.graph.Panels`) times scale [n] plus bias [n]: [m, n].

    Products of bf16 and of i8 are summed in f32, and the result is rounded once. The product is [m, panels, width]; panels and
    width are columns, so it is [m, n] as it lies, up to the padding.
    """
    type_ = ranked(out)
    if not is_float(type_.element_type):
        return DECLINED
    panels, width = ranked(weight).shape[0], ranked(weight).shape[2]
    m, n = type_.shape
    sums = ir.RankedTensorType.get([m, panels, width], wide(type_.element_type))
    rows = size(input, 0)
    value = _product(sums, input, weight, _start(sums, rows, None if scale else bias))
    if scale is not None:
        factors = [_by_panels(sums, v) for v in (scale, bias) if v is not None]
        value = elementwise(sums, [value, *factors], _scaled)
    value = cast(value, type_.element_type)
    whole = with_shape(type_, [m, panels * width])
    value = tensor.CollapseShapeOp(whole, value, [[0], [1, 2]]).result
    if whole == type_:
        return value
    sizes = [rows] if type_.is_dynamic_dim(0) else []
    return tensor.ExtractSliceOp(type_, value, [], sizes, [], [0, 0], [m, n], [1, 1]).result


def _product(sums: ir.RankedTensorType, input: ir.Value, weight: ir.Value, start: ir.Value) -> ir.Value:
    type_ = ranked(weight)
    *terms, result, loops = _LOOPS[type_.rank]
    if type_.rank == 4:
        input = _in_steps(input, type_.shape[1], type_.shape[3])
    maps = [ir.AffineMap.get(len(loops), 0, [ir.AffineDimExpr.get(loops.index(d)) for d in dims]) for dims in (*terms, result)]
    kinds = ["parallel" if d in result else "reduction" for d in loops]

    def body(x: ir.Value, w: ir.Value, sum_: ir.Value) -> ir.Value:
        return (Scalar(sum_) + Scalar(x).to(sums.element_type) * Scalar(w).to(sums.element_type)).value

    return generic(sums, [input, weight], start, maps, kinds, body)


def _in_steps(input: ir.Value, count: int, steps: int) -> ir.Value:
    """[m, k] as [m, count, steps], padded with zeros."""
    value = padded(input, [0, 0], [0, count * steps - ranked(input).shape[1]])
    sizes, shape = mixed([size(value, 0), count, steps])
    return tensor.expand_shape(with_shape(ranked(value), shape), value, [[0], [1, 2]], sizes, shape)


def _scaled(x: ir.Value, factor: ir.Value, *added: ir.Value) -> ir.Value:
    value = Scalar(x) * Scalar(factor)
    return (value + Scalar(added[0]) if added else value).value


def _start(sums: ir.RankedTensorType, m: Size, bias: ir.Value | None) -> ir.Value:
    """What the sums of a linear start from: zero, or the bias in each of `m` rows."""
    start = empty(sums, {0: m})
    if bias is None:
        return linalg.fill(constant(sums.element_type, 0), outs=[start])
    return elementwise(sums, [_by_panels(sums, bias)], lambda x: convert(x, sums.element_type), start)


def _by_panels(sums: ir.RankedTensorType, vector: ir.Value) -> ir.Value:
    """A number for each column as [panels, width]."""
    _, panels, width = sums.shape
    missing = panels * width - ranked(vector).shape[0]
    if missing:
        vector = padded(vector, [0], [missing])
    return tensor.ExpandShapeOp(with_shape(ranked(vector), [panels, width]), vector, [[0, 1]], [], [panels, width]).result
