"""The lines of a tensor along one of its dimensions, sorted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from frontend.ops.control import iterate
from frontend.ops.kernel import Array, Index, Line, Reader, array, fold, index, lines, loop
from frontend.ops.scalars import Scalar, is_float, where


def unknown(x: Scalar) -> Scalar:
    """Whether it is NaN, which sorts as the greatest number."""
    return x != x


def _after(x: Scalar, y: Scalar) -> Scalar:
    return (x > y) | (unknown(x) & (y == y)) if is_float(x.type) else x > y


class Sorted:
    """A sorted line: `keys(i)` and `places(i)`, where that element was."""

    def __init__(self, keys: Array, order: Array, side: Scalar) -> None:
        self._keys, self._order, self._side = keys, order, side

    def keys(self, i: Index) -> Scalar:
        return self._keys[self._side, i]

    def places(self, i: Index) -> Scalar:
        return self._order[self._side, i]


def sorted_lines(x: Reader, shape: Sequence[Index], dim: int, descending: bool = False) -> Iterator[tuple[Line, Sorted]]:
    """Merge sort, which leaves those that are equal in their order: runs of double the width each turn, from side to side."""
    n = shape[dim]
    end = n if isinstance(n, Scalar) else Scalar(index(n))
    keys, order = array([2, n], x.element), array([2, n], "index")
    for line in lines(shape, dim):
        for i in loop(n):
            keys[0, i], order[0, i] = x[line(i)], i

        def widen(width: Scalar, side: Scalar) -> tuple[Scalar, Scalar]:
            for low in loop(0, n, width * 2):
                _merge(keys, order, side, low, (low + width).minimum(end), (low + width * 2).minimum(end), descending)
            return width * 2, 1 - side

        _, side = iterate(lambda width, side: width < n, widen, Scalar(index(1)), Scalar(index(0)))
        yield line, Sorted(keys, order, side)


def _merge(keys: Array, order: Array, side: Scalar, low: Scalar, middle: Scalar, high: Scalar, descending: bool) -> None:
    """Two runs of one side, from `low` and from `middle` on, become one of the other."""

    def take(k: Scalar, i: Scalar) -> Scalar:
        j = middle + k - i
        left, right = i.minimum(middle - 1), j.minimum(high - 1)  # a run that is used up is compared, but not taken
        first, second = keys[side, left], keys[side, right]
        later = _after(second, first) if descending else _after(first, second)
        from_left = (i < middle) & ((j >= high) | ~later)
        chosen = where(from_left, left, right)
        keys[1 - side, k], order[1 - side, k] = keys[side, chosen], order[side, chosen]
        return where(from_left, i + 1, i)

    fold(low, high, low, take)
