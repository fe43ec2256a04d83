"""The lines of a tensor along one of its dimensions, sorted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from frontend.ops.control import iterate
from frontend.ops.elements import is_float
from frontend.ops.kernel import Array, Index, Line, Reader, array, fold, index, lines, loop
from frontend.ops.scalars import Scalar, where

After = Callable[[Scalar, Scalar], Scalar]  # of two places: whether what is at the first comes after what is at the second


def unknown(x: Scalar) -> Scalar:
    """Whether it is NaN, which sorts as the greatest number."""
    return x != x


def greater(x: Scalar, y: Scalar) -> Scalar:
    return (x > y) | (unknown(x) & (y == y)) if is_float(x.type) else x > y


class Sorted:
    """A sorted line: `keys(i)` and `places(i)`, where that element was."""

    def __init__(self, x: Reader, line: Line, places: Callable[[Index], Scalar]) -> None:
        self.keys, self.places = lambda i: x[line(places(i))], places


def sorted_lines(x: Reader, shape: Sequence[Index], dim: int, descending: bool = False) -> Iterator[tuple[Line, Sorted]]:
    order = array([2, shape[dim]], "index")
    for line in lines(shape, dim):

        def after(i: Scalar, j: Scalar, line: Line = line) -> Scalar:
            return greater(x[line(j)], x[line(i)]) if descending else greater(x[line(i)], x[line(j)])

        yield line, Sorted(x, line, sorted_places(order, shape[dim], after))


def sorted_places(order: Array, n: Index, after: After) -> Callable[[Index], Scalar]:
    """The places 0 ... n - 1 sorted, those of equals in their order: runs of double the width are merged from side to side."""
    end = n if isinstance(n, Scalar) else Scalar(index(n))
    for i in loop(n):
        order[0, i] = i

    def widen(width: Scalar, side: Scalar) -> tuple[Scalar, Scalar]:
        for low in loop(0, n, width * 2):
            _merge(order, side, low, (low + width).minimum(end), (low + width * 2).minimum(end), after)
        return width * 2, 1 - side

    _, side = iterate(lambda width, side: width < n, widen, Scalar(index(1)), Scalar(index(0)))
    return lambda i: order[side, i]


def _merge(order: Array, side: Scalar, low: Scalar, middle: Scalar, high: Scalar, after: After) -> None:
    """Two runs of one side, from `low` and from `middle` on, become one of the other."""

    def take(k: Scalar, i: Scalar) -> Scalar:
        j = middle + k - i
        left, right = order[side, i.minimum(middle - 1)], order[side, j.minimum(high - 1)]  # of a run used up, for nothing
        from_left = (i < middle) & ((j >= high) | ~after(left, right))
        order[1 - side, k] = where(from_left, left, right)
        return where(from_left, i + 1, i)

    fold(low, high, low, take)
