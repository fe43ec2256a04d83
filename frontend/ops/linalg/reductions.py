"""Sums, products, extremes and their positions, means and variances over dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from frontend.ops.elements import constant, element_type, exact, is_complex, is_float, limits
from frontend.ops.linalg.registry import ops_registry
from frontend.ops.scalars import Scalar, apply, where
from frontend.ops.values import Size, cast, elementwise, empty, generic, ranked, reshape, size
from frontend.registry import DECLINED
from passes.mlir import arith, ir, linalg

Axes = Sequence[int]


def axes_of(self: ir.Value, dim: Any) -> list[int]:
    """The dimensions that an operator's `dim` names: a number, some, or with None or [] all of them."""
    rank = ranked(self).rank
    dims = range(rank) if dim is None or dim in ([], ()) else [dim] if isinstance(dim, int) else dim
    return sorted({d % rank for d in dims}) if rank else []


def reduce(inputs: Sequence[ir.Value], axes: Axes, element: ir.Type, start: Any, body: Callable[..., Scalar]) -> ir.Value:
    """`body(*scalars, so_far)` over dimensions of the first input, which leave the result; other inputs lack them."""
    type_ = ranked(inputs[0])
    kept = [axis for axis in range(type_.rank) if axis not in axes]
    result = ir.RankedTensorType.get([type_.shape[axis] for axis in kept], element)
    known = {i: size(inputs[0], axis) for i, axis in enumerate(kept)}
    rest = ir.AffineMap.get(type_.rank, 0, [ir.AffineDimExpr.get(axis) for axis in kept])
    return generic(
        result,
        inputs,
        linalg.fill(constant(element, start), outs=[empty(result, known)]),
        [ir.AffineMap.get_identity(type_.rank)] + [rest] * len(inputs),
        ["parallel" if axis in kept else "reduction" for axis in range(type_.rank)],
        lambda *scalars: body(*map(Scalar, scalars)).value,
    )


def finish(out: ir.Type, value: ir.Value, self: ir.Value, axes: Axes) -> ir.Value:
    """A reduction's value in the result's element type, with dimensions of size 1 for those reduced if the result has them."""
    type_ = ranked(out)
    if type_.rank != ranked(value).rank:
        value = reshape(value, [1 if axis in axes else size(self, axis) for axis in range(type_.rank)])
    return cast(value, type_.element_type)


def combined(name: str, self: ir.Value, axes: Axes, element: ir.Type, start: Any) -> ir.Value:
    return reduce([self], axes, element, start, lambda x, so_far: so_far.do(name, x))


for _name, _operators in {
    "add": ("sum.dim_IntList", "sum.default"),
    "mul": ("prod.default", "prod.dim_int"),
}.items():

    @ops_registry.lowers(*[f"aten.{o}" for o in _operators], dynamic=True)
    def _sum(
        out: ir.Type, self: ir.Value, dim: Any = None, keepdim: bool = False, dtype: Any = None, _name: str = _name
    ) -> Any:
        axes, element = axes_of(self, dim), exact(ranked(out).element_type)
        return finish(out, combined(_name, self, axes, element, int(_name == "mul")), self, axes)


@ops_registry.lowers("aten.any.default", "aten.any.dim", "aten.any.dims", dynamic=True)
def any_(out: ir.Type, self: ir.Value, dim: Any = None, keepdim: bool = False) -> ir.Value:
    axes = [] if dim == [] else axes_of(self, dim)
    return finish(out, combined("or", self, axes, element_type("i1"), 0), self, axes)


def extreme(name: str, self: ir.Value, axes: Axes) -> ir.Value:
    """The greatest or the smallest; NaN if there is one."""
    element = ranked(self).element_type
    return combined(name, self, axes, element, limits(element)[name == "minimum"])


def position(self: ir.Value, extremes: ir.Value, axes: Axes) -> ir.Value:
    """Where along one dimension, or among all elements, the extreme is first."""
    i64 = element_type("i64")
    sizes = [size(self, axis) for axis in axes]

    def body(x: Scalar, extreme: Scalar, first: Scalar) -> Scalar:
        at = Scalar(constant(i64, 0))
        for axis, count in zip(axes, sizes, strict=True):
            at = at * number(count, i64) + Scalar(linalg.IndexOp(axis).result).to(i64)
        same = (x == extreme) | (x != x) if is_float(x.type) else x == extreme
        return first.minimum(where(same, at, first))

    return reduce([self, extremes], axes, i64, (1 << 63) - 1, body)


