"""What occurs in a tensor, each once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from frontend.ops.control import iterate
from frontend.ops.kernel import Index, array, fold, index, positions, reader, when
from frontend.ops.scalars import Scalar, where
from frontend.ops.scf.registry import ops_registry
from frontend.ops.scf.sorted_lines import greater, sorted_places
from frontend.ops.values import empty, ranked, reshape
from frontend.registry import DECLINED
from passes.mlir import ir


class _Slices:
    """A tensor's slices along a dimension, or its elements, to compare by their places."""

    def __init__(self, value: ir.Value, dim: int | None) -> None:
        shape = list(ranked(value).shape)
        before, after = ([], []) if dim is None else (shape[:dim], shape[dim:][1:])
        self.n = math.prod(shape) if dim is None else shape[dim]
        self.before, self.after = before, after
        self.shape = [math.prod(before), self.n, math.prod(after)]
        self.x = reader(reshape(value, self.shape))

    def _element(self, slice_: Scalar, number: Scalar) -> Scalar:
        return self.x[number // self.shape[2], slice_, number % self.shape[2]]

    def _difference(self, i: Scalar, j: Scalar) -> Scalar:
        """The number of the first element in which two slices differ; that of all if none does."""
        count = self.shape[0] * self.shape[2]

        def alike(at: Scalar) -> Scalar:
            known = at.minimum(count - 1)
            return (at < count) & (self._element(i, known) == self._element(j, known))

        return iterate(alike, lambda at: (at + 1,), Scalar(index(0)))[0] if count else Scalar(index(0))

    def differ(self, i: Scalar, j: Scalar) -> Scalar:
        return self._difference(i, j) < self.shape[0] * self.shape[2]

    def after_(self, i: Scalar, j: Scalar) -> Scalar:
        at, last = self._difference(i, j), self.shape[0] * self.shape[2] - 1
        return (at <= last) & greater(self._element(i, at.minimum(last)), self._element(j, at.minimum(last)))

    def tensor(self, count: Scalar, place: Callable[[Index], Scalar]) -> ir.Value:
        """The slices at `count` places."""
        made = array([self.shape[0], count, self.shape[2]], self.x.element)
        for b, k, a in positions([self.shape[0], count, self.shape[2]]):
            made[b, k, a] = self.x[b, place(k), a]
        return reshape(made.tensor(), [*self.before, count.value, *self.after])


@ops_registry.lowers("aten._unique2.default", "aten.unique_dim.default", dynamic=True)
def unique(out: Sequence[ir.Type], self: ir.Value, dim: int | None = None, **_: Any) -> Any:
    """The distinct ones in order; the number of each in the result, and how often each occurs, if there is room for that."""
    if not ranked(self).has_static_shape:
        return DECLINED
    slices = _Slices(self, None if dim is None else dim % ranked(self).rank)
    order = sorted_places(array([2, slices.n], "index"), slices.n, slices.after_)
    return _runs(out, slices, order)


@ops_registry.lowers("aten.unique_consecutive.default", dynamic=True)
def unique_consecutive(out: Sequence[ir.Type], self: ir.Value, dim: int | None = None, **_: Any) -> Any:
    if not ranked(self).has_static_shape:
        return DECLINED
    slices = _Slices(self, None if dim is None else dim % ranked(self).rank)
    return _runs(out, slices, lambda i: i if isinstance(i, Scalar) else Scalar(index(i)))


def _runs(out: Sequence[ir.Type], slices: _Slices, place: Callable[[Index], Scalar]) -> list[ir.Value]:
    """The first of each run of equals in this order."""

    def begins(i: Scalar) -> Scalar:
        return (i == 0) | slices.differ(place((i - 1).maximum(0)), place(i))

    zero = Scalar(index(0))
    count = fold(0, slices.n, zero, lambda i, runs: where(begins(i), runs + 1, runs))
    firsts, numbers, sizes = array([count], "index"), array([slices.n], "i64"), array([count], "i64", 0)

    def note(i: Scalar, runs: Scalar) -> Scalar:
        new = begins(i)
        runs = where(new, runs + 1, runs)
        with when(new):
            firsts[runs - 1] = place(i)
        numbers[place(i)] = runs - 1
        sizes[runs - 1] = sizes[runs - 1] + 1
        return runs

    fold(0, slices.n, zero, note)
    inverse, counts = (ranked(t) for t in out[1:])
    return [
        slices.tensor(count, lambda k: firsts[k]),
        reshape(numbers.tensor(), inverse.shape) if math.prod(inverse.shape) == slices.n else empty(inverse),
        empty(counts) if counts.has_static_shape else sizes.tensor(),
    ]
