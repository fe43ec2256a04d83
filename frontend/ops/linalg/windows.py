"""Windows that slide over the last dimensions of a tensor: what convolutions and pools share."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from frontend.ops.elements import constant
from frontend.ops.scalars import Scalar, where
from frontend.ops.values import empty, generic, padded, ranked, with_shape
from passes.mlir import ir, linalg, tensor


@dataclass(frozen=True)
class Window:
    """The windows along one dimension of `size` elements.

    There are `count`, one every `stride` elements, the first `padding` before the dimension's begin. Each has `kernel`
    elements, one every `dilation`.
    """

    size: int
    count: int
    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    @property
    def beyond(self) -> int:
        """How many elements the last window reaches over the dimension's end; negative if it does not get there."""
        last = (self.count - 1) * self.stride - self.padding + (self.kernel - 1) * self.dilation
        return last + 1 - self.size

    @property
    def trivial(self) -> bool:
        return (self.kernel, self.stride, self.padding) == (1, 1, 0) and self.count == self.size


def windows(sizes: Sequence[int], counts: Sequence[int], kernel: Any, stride: Any, padding: Any, dilation: Any) -> list[Window]:
    """One Window a dimension; where PyTorch takes a number for all dimensions, or none for the stride, so is it here."""
    rank = len(sizes)

    def each(given: Any) -> Sequence[int]:
        given = [given] if isinstance(given, int) else given
        return list(given) * rank if len(given) == 1 else given

    kernel = each(kernel)
    parameters = (kernel, each(stride) if stride else kernel, each(padding), each(dilation))
    return [Window(*numbers) for numbers in zip(sizes, counts, *parameters, strict=True)]


def fit(x: ir.Value, axes: Sequence[Window], fill: Any) -> ir.Value:
    """`x` with `fill` around it, so that every window lies inside, and without what no window reaches."""
    lead = [0] * (ranked(x).rank - len(axes))
    return padded(x, lead + [w.padding for w in axes], lead + [w.beyond for w in axes], fill)


def _dims(dims: Sequence[int]) -> list[ir.AffineExpr]:
    return [ir.AffineDimExpr.get(d) for d in dims]


def _map(loops: int, reads: Sequence[ir.AffineExpr]) -> ir.AffineMap:
    return ir.AffineMap.get(loops, 0, list(reads))


def _elements(axes: Sequence[Window], outer: Sequence[int], inner: Sequence[int]) -> list[ir.AffineExpr]:
    """Where element `inner` of window `outer` lies in a tensor that fits; both are numbers of loops."""
    return [o * w.stride + k * w.dilation for w, o, k in zip(axes, _dims(outer), _dims(inner), strict=True)]


def unfold(x: ir.Value, axes: Sequence[Window], fill: Any = 0) -> ir.Value:
    """[..., *sizes] to [..., *kernels, *counts]: each window's elements, windows last."""
    n, lead = len(axes), ranked(x).rank - len(axes)
    loops = lead + 2 * n
    shape = [*ranked(x).shape[:lead], *(w.kernel for w in axes), *(w.count for w in axes)]
    type_ = with_shape(ranked(x), shape)
    reads = [*_dims(range(lead)), *_elements(axes, range(lead + n, loops), range(lead, lead + n))]
    maps = [_map(loops, reads), ir.AffineMap.get_identity(loops)]
    return generic(type_, [fit(x, axes, fill)], empty(type_), maps, ["parallel"] * loops, lambda element, _: element)


def fold(columns: ir.Value, axes: Sequence[Window]) -> ir.Value:
    """[..., *kernels, *counts] to [..., *sizes], the transpose of `unfold`: each element is the sum of all that it went to."""
    type_ = ranked(columns)
    n = len(axes)
    lead = type_.rank - 2 * n
    result = with_shape(type_, [*type_.shape[:lead], *(w.size for w in axes)])

    def body(*scalars: Scalar) -> Scalar:
        inside, counts = [], []
        for axis, w in enumerate(axes):
            at = loop_index(place(lead, n, axis)) + w.padding - loop_index(element(lead, n, axis)) * w.dilation
            number = at // w.stride
            hit = (at >= 0) & (number < w.count) & (number * w.stride == at)
            inside.append(hit)
            counts.append(where(hit, number, 0))
        indices = [loop_index(d) for d in range(lead)] + [loop_index(element(lead, n, axis)) for axis in range(n)] + counts
        value = Scalar(tensor.extract(columns, [i.value for i in indices]))
        return scalars[-1] + where(functools.reduce(operator.and_, inside), value, 0)

    return over_windows(result, None, axes, 0, body)


def place(lead: int, n: int, axis: int) -> int:
    """The loop of `over_windows` over a result's dimension."""
    return lead + axis + (n if axis == n - 1 else 0)


def element(lead: int, n: int, axis: int) -> int:
    """The loop of `over_windows` over a window's elements along a dimension."""
    return lead + n - 1 + axis


def loop_index(loop: int) -> Scalar:
    return Scalar(linalg.IndexOp(loop).result)


def over_windows(
    out: ir.RankedTensorType,
    x: ir.Value | None,
    axes: Sequence[Window],
    start: Any,
    body: Callable[..., Scalar],
    others: Sequence[ir.Value] = (),
) -> ir.Value:
    """A reduction over the elements of windows.

    `body` gets an element of `x` if that is given, those of `others`, which are shaped like `out`, and the value so far.

    The loops walk the window's elements outside of the result's last dimension, so that the innermost loop walks memory.
    """
    n, lead = len(axes), out.rank - len(axes)
    loops = out.rank + n
    outer = [place(lead, n, axis) for axis in range(n)]
    inner = [element(lead, n, axis) for axis in range(n)]
    whole = _map(loops, _dims([*range(lead), *outer]))
    shape = empty(ir.RankedTensorType.get([w.kernel for w in axes], out.element_type))  # tells the loops' extents
    inputs, maps = [shape, *others], [_map(loops, _dims(inner)), *[whole] * len(others), whole]
    if x is not None:
        inputs.insert(0, x)
        maps.insert(0, _map(loops, [*_dims(range(lead)), *_elements(axes, outer, inner)]))
    init = linalg.fill(constant(out.element_type, start), outs=[empty(out)])

    def combine(*scalars: ir.Value) -> ir.Value:
        used = [Scalar(s) for i, s in enumerate(scalars) if i != (x is not None)]
        return body(*used).value

    kinds = ["reduction" if d in inner else "parallel" for d in range(loops)]
    return generic(out, inputs, init, maps, kinds, combine)
