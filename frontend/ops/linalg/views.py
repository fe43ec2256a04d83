"""Shapes, slices and permutations: the same elements, or some of them, in other places."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from frontend.ops.indices import at_least_1d, clamped, wrapped
from frontend.ops.kernel import Index, index, reader
from frontend.ops.linalg.registry import ops_registry
from frontend.ops.scalars import Scalar
from frontend.ops.values import (
    Size,
    cast,
    elementwise,
    empty,
    generic,
    lengths,
    loop_indices,
    mixed,
    ranked,
    reshape,
    size,
    sizes_of,
    with_shape,
)
from passes.mlir import ir, tensor


@ops_registry.lowers(
    "aten.view.default",
    "aten._unsafe_view.default",
    "aten.unsqueeze.default",
    "aten.squeeze.dim",
    "aten.squeeze.dims",
    "aten.squeeze.default",
    dynamic=True,
)
def view(out: ir.Type, self: ir.Value, **_: Any) -> ir.Value:
    return reshape(self, sizes_of(ranked(out)))


@ops_registry.lowers("aten.permute.default", dynamic=True)
def permute(out: ir.Type, self: ir.Value, dims: Sequence[int]) -> ir.Value:
    type_ = ranked(out)
    axes = [d % type_.rank for d in dims]
    reads = [ir.AffineDimExpr.get(axes.index(axis)) for axis in range(type_.rank)]
    maps = [ir.AffineMap.get(type_.rank, 0, reads), ir.AffineMap.get_identity(type_.rank)]
    return generic(type_, [self], empty(type_), maps, ["parallel"] * type_.rank, lambda x, _: x)


@ops_registry.lowers("aten.slice.Tensor", dynamic=True)
def slice_(out: ir.Type, self: ir.Value, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> ir.Value:
    axis = dim % ranked(self).rank
    place = _window(self, axis, clamped(start or 0, size(self, axis)), sizes_of(ranked(out))[axis], step)
    return tensor.extract_slice(out, self, *place)


@ops_registry.lowers("aten.select.int", dynamic=True)
def select(out: ir.Type, self: ir.Value, dim: int, index: Any) -> ir.Value:
    axis = dim % ranked(self).rank
    return tensor.extract_slice(out, self, *_window(self, axis, wrapped(index, size(self, axis)), 1))


@ops_registry.lowers("aten.split_with_sizes.default", dynamic=True)
def split_with_sizes(out: Any, self: ir.Value, split_sizes: Sequence[Size], dim: int = 0) -> list[ir.Value]:
    parts: list[ir.Value] = []
    start: Index = 0
    for type_, given in zip([out] if isinstance(out, ir.Type) else out, split_sizes, strict=True):
        count = given if isinstance(given, int) else Scalar(given)
        parts.append(tensor.extract_slice(type_, self, *_window(self, dim % ranked(self).rank, start, count)))
        start = start + count
    return parts


@ops_registry.lowers("aten.slice_scatter.default", dynamic=True)
def slice_scatter(
    out: ir.Type, self: ir.Value, src: ir.Value, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> ir.Value:
    axis = dim % ranked(self).rank
    place = _window(self, axis, clamped(start or 0, size(self, axis)), size(src, axis), step)
    return tensor.insert_slice(cast(src, ranked(out).element_type), self, *place)


@ops_registry.lowers("aten.select_scatter.default", dynamic=True)
def select_scatter(out: ir.Type, self: ir.Value, src: ir.Value, dim: int, index: Any) -> ir.Value:
    axis = dim % ranked(self).rank
    place = _window(self, axis, wrapped(index, size(self, axis)), 1)
    return tensor.insert_slice(cast(src, ranked(out).element_type), self, *place)


@ops_registry.lowers("aten.cat.default", dynamic=True)
def cat(out: ir.Type, tensors: Sequence[ir.Value], dim: int = 0) -> ir.Value:
    type_ = ranked(out)
    axis, whole, start = dim % type_.rank, empty(type_), 0
    for part in tensors:
        if 0 not in ranked(part).shape:  # such may have one dimension beside others of more
            count = lengths(part)[axis]
            whole = tensor.insert_slice(cast(part, type_.element_type), whole, *_window(whole, axis, start, count))
            start = start + count
    return whole


def _window(value: ir.Value, axis: int, start: Any, count: Any, step: int = 1) -> list[Any]:
    """For `extract_slice` and `insert_slice`: all of `value`, but in one dimension `count` elements from `start` on."""
    sizes = lengths(value)
    offsets, strides = [0] * len(sizes), [1] * len(sizes)
    offsets[axis], sizes[axis], strides[axis] = start, count, step
    values, statics = zip(*(mixed(numbers) for numbers in (offsets, sizes, strides)), strict=True)
    return [*values, *statics]


def _moved(out: ir.Type, self: ir.Value, place: Callable[[list[Scalar]], Sequence[Index]]) -> ir.Value:
    """The element of `self` at `place` of each of the result's positions."""
    type_, source = ranked(out), reader(self)
    return elementwise(type_, [], lambda: source[place(loop_indices(type_.rank))].value)


