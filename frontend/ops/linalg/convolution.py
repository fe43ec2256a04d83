"""Convolutions as matrix products: windows become columns before the product, or columns are added up to windows after it."""

from __future__ import annotations

import math
from typing import Any

from frontend.ops.elements import constant, wide
from frontend.ops.linalg.registry import ops_registry
from frontend.ops.linalg.windows import fold, unfold, windows
from frontend.ops.scalars import compute
from frontend.ops.values import cast, elementwise, empty, generic, ranked, reshape, with_shape
from passes.mlir import ir, linalg


@ops_registry.lowers("aten.convolution.default")
def convolution(
    out: ir.Type,
    input: ir.Value,
    weight: ir.Value,
    bias: ir.Value | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> ir.Value:
    """input [batch, channels, *sizes] with weight [result's channels, channels / groups, *kernel].

    If `transposed`, weight is that of the convolution whose transpose this is: [channels, result's channels / groups, *kernel].
    """
    type_ = ranked(out)
    element = type_.element_type
    input, weight = cast(input, wide(element)), cast(weight, wide(element))
    (batch, _, *sizes), (rows, _, *kernel) = ranked(input).shape, ranked(weight).shape
    narrow, long = (sizes, type_.shape[2:]) if transposed else (type_.shape[2:], sizes)
    axes = windows(long, narrow, kernel, stride, padding, dilation)
    if not transposed and not all(w.trivial for w in axes):
        input = unfold(input, axes)
    matrices = reshape(weight, [groups, rows // groups, math.prod(ranked(weight).shape[1:])])
    depth = ranked(matrices).shape[1 if transposed else 2]
    result = _product(matrices, reshape(input, [batch * groups, depth, math.prod(narrow)]), transposed)
    if transposed:
        result = reshape(result, [batch, type_.shape[1], *kernel, *narrow])
        result = result if all(w.trivial for w in axes) else fold(result, axes)
    result = reshape(result, type_.shape)
    if bias is not None:
        column = reshape(cast(bias, wide(element)), [type_.shape[1]] + [1] * len(sizes))
        result = elementwise(ranked(result), [result, column], lambda x, y: compute("add", x, y))
    return cast(result, element)


def _product(matrices: ir.Value, columns: ir.Value, transposed: bool) -> ir.Value:
    """matrices [groups, m, k], or [groups, k, m] if transposed, times columns [batch * groups, k, n]: [batch * groups, m, n].

    Its loops are those that `passes.products` knows.
    """
    groups, *both = ranked(matrices).shape
    many, _, n = ranked(columns).shape
    m = both[1 if transposed else 0]
    left = [3, 1] if transposed else [1, 3]
    if groups == 1:
        matrices = reshape(matrices, both)
    else:
        left.insert(0, 0)
        repeated = elementwise(with_shape(ranked(matrices), [many // groups, groups, *both]), [matrices], lambda x: x)
        matrices = reshape(repeated, [many, *both])
    result = with_shape(ranked(columns), [many, m, n])
    element = result.element_type
    return generic(
        result,
        [matrices, columns],
        linalg.fill(constant(element, 0), outs=[empty(result)]),
        [ir.AffineMap.get(4, 0, [ir.AffineDimExpr.get(d) for d in dims]) for dims in (left, (0, 3, 2), (0, 1, 2))],
        ["parallel", "parallel", "parallel", "reduction"],
        lambda x, y, sum_: compute("add", sum_, compute("mul", x, y)),
    )


@ops_registry.lowers("aten.im2col.default")
def im2col(out: ir.Type, self: ir.Value, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> ir.Value:
    sizes = ranked(self).shape[-2:]
    counts = [_count(*numbers) for numbers in zip(sizes, kernel_size, dilation, padding, stride, strict=True)]
    return reshape(unfold(self, windows(sizes, counts, kernel_size, stride, padding, dilation)), ranked(out).shape)


@ops_registry.lowers("aten.col2im.default")
def col2im(
    out: ir.Type, self: ir.Value, output_size: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> ir.Value:
    counts = [_count(*numbers) for numbers in zip(output_size, kernel_size, dilation, padding, stride, strict=True)]
    axes = windows(output_size, counts, kernel_size, stride, padding, dilation)
    return fold(reshape(self, [*ranked(out).shape[:-2], *kernel_size, *counts]), axes)


def _count(size: int, kernel: int, dilation: int, padding: int, stride: int) -> int:
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