def number(count: Size, element: ir.Type) -> Any:
    """A size as what a Scalar of `element` computes with."""
    return Scalar(count).to(element) if isinstance(count, ir.Value) else count


for _short, _name in {"max": "maximum", "min": "minimum"}.items():

    @ops_registry.lowers(f"aten.a{_short}.default", f"aten.{_short}.default", dynamic=True)
    def _extreme(out: ir.Type, self: ir.Value, dim: Any = None, keepdim: bool = False, _name: str = _name) -> Any:
        axes = axes_of(self, dim)
        return finish(out, extreme(_name, self, axes), self, axes)

    @ops_registry.lowers(f"aten.arg{_short}.default", dynamic=True)
    def _position(out: ir.Type, self: ir.Value, dim: Any = None, keepdim: bool = False, _name: str = _name) -> Any:
        axes = axes_of(self, dim)
        return finish(out, position(self, extreme(_name, self, axes), axes), self, axes)

    @ops_registry.lowers(f"aten.{_short}.dim", dynamic=True)
    def _both(out: Any, self: ir.Value, dim: Any, keepdim: bool = False, _name: str = _name) -> Any:
        axes = axes_of(self, dim)
        value = extreme(_name, self, axes)
        return finish(out[0], value, self, axes), finish(out[1], position(self, value, axes), self, axes)


def members(self: ir.Value, axes: Axes) -> Size:
    """How many elements of a tensor make one of its reduction over dimensions."""
    sizes = [size(self, axis) for axis in axes]
    count: Size = math.prod(s for s in sizes if isinstance(s, int))
    for other in sizes:
        if not isinstance(other, int):
            count = arith.muli(other, count if isinstance(count, ir.Value) else constant(other.type, count))
    return count


def mean_of(self: ir.Value, axes: Axes, element: ir.Type) -> ir.Value:
    total, count = combined("add", self, axes, element, 0), members(self, axes)
    return elementwise(total.type, [total], lambda x: (Scalar(x) / number(count, element)).value)


@ops_registry.lowers("aten.mean.dim", "aten.mean.default", dynamic=True)
def mean(out: ir.Type, self: ir.Value, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> ir.Value:
    axes = axes_of(self, dim)
    return finish(out, mean_of(self, axes, exact(ranked(out).element_type)), self, axes)


@ops_registry.lowers("aten.var.correction", dynamic=True)
def var(out: ir.Type, self: ir.Value, dim: Any = None, correction: Any = None, keepdim: bool = False) -> Any:
    result = var_mean((out, out), self, dim, correction, keepdim)
    return result if result is DECLINED else result[0]


@ops_registry.lowers("aten.var_mean.correction", dynamic=True)
def var_mean(out: Any, self: ir.Value, dim: Any = None, correction: Any = None, keepdim: bool = False) -> Any:
    """The sum of squared distances from the mean by the number of elements less `correction`, 1 by default."""
    if is_complex(ranked(self).element_type):
        return DECLINED
    axes, element = axes_of(self, dim), exact(ranked(out[0]).element_type)
    middle, count = mean_of(self, axes, element), members(self, axes)

    def square(x: Scalar, center: Scalar, so_far: Scalar) -> Scalar:
        distance = x.to(element) - center
        return so_far + distance * distance

    squares = reduce([self, middle], axes, element, 0, square)

    def divided(total: ir.Value) -> ir.Value:
        x = Scalar(total)
        return (x / (x.like(number(count, element)) - (1 if correction is None else correction)).maximum(0)).value

    variance = elementwise(squares.type, [squares], divided)
    return [finish(t, v, self, axes) for t, v in zip(out, (variance, middle), strict=True)]


@ops_registry.lowers("aten.hash_tensor.default", dynamic=True)
def hash_tensor(out: ir.Type, self: ir.Value, dim: Any = (), keepdim: bool = False, mode: int = 0) -> Any:
    """All elements' bits, of floats as f64, combined by exclusive or."""
    axes, u64 = axes_of(self, dim), ranked(out).element_type

    def bits(x: Scalar, so_far: Scalar) -> Scalar:
        if is_float(x.type):
            x = apply(lambda v: arith.bitcast(element_type("i64"), v), x.to("f64"))
        return so_far ^ x.to(u64)

    return finish(out, reduce([self], axes, u64, 0, bits), self, axes) if mode == 0 else DECLINED
