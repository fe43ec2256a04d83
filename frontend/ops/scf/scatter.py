"""Writes at computed places: one after the other, so the last of several to one place wins, as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from frontend.ops.elements import is_float
from frontend.ops.indices import Indices, at_least_1d, broadcast, wrapped
from frontend.ops.kernel import Array, Index, array, carried, cell, copy_of, positions, reader, when, with_element
from frontend.ops.linalg.views import flat, on_diagonal, strided
from frontend.ops.scalars import Scalar, where
from frontend.ops.scf.registry import ops_registry
from frontend.ops.values import lengths, ranked, reshape, sizes_of
from frontend.registry import DECLINED
from passes.mlir import ir

# What is there and what comes, to what is there then.
COMBINE: dict[str, Callable[[Scalar, Scalar], Scalar]] = {
    "sum": lambda x, y: x + y,
    "add": lambda x, y: x + y,
    "mean": lambda x, y: x + y,
    "prod": lambda x, y: x * y,
    "multiply": lambda x, y: x * y,
    "amax": Scalar.maximum,
    "amin": Scalar.minimum,
}


class _Target:
    """A copy of a tensor that writes go to, combined with what is there if `reduce` says how.

    Without `include_self` the first write to a place replaces what was there.
    """

    def __init__(self, start: ir.Value, reduce: str | None = None, include_self: bool = True) -> None:
        self.made, self.shape, self.reduce = copy_of(start), lengths(start), reduce
        counted = reduce == "mean" or not include_self
        self.counts = array(self.shape, "i64", int(include_self)) if counted else None

    def write(self, place: Sequence[Index], value: Any) -> None:
        there = self.made[place]
        value = there.like(value)
        result = COMBINE[self.reduce](there, value) if self.reduce else value
        if self.counts:
            count = self.counts[place]
            self.counts[place] = count + 1
            result = where(count == 0, value, result)
        self.made[place] = result

    def tensor(self) -> ir.Value:
        if self.reduce == "mean":
            assert self.counts
            for at in positions(self.shape):
                total, count = self.made[at], self.counts[at].maximum(1)
                self.made[at] = total / count if is_float(total.type) else total // count
        return self.made.tensor()


@ops_registry.lowers(
    "aten.scatter.src",
    "aten.scatter.value",
    "aten.scatter.reduce",
    "aten.scatter.value_reduce",
    "aten.scatter_reduce.two",
    dynamic=True,
)
def scatter(
    out: ir.Type,
    self: ir.Value,
    dim: int,
    index: ir.Value,
    src: ir.Value | None = None,
    value: Any = None,
    reduce: str | None = None,
    include_self: bool = True,
) -> ir.Value:
    indices = at_least_1d(index)
    chosen, source = reader(indices), None if src is None else reader(at_least_1d(src))
    target = _Target(at_least_1d(self), reduce, include_self)
    axis = dim % len(target.shape)
    for at in positions(lengths(indices)):
        place = [wrapped(chosen[at], target.shape[axis]) if d == axis else i for d, i in enumerate(at)]
        target.write(place, value if source is None else source[at])
    return reshape(target.tensor(), sizes_of(ranked(out)))


ops_registry.lowers("aten.scatter_add.default", dynamic=True)(partial(scatter, reduce="sum"))


@ops_registry.lowers("aten.index_reduce.default", dynamic=True)
def index_reduce(
    out: ir.Type, self: ir.Value, dim: int, index: ir.Value, source: ir.Value, reduce: str, include_self: bool = True
) -> ir.Value:
    values, chosen = at_least_1d(source), reader(at_least_1d(index))
    read, target = reader(values), _Target(at_least_1d(self), reduce, include_self)
    axis = dim % len(target.shape)
    for at in positions(lengths(values)):
        target.write([wrapped(chosen[i], target.shape[axis]) if d == axis else i for d, i in enumerate(at)], read[at])
    return reshape(target.tensor(), sizes_of(ranked(out)))


@ops_registry.lowers("aten.index_put.default", "aten._unsafe_index_put.default", dynamic=True)
def index_put(
    out: ir.Type, self: ir.Value, indices: Sequence[ir.Value | None], values: ir.Value, accumulate: bool = False
) -> Any:
    chosen = Indices(self, indices)
    if chosen.masked:
        target = _Target(self, "sum" if accumulate else None)
        return _masked_put(target, chosen, values) if len(chosen.tensors) == 1 else DECLINED
    tensors, source = [reader(t) for t in chosen.tensors.values()], reader(values)

    def put(at: Sequence[Scalar], there: ir.Value) -> ir.Value:
        given = [tensor[read] for tensor, read in zip(tensors, chosen.reads(at), strict=True)]
        place, value = chosen.place(at, given), source[broadcast(values, at)]
        return with_element(there, place, reader(there)[place] + value if accumulate else value)

    return carried(chosen.shape, self, put)


def _masked_put(target: _Target, chosen: Indices, values: ir.Value) -> ir.Value:
    """One mask as index: the places where it is true, in order, take the dimension of that number."""
    ((axis, mask),) = chosen.tensors.items()
    flags, source, number = reader(mask), reader(values), cell("index", 0)
    rank = ranked(mask).rank
    for at in positions(lengths(mask)):
        with when(flags[at] != 0):
            for rest in positions([*target.shape[:axis], *target.shape[axis + rank :]]):
                read = broadcast(values, [*rest[:axis], number.value, *rest[axis:]])
                target.write([*rest[:axis], *at, *rest[axis:]], source[read])
            number.value = number.value + 1
    return target.tensor()


@ops_registry.lowers("aten.masked_scatter.default")
def masked_scatter(out: ir.Type, self: ir.Value, mask: ir.Value, source: ir.Value) -> ir.Value:
    type_ = ranked(out)
    old, flags, new = reader(self), reader(mask), reader(flat(source))
    made, number = array(type_.shape, type_.element_type), cell("index", 0)
    for at in positions(type_.shape):
        made[at] = old[broadcast(self, at)]
        with when(flags[broadcast(mask, at)]):
            made[at] = new[wrapped(number.value, ranked(new.tensor).shape[0])]
            number.value = number.value + 1
    return made.tensor()


@ops_registry.lowers("aten.nonzero_static.default")
def nonzero_static(out: ir.Type, self: ir.Value, size: int, fill_value: int = -1) -> ir.Value:
    type_, values, number = ranked(out), reader(self), cell("index", 0)
    made = array(type_.shape, type_.element_type, fill_value)
    for at in positions(ranked(self).shape):
        with when((values[at] != 0) & (number.value < size)):
            for axis, i in enumerate(at):
                made[number.value, axis] = i
            number.value = number.value + 1
    return made.tensor()


@ops_registry.lowers("aten.diagonal_scatter.default")
def diagonal_scatter(out: ir.Type, self: ir.Value, src: ir.Value, offset: int = 0, dim1: int = 0, dim2: int = 1) -> ir.Value:
    rank = ranked(self).rank
    return _replaced(self, src, lambda at: on_diagonal(at, offset, dim1 % rank, dim2 % rank)).tensor()


@ops_registry.lowers("aten.as_strided_scatter.default")
def as_strided_scatter(
    out: ir.Type, self: ir.Value, src: ir.Value, size: Any, stride: Sequence[int], storage_offset: int | None = None
) -> ir.Value:
    made = _replaced(flat(self), src, lambda at: [strided(at, stride, storage_offset)])
    return reshape(made.tensor(), ranked(out).shape)


def _replaced(self: ir.Value, src: ir.Value, place: Callable[[Sequence[Any]], Sequence[Index]]) -> Array:
    """A copy of `self` with each element of `src` at its place."""
    made, source = copy_of(self), reader(src)
    for at in positions(lengths(src)):
        made[place(at)] = source[at]
    return made
