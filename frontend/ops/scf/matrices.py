"""What the kernels on matrices share: one matrix of a batch, and arithmetic that is the same for real and complex numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from frontend.ops.elements import component, constant, is_complex
from frontend.ops.kernel import Array, Index, Reader, array, cell, fold, loop, positions
from frontend.ops.scalars import Scalar, apply, where
from frontend.ops.values import elementwise, ranked, with_shape
from passes.mlir import complex, ir, math


class Matrix:
    """The matrix, vector or number of a batch at one position: `a[i, j]`, `tau[i]`, `info[()]`."""

    def __init__(self, batch: Array | Reader, at: tuple[Scalar, ...]) -> None:
        self.batch, self.at = batch, at

    def zero(self) -> Scalar:
        return Scalar(constant(self.batch.element, 0))

    def __getitem__(self, at: Index | tuple[Index, ...]) -> Scalar:
        return self.batch[(*self.at, *(at if isinstance(at, tuple) else (at,)))]

    def __setitem__(self, at: Index | tuple[Index, ...], value: Any) -> None:
        assert isinstance(self.batch, Array)
        self.batch[(*self.at, *(at if isinstance(at, tuple) else (at,)))] = value


def each(batch: Sequence[int], *arrays: Array | Reader) -> Iterator[list[Matrix]]:
    """The matrices of these arrays at each position of their leading dimensions."""
    for at in positions(batch):
        yield [Matrix(array, at) for array in arrays]


def broadcast(value: ir.Value, shape: Sequence[int]) -> ir.Value:
    type_ = with_shape(ranked(value), shape)
    return value if type_ == ranked(value) else elementwise(type_, [value], lambda x: x)


def fill_identity(a: Matrix, rows: int, columns: int) -> None:
    for i, j in positions([rows, columns]):
        a[i, j] = where(i == j, a.zero() + 1, 0)


def load(a: Matrix, read: Callable[[Scalar, Scalar], Scalar], rows: int, columns: int) -> Scalar:
    """Write the matrix divided by its largest element, so that nothing overflows; that is the result."""
    largest = cell(component(a.batch.element), 0)
    for i, j in positions([rows, columns]):
        a[i, j] = read(i, j)
        largest.value = largest.value.maximum(size(a[i, j]))
    scale = where(largest.value > 0, largest.value, 1)
    for i, j in positions([rows, columns]):
        a[i, j] = a[i, j] / scale
    return scale


def ascending(read: Callable[[Scalar], Scalar], i: Scalar, n: int) -> Scalar:
    """The place of number i among n in ascending order; equal ones stay in order."""

    def count(j: Scalar, before: Scalar) -> Scalar:
        mine, other = read(i), read(j)
        return before + where((other < mine) | ((other == mine) & (j < i)), i.like(1), 0)

    return fold(0, n, i.like(0), count)


def swap(a: Matrix, i: Index, j: Index, columns: int) -> None:
    """Exchange two rows."""
    for c in loop(columns):
        a[i, c], a[j, c] = a[j, c], a[i, c]


def scratch(shape: Sequence[int], element: ir.Type | str, start: Any = None) -> Matrix:
    """Memory for a kernel's own use."""
    return Matrix(array(shape, element, start), ())


def complex_number(real: Scalar, imaginary: Scalar) -> Scalar:
    return Scalar(complex.create_(ir.ComplexType.get(real.type), real.value, imaginary.value))


def conjugate(x: Scalar) -> Scalar:
    return complex_number(x.real, -x.imag) if is_complex(x.type) else x


def size(x: Scalar) -> Scalar:
    """LAPACK's absolute value: of a complex number |re| + |im|."""
    real = apply(math.absf, x.real)
    return real + apply(math.absf, x.imag) if is_complex(x.type) else real


def square(x: Scalar) -> Scalar:
    """|x|², a real number."""
    return x.real * x.real + x.imag * x.imag if is_complex(x.type) else x * x


def sqrt(x: Scalar) -> Scalar:
    return apply(complex.sqrt if is_complex(x.type) else math.sqrt, x)


def dot(a: Matrix, i: Index, b: Matrix, j: Index, count: Index) -> Scalar:
    """Row i of a times the conjugate of row j of b, over the first `count` columns."""
    return fold(0, count, a.zero(), lambda k, sum_: sum_ + a[i, k] * conjugate(b[j, k]))


def norm(first: Index, last: Index, read: Callable[[Scalar], Scalar], element: ir.Type) -> Scalar:
    """The Euclidean length of `read(i)` for i from `first` to `last`, scaled so that no square overflows or vanishes."""
    zero = Scalar(constant(component(element), 0))
    largest = fold(first, last, zero, lambda i, most: most.maximum(size(read(i))))
    scale = where(largest > 0, largest, 1)
    return scale * sqrt(fold(first, last, zero, lambda i, sum_: sum_ + square(read(i) / scale)))
