"""Pools: the mean or the greatest of each window."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

from frontend.ops.elements import limits, wide
from frontend.ops.linalg.registry import ops_registry
from frontend.ops.linalg.windows import Window, element, fit, loop_index, over_windows, place, windows
from frontend.ops.scalars import Scalar, where
from frontend.ops.values import cast, elementwise, ranked, with_element, with_shape
from passes.mlir import ir, tensor

Position = Callable[[int, Scalar, Scalar], tuple[Scalar, Scalar]]  # of an axis' window and its element: where, and if it exists

for _n in (1, 2, 3):

    @ops_registry.lowers(f"aten.avg_pool{_n}d.default")
    def avg_pool(
        out: ir.Type,
        self: ir.Value,
        kernel_size: Any,
        stride: Any = (),
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        _n: int = _n,
    ) -> ir.Value:
        type_ = ranked(out)
        axes = windows(ranked(self).shape[-_n:], type_.shape[-_n:], kernel_size, stride, padding, 1)

        def members(axis: int, number: Scalar) -> Scalar:
            """How many elements a window has, which may reach over the end in `ceil_mode`."""
            w = axes[axis]
            edge = w.padding if count_include_pad else 0
            first = number * w.stride - w.padding
            return (first + w.kernel).minimum(w.size + edge) - first.maximum(-edge)

        return _mean(type_, self, axes, members, divisor_override)

    @ops_registry.lowers(f"aten.adaptive_avg_pool{_n}d.default", f"aten._adaptive_avg_pool{_n}d.default")
    def adaptive_avg_pool(out: ir.Type, self: ir.Value, output_size: Any, _n: int = _n) -> ir.Value:
        spread, axes = _spread(self, ranked(out).shape[-_n:], 0)
        sizes = ranked(self).shape[-_n:]

        def members(axis: int, number: Scalar) -> Scalar:
            return _end(number, sizes[axis], axes[axis].count) - _begin(number, sizes[axis], axes[axis].count)

        return _mean(ranked(out), spread, axes, members, None)

    @ops_registry.lowers(f"aten.max_pool{_n}d_with_indices.default")
    def max_pool(
        out: Any,
        self: ir.Value,
        kernel_size: Any,
        stride: Any = (),
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        _n: int = _n,
    ) -> list[ir.Value]:
        sizes = ranked(self).shape[-_n:]
        axes = windows(sizes, ranked(out[0]).shape[-_n:], kernel_size, stride, padding, dilation)

        def position(axis: int, number: Scalar, element: Scalar) -> tuple[Scalar, Scalar]:
            w = axes[axis]
            at = number * w.stride + element * w.dilation - w.padding
            return at, (at >= 0) & (at < w.size)

        return _greatest(out, fit(self, axes, limits(ranked(self).element_type)[0]), axes, sizes, position)

    @ops_registry.lowers(f"aten.adaptive_max_pool{_n}d.default")
    def adaptive_max_pool(out: Any, self: ir.Value, output_size: Any, _n: int = _n) -> list[ir.Value]:
        sizes = ranked(self).shape[-_n:]
        spread, axes = _spread(self, ranked(out[0]).shape[-_n:], limits(ranked(self).element_type)[0])

        def position(axis: int, number: Scalar, element: Scalar) -> tuple[Scalar, Scalar]:
            at = _begin(number, sizes[axis], axes[axis].count) + element
            return at, at < _end(number, sizes[axis], axes[axis].count)

        return _greatest(out, spread, axes, sizes, position)


def _begin(number: Any, size: int, count: int) -> Any:
    """Where window `number` of `count` begins, when they divide `size` elements as evenly as they can."""
    return number * size // count


def _end(number: Any, size: int, count: int) -> Any:
    return ((number + 1) * size + (count - 1)) // count


def _spread(x: ir.Value, counts: Sequence[int], fill: Any) -> tuple[ir.Value, list[Window]]:
    """A tensor in which adaptive windows lie side by side, all as long as the longest: the rest of the others is `fill`."""
    type_, n = ranked(x), len(counts)
    lead, sizes = list(type_.shape[:-n]), type_.shape[-n:]
    kernels = [
        max(_end(i, size, count) - _begin(i, size, count) for i in range(count))
        for size, count in zip(sizes, counts, strict=True)
    ]
    axes = [Window(count * kernel, count, kernel, stride=kernel) for count, kernel in zip(counts, kernels, strict=True)]
    if all(w.size == size for w, size in zip(axes, sizes, strict=True)):
        return x, axes

    def body() -> ir.Value:
        indices, inside = [loop_index(d) for d in range(len(lead))], []
        for loop, (w, size) in enumerate(zip(axes, sizes, strict=True), len(lead)):
            number = loop_index(loop) // w.kernel
            at = _begin(number, size, w.count) + loop_index(loop) % w.kernel
            inside.append(at < _end(number, size, w.count))
            indices.append(at.minimum(size - 1))
        value = Scalar(tensor.extract(x, [i.value for i in indices]))
        return where(functools.reduce(operator.and_, inside), value, fill).value

    return elementwise(with_shape(type_, [*lead, *(w.size for w in axes)]), [], body), axes


def _mean(
    out: ir.RankedTensorType,
    x: ir.Value,
    axes: Sequence[Window],
    members: Callable[[int, Scalar], Scalar],
    divisor: int | None,
) -> ir.Value:
    element, lead = out.element_type, out.rank - len(axes)
    x = cast(x, wide(element))
    total = over_windows(with_element(out, wide(element)), fit(x, axes, 0), axes, 0, lambda value, so_far: so_far + value)

    def body(sum_: ir.Value) -> ir.Value:
        counts = [members(axis, loop_index(lead + axis)) for axis in range(len(axes))]
        return (Scalar(sum_) / (divisor or functools.reduce(operator.mul, counts))).to(element).value

    return elementwise(out, [total], body)


def _greatest(
    out: Sequence[ir.Type], x: ir.Value, axes: Sequence[Window], sizes: Sequence[int], position: Position
) -> list[ir.Value]:
    """The greatest value of each window, NaN if there is one, and where it is: the first, but the last NaN, as in PyTorch."""
    values_type, indices_type = map(ranked, out)
    lowest, lead, n = limits(values_type.element_type)[0], values_type.rank - len(axes), len(axes)
    values = over_windows(
        values_type, x, axes, lowest, lambda value, best: where((value > best) | (value != value), value, best)
    )

    def where_is(value: Scalar, best: Scalar, so_far: Scalar) -> Scalar:
        places = [position(axis, loop_index(place(lead, n, axis)), loop_index(element(lead, n, axis))) for axis in range(n)]
        flat = so_far.like(0)
        for (at, _), size in zip(places, sizes, strict=True):
            flat = flat * size + at
        found = (value != value) | ((value == best) & (so_far < 0))
        return where(functools.reduce(operator.and_, [exists for _, exists in places], found), flat, so_far)

    return [values, over_windows(indices_type, x, axes, -1, where_is, [values])]