@ops_registry.lowers("aten.flip.default", dynamic=True)
def flip(out: ir.Type, self: ir.Value, dims: Sequence[int]) -> ir.Value:
    rank = ranked(self).rank
    last = {d % rank: Scalar(index(size(self, d))) - 1 for d in dims if rank}
    return _moved(out, self, lambda at: [last[axis] - i if axis in last else i for axis, i in enumerate(at)])


@ops_registry.lowers("aten.diagonal.default", dynamic=True)
def diagonal(out: ir.Type, self: ir.Value, offset: int = 0, dim1: int = 0, dim2: int = 1) -> ir.Value:
    rank = ranked(self).rank
    return _moved(out, self, lambda at: on_diagonal(at, offset, dim1 % rank, dim2 % rank))


def on_diagonal(at: Sequence[Scalar], offset: int, dim1: int, dim2: int) -> list[Index]:
    """Where the elements of a diagonal lie: `at` is a position in all other dimensions, then along the diagonal."""
    others, along = iter(at[:-1]), at[-1]
    place = {dim1: along + max(-offset, 0), dim2: along + max(offset, 0)}
    return [place[axis] if axis in place else next(others) for axis in range(len(at) + 1)]


@ops_registry.lowers("aten.as_strided.default")
def as_strided(
    out: ir.Type, self: ir.Value, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> ir.Value:
    """Capture sees to it that `self` lies as its memory does."""
    return _moved(out, flat(self), lambda at: [strided(at, stride, storage_offset)])


def flat(value: ir.Value) -> ir.Value:
    return reshape(value, [math.prod(ranked(value).shape)])


def strided(at: Sequence[Scalar], stride: Sequence[int], offset: int | None) -> Index:
    """Where in memory a position lies."""
    return sum((i * step for i, step in zip(at, stride, strict=True)), offset or 0)


@ops_registry.lowers("aten.unfold.default", dynamic=True)
def unfold(out: ir.Type, self: ir.Value, dimension: int, size: int, step: int) -> ir.Value:
    self = at_least_1d(self)
    axis = dimension % ranked(self).rank
    return _moved(out, self, lambda at: [*at[:axis], at[axis] * step + at[-1], *at[axis + 1 : -1]])


@ops_registry.lowers("aten.repeat.default", dynamic=True)
def repeat(out: ir.Type, self: ir.Value, repeats: Sequence[Size]) -> ir.Value:
    """A dimension for the copies before each dimension, that both become one."""
    type_ = ranked(out)
    shape = [1] * (len(repeats) - ranked(self).rank) + [size(self, axis) for axis in range(ranked(self).rank)]
    once = reshape(self, [n for count in shape for n in (1, count)])
    often = with_shape(type_, mixed([n for pair in zip(repeats, shape, strict=True) for n in pair])[1])
    known = {2 * axis: count for axis, count in enumerate(repeats)} | {2 * axis + 1: n for axis, n in enumerate(shape)}
    copies = elementwise(often, [once], lambda x: x, empty(often, known))
    return reshape(copies, sizes_of(type_))
