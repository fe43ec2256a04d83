"""Sorting, and what is found in sorted lines: medians, modes, the k greatest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from frontend.ops.control import iterate
from frontend.ops.elements import is_float, limits
from frontend.ops.indices import at_least_1d
from frontend.ops.kernel import Index, Line, array, fold, index, loop, reader
from frontend.ops.linalg.views import flat
from frontend.ops.scalars import Scalar, where
from frontend.ops.scf.registry import ops_registry
from frontend.ops.scf.sorted_lines import Sorted, sorted_lines, unknown
from frontend.ops.values import lengths, ranked, reshape, sizes_of, splat
from passes.mlir import ir


class _Selection:
    """Values and their places, picked from the sorted lines of a tensor and put into lines of `count`."""

    def __init__(self, out: Sequence[ir.Type], self_: ir.Value, dim: int, count: Index | None) -> None:
        self.out, self.values, self.dim = out, at_least_1d(self_), dim
        self.shape = lengths(self.values)
        self.n = self.shape[dim]
        made = list(self.shape)
        made[dim] = self.n if count is None else count
        self.count = made[dim]
        self.results = [array(made, ranked(t).element_type) for t in out]

    def lines(self, descending: bool = False) -> Iterator[tuple[Line, Sorted]]:
        return sorted_lines(reader(self.values), self.shape, self.dim, descending)

    def put(self, at: tuple[Index, ...], line: Sorted, i: Index) -> None:
        for result, value in zip(self.results, (line.keys(i), line.places(i)), strict=False):
            result[at] = value

    def tensors(self) -> list[ir.Value]:
        return [reshape(r.tensor(), sizes_of(ranked(t))) for r, t in zip(self.results, self.out, strict=True)]


@ops_registry.lowers("aten.sort.default", "aten.sort.stable", dynamic=True)
def sort(out: Any, self: ir.Value, dim: int = -1, descending: bool = False, stable: Any = None) -> Any:
    return _first(_Selection(out, self, dim, None), descending)


@ops_registry.lowers("aten.topk.default", dynamic=True)
def topk(out: Any, self: ir.Value, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    return _first(_Selection(out, self, dim, k), largest)


def _first(selection: _Selection, descending: bool) -> list[ir.Value]:
    for line, ordered in selection.lines(descending):
        for i in loop(selection.count):
            selection.put(line(i), ordered, i)
    return selection.tensors()


def _one(out: Any, self: ir.Value, dim: int, find: Callable[[Sorted, Index], Index]) -> list[ir.Value]:
    """Of each line the element that `find` tells the number of, given the sorted line and its length."""
    selection = _Selection(out, self, dim, 1)
    for line, ordered in selection.lines():
        selection.put(line(0), ordered, find(ordered, selection.n))
    return selection.tensors()


@ops_registry.lowers("aten.kthvalue.default", dynamic=True)
def kthvalue(out: Any, self: ir.Value, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    return _one(out, self, dim, lambda line, n: k - 1)


def _numbers(line: Sorted, n: Index) -> Scalar:
    """How many elements of a sorted line are not NaN."""
    return fold(0, n, Scalar(index(0)), lambda i, count: where(unknown(line.keys(i)), count, count + 1))


def _median(line: Sorted, n: Index) -> Index:
    """The first NaN, if there is one."""
    count = _numbers(line, n)
    return where(count == n, (count - 1) / 2, count)


def _nanmedian(line: Sorted, n: Index) -> Index:
    return (_numbers(line, n).maximum(1) - 1) / 2


for _name, _find in {"median": _median, "nanmedian": _nanmedian}.items():

    @ops_registry.lowers(f"aten.{_name}.dim", dynamic=True)
    def _middle(out: Any, self: ir.Value, dim: int, keepdim: bool = False, _find: Any = _find) -> Any:
        return _one(out, self, dim, _find)

    @ops_registry.lowers(f"aten.{_name}.default")
    def _middle_of_all(out: ir.Type, self: ir.Value, _find: Any = _find) -> ir.Value:
        if 0 in ranked(self).shape:
            element = ranked(out).element_type
            return splat(ranked(out), float("nan") if is_float(element) else limits(element)[0])
        return _one([out], flat(self), 0, _find)[0]


@ops_registry.lowers("aten.mode.default", dynamic=True)
def mode(out: Any, self: ir.Value, dim: int = -1, keepdim: bool = False) -> Any:
    """The smallest of those that are most frequent, at the last place that holds it."""

    def find(line: Sorted, n: Index) -> Index:
        def count(i: Scalar, run: Scalar, most: Scalar, best: Scalar) -> tuple[Scalar, ...]:
            run = where((i > 0) & (line.keys((i - 1).maximum(0)) == line.keys(i)), run + 1, 1)
            more = run > most
            return i + 1, run, where(more, run, most), where(more, i, best)

        zero = Scalar(index(0))
        return iterate(lambda i, *_: i < n, count, zero, zero, zero, zero)[3]

    return _one(out, self, dim, find)
