"""Products with packed weights."""

from __future__ import annotations

from typing import Any

from frontend.ops.elements import constant, is_float
from frontend.ops.linalg.registry import ops_registry
from frontend.ops.values import Size, elementwise, empty, generic, padded, ranked, size, with_shape
from frontend.registry import DECLINED
from passes.mlir import arith, ir, linalg, tensor


@ops_registry.lowers("sluice.linear", dynamic=True)
def linear(out: ir.Type, input: ir.Value, weight: ir.Value, bias: ir.Value | None) -> Any:
    """input [m, k] times weight [panels, k, width] (see `frontend.parameters`) plus bias [n]: [m, n].

    The product is [m, panels, width]; panels and width are columns, so it is [m, n] as it lies, up to the padding.
    """
    type_ = ranked(out)
    if not is_float(type_.element_type):
        return DECLINED
    m, n = type_.shape
    panels, _, width = ranked(weight).shape
    product = with_shape(type_, [m, panels, width])
    maps = [ir.AffineMap.get(4, 0, [ir.AffineDimExpr.get(d) for d in dims]) for dims in ((1, 3), (0, 3, 2), (1, 0, 2))]
    value = generic(
        product,
        [input, weight],
        _start(product, size(input, 0), bias),
        maps,
        ["parallel", "parallel", "parallel", "reduction"],
        lambda x, w, sum_: arith.addf(sum_, arith.mulf(x, w)),
    )
    whole = with_shape(type_, [m, panels * width])
    value = tensor.CollapseShapeOp(whole, value, [[0], [1, 2]]).result
    if whole == type_:
        return value
    rows = [size(input, 0)] if type_.is_dynamic_dim(0) else []
    return tensor.ExtractSliceOp(type_, value, [], rows, [], [0, 0], [m, n], [1, 1]).result


def _start(product: ir.RankedTensorType, m: Size, bias: ir.Value | None) -> ir.Value:
    """What the sums of a linear start from: zero, or the bias in each of `m` rows."""
    element = product.element_type
    sums = empty(product, {0: m})
    if bias is None:
        return linalg.fill(constant(element, 0), outs=[sums])
    _, panels, width = product.shape
    missing = panels * width - ranked(bias).shape[0]
    if missing:
        bias = padded(bias, [0], [missing])
    rows = tensor.ExpandShapeOp(with_shape(product, [panels, width]), bias, [[0, 1]], [], [panels, width]).result
    return elementwise(product, [rows], lambda x: x, sums)
