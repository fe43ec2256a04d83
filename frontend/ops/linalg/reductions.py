"""Sums, means and extremes over dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from frontend.ops.linalg.elementwise import arithmetic
from frontend.ops.linalg.registry import ops_registry
from frontend.ops.scalars import compute, constant, convert, element_type, is_float
from frontend.ops.values import cast, empty, generic, ranked, reshape
from passes.mlir import ir, linalg


def _reduced(name: str, out: ir.RankedTensorType, self: ir.Value, dim: Any, start: Any) -> ir.Value:
    """`self` combined over dimensions, all of them when `dim` is empty; 16-bit floats are kept as f32 on the way."""
    shape, element = ranked(self).shape, out.element_type
    axes = {d % max(len(shape), 1) for d in dim or range(len(shape))}
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    wide = element_type("f32") if is_float(element) and element.width == 16 else element
    result = ir.RankedTensorType.get([shape[axis] for axis in kept], wide)
    value = generic(
        result,
        [self],
        linalg.fill(constant(wide, start), outs=[empty(result)]),
        [ir.AffineMap.get_identity(len(shape)), ir.AffineMap.get(len(shape), 0, [ir.AffineDimExpr.get(d) for d in kept])],
        ["parallel" if axis in kept else "reduction" for axis in range(len(shape))],
        lambda x, so_far: compute(name, so_far, convert(x, wide)),
    )
    return cast(reshape(value, out.shape), element)


@ops_registry.lowers("aten.sum.dim_IntList")
def sum_(out: ir.Type, self: ir.Value, dim: Any, keepdim: bool = False, dtype: Any = None) -> ir.Value:
    return _reduced("add", ranked(out), self, dim, 0)


@ops_registry.lowers("aten.mean.dim", "aten.mean.default")
def mean(out: ir.Type, self: ir.Value, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> ir.Value:
    type_ = ranked(out)
    wide = element_type("f64" if type_.element_type == element_type("f64") else "f32")
    total = _reduced("add", ir.RankedTensorType.get(type_.shape, wide), self, dim, 0)
    count = math.prod(ranked(self).shape) // math.prod(type_.shape)
    return cast(arithmetic(total.type, total, count, _name="div"), type_.element_type)


@ops_registry.lowers("aten.amax.default")
def amax(out: ir.Type, self: ir.Value, dim: Sequence[int] = (), keepdim: bool = False) -> ir.Value:
    element = ranked(out).element_type
    lowest = float("-inf") if is_float(element) else -(1 << element.width >> 1) if element.width > 1 else 0
    return _reduced("maximum", ranked(out), self, dim, lowest)
