"""Indexing by tensors: PyTorch's rules of which element an index names and where the indexed dimensions go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from frontend.ops.elements import is_bool, is_unsigned
from frontend.ops.kernel import Index, index
from frontend.ops.scalars import Scalar, where
from frontend.ops.values import Size, broadcast_map, ranked, reshape, size
from passes.mlir import ir


def wrapped(at: Any, length: Size) -> Any:
    """An index into a dimension of `length`; a negative one counts from the end.

    What PyTorch refuses as out of range becomes the nearest that is in range, so no memory outside is touched.
    """
    return _within(at, length, 1)


def clamped(at: Any, length: Size) -> Any:
    """A bound of a slice, which may be at the end."""
    return _within(at, length, 0)


def _within(at: Any, length: Size, beyond: int) -> Any:
    if isinstance(at, int) and isinstance(length, int):
        return max(min(at + length if at < 0 else at, length - beyond), 0)
    if isinstance(at, int) and at == 0:
        return 0
    place, end = Scalar(index(at)), Scalar(index(length))
    return where(place < 0, place + end, place).minimum(end - beyond).maximum(0)


def at_least_1d(value: ir.Value) -> ir.Value:
    return value if ranked(value).rank else reshape(value, [1])


def broadcast(value: ir.Value, at: Sequence[Index]) -> list[Index]:
    """Where a tensor is read for the position `at` of what it is broadcast to."""
    shape = ranked(value).shape
    return [0 if n == 1 else i for n, i in zip(shape, at[len(at) - len(shape) :], strict=True)]


def masks(element: ir.Type) -> bool:
    return is_bool(element) or is_unsigned(element)  # PyTorch takes uint8 for bool here


class Indices:
    """The `indices` of `value[indices]`, None for a whole dimension.

    They are broadcast to one shape, which takes the place of the dimensions that they index; it goes first if a whole
    dimension lies between these.
    """

    def __init__(self, value: ir.Value, indices: Sequence[ir.Value | None]) -> None:
        self.tensors = {axis: tensor for axis, tensor in enumerate(indices) if tensor is not None}
        self.masked = any(masks(ranked(tensor).element_type) for tensor in self.tensors.values())
        axes = list(self.tensors)
        self.sizes = [size(value, axis) for axis in range(ranked(value).rank)]
        whole = [axis for axis in range(len(self.sizes)) if axis not in self.tensors]
        common = common_sizes(list(self.tensors.values()))
        self.first = axes[0] if axes == list(range(axes[0], axes[-1] + 1)) else 0
        self.shape = [self.sizes[axis] for axis in whole]
        self.shape[self.first : self.first] = common
        self.last = self.first + len(common)

    def maps(self) -> list[ir.AffineMap]:
        """`reads` for linalg."""
        shape = [size if isinstance(size, int) else ir.ShapedType.get_dynamic_size() for size in self.shape[: self.last]]
        maps = [broadcast_map(ranked(tensor).shape, shape) for tensor in self.tensors.values()]
        return [ir.AffineMap.get(len(self.shape), 0, list(map_.results)) for map_ in maps]

    def reads(self, at: Sequence[Index]) -> list[list[Index]]:
        """For each index tensor, where it is read for the element `at` of the result."""
        return [broadcast(tensor, at[: self.last]) for tensor in self.tensors.values()]

    def place(self, at: Sequence[Index], chosen: Sequence[Scalar]) -> list[Index]:
        """The element of `value` that is the element `at` of the result, given what the index tensors hold there."""
        whole = iter([*at[: self.first], *at[self.last :]])
        given = dict(zip(self.tensors, chosen, strict=True))
        return [wrapped(given[axis], length) if axis in given else next(whole) for axis, length in enumerate(self.sizes)]


def common_sizes(tensors: Sequence[ir.Value]) -> list[Size]:
    """The common sizes: from the right, each the first that is not 1."""
    rank = max(ranked(t).rank for t in tensors)
    sizes: list[Size] = [1] * rank
    for tensor in tensors:
        for axis, offset in enumerate(range(rank - ranked(tensor).rank, rank)):
            length = size(tensor, axis)
            if isinstance(sizes[offset], int) and sizes[offset] == 1:
                sizes[offset] = length
    return sizes
