"""The symmetric factorisation with Bunch and Kaufman's pivots, as LAPACK's sytrf and hetrf on the lower triangle.

D's blocks have one row, or two where a pivot is negative. What is conjugated for a Hermitian matrix is not for a symmetric one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from frontend.ops.kernel import array, cell, copy_of, fold, loop, positions, reader, when, while_
from frontend.ops.scalars import Scalar, where
from frontend.ops.scf.matrices import Matrix, broadcast, conjugate, each, size, swap
from frontend.ops.scf.registry import ops_registry
from frontend.ops.values import ranked
from passes.mlir import ir

ALPHA = (1 + 17**0.5) / 8  # bounds the growth of elements best

Conjugate = Callable[[Scalar], Scalar]


def _conjugation(hermitian: bool) -> Conjugate:
    return conjugate if hermitian else lambda x: x


@ops_registry.lowers("aten.linalg_ldl_factor_ex.default")
def ldl_factor(out: tuple[ir.Type, ...], self: ir.Value, hermitian: bool = False, check_errors: bool = False) -> Any:
    """L below the diagonal and D's blocks on it; a block's pivot is the row exchanged with its last one, counted from 1."""
    *batch, n, _ = ranked(self).shape
    factor, pivots, info = copy_of(self), array([*batch, n], "i32"), array(batch, "i32", 0)
    k, conj = cell("index", 0), _conjugation(hermitian)
    for a, pivots_, info_ in each(batch, factor, pivots, info):
        for i, j in positions([n, n]):
            with when(i < j):
                a[i, j] = 0
        if hermitian:
            for i in loop(n):
                a[i, i] = a[i, i].real
        k.value = 0
        for _ in while_(lambda: k.value < n):
            first = k.value
            row, last, singular = _pivot(a, first, n)
            two = last != first
            with when(row != last):
                _exchange(a, first, last, row, n, conj)
            pivot = row.to("i32") + 1
            pivots_[first] = pivots_[last] = where(two, -pivot, pivot)
            with when(singular & (info_[()] == 0)):
                info_[()] = first + 1
            with when((two | singular) ^ True):
                _eliminate_one(a, first, n, conj)
            with when(two):
                _eliminate_two(a, first, n, conj)
            k.value = last + 1
    return factor.tensor(), pivots.tensor(), info.tensor()


def _pivot(a: Matrix, k: Scalar, n: int) -> tuple[Scalar, Scalar, Scalar]:
    """The row to exchange, the last row of the block that begins at k, and whether the column is zero."""
    more = k + 1 < n
    diagonal = size(a[k, k])
    row = where(more, fold(k + 2, n, k + 1, lambda i, at: where(size(a[i, k]) > size(a[at, k]), i, at)), k)
    column = where(more, size(a[row, k]), 0)
    beside = fold(k, row, column.like(0), lambda j, most: most.maximum(size(a[row, j])))
    beside = fold(row + 1, n, beside, lambda i, most: most.maximum(size(a[i, row])))
    stay = (diagonal >= column * ALPHA) | (diagonal >= column * ALPHA * (column / beside))
    one = stay | (size(a[row, row]) >= beside * ALPHA)
    return where(stay, k, row), where(one, k, k + 1), diagonal.maximum(column) == 0


def _exchange(a: Matrix, first: Scalar, i: Scalar, j: Scalar, n: int, conj: Conjugate) -> None:
    """Rows and columns i < j from `first` on, where the lower triangle has them."""
    a[i, i], a[j, j] = a[j, j], a[i, i]
    a[j, i] = conj(a[j, i])
    for c in loop(first, i):
        a[i, c], a[j, c] = a[j, c], a[i, c]
    for between in loop(i + 1, j):
        a[between, i], a[j, between] = conj(a[j, between]), conj(a[between, i])
    for r in loop(j + 1, n):
        a[r, i], a[r, j] = a[r, j], a[r, i]


def _eliminate_one(a: Matrix, k: Scalar, n: int, conj: Conjugate) -> None:
    for i in loop(k + 1, n):
        factor = a[i, k] / a[k, k]
        for j in loop(k + 1, i + 1):
            a[i, j] = a[i, j] - factor * conj(a[j, k])
    for i in loop(k + 1, n):
        a[i, k] = a[i, k] / a[k, k]


def _eliminate_two(a: Matrix, k: Scalar, n: int, conj: Conjugate) -> None:
    for j in loop(k + 2, n):
        off = a[k + 1, k]
        x, y = _divided(a[k, k], a[k + 1, k + 1], conj(off), off, a[j, k], a[j, k + 1])
        for i in loop(j, n):
            a[i, j] = a[i, j] - (a[i, k] * conj(x) + a[i, k + 1] * conj(y))
        a[j, k], a[j, k + 1] = x, y


def _divided(p: Scalar, r: Scalar, q: Scalar, conj_q: Scalar, x: Scalar, y: Scalar) -> tuple[Scalar, Scalar]:
    """The block [p, conj_q; q, r] inverse times [x; y], scaled so that the large q, by which it was chosen, divides."""
    above, below = r / conj_q, p / q
    rest = above * below - 1
    return (above * x - y) / (q * rest), (below * y - x) / (conj_q * rest)


@ops_registry.lowers("aten.linalg_ldl_solve.default")
def ldl_solve(out: ir.Type, LD: ir.Value, pivots: ir.Value, B: ir.Value, hermitian: bool = False) -> ir.Value:
    *batch, n, columns = ranked(out).shape
    x = copy_of(broadcast(B, [*batch, n, columns]))
    k, conj = cell("index", 0), _conjugation(hermitian)
    factor, exchanged = reader(broadcast(LD, [*batch, n, n])), reader(broadcast(pivots, [*batch, n]))
    for a, pivots_, x_ in each(batch, factor, exchanged, x):
        k.value = 0
        for _ in while_(lambda: k.value < n):
            first = k.value
            last = first + _wider(pivots_[first])
            swap(x_, last, _row(pivots_[last]), columns)
            for j in loop(first, last + 1):
                for i in loop(last + 1, n):
                    for c in loop(columns):
                        x_[i, c] = x_[i, c] - a[i, j] * x_[j, c]
            _divide(a, x_, first, last, columns, conj)
            k.value = last + 1
        for _ in while_(lambda: k.value > 0):
            last = k.value - 1
            first = last - _wider(pivots_[last])
            for j in loop(first, last + 1):
                for i in loop(last + 1, n):
                    for c in loop(columns):
                        x_[j, c] = x_[j, c] - conj(a[i, j]) * x_[i, c]
            swap(x_, last, _row(pivots_[last]), columns)
            k.value = first
    return x.tensor()


def _wider(pivot: Scalar) -> Scalar:
    """One if the block has two rows, else zero."""
    return (pivot < 0).to("index")


def _row(pivot: Scalar) -> Scalar:
    return where(pivot < 0, -pivot, pivot).to("index") - 1


def _divide(a: Matrix, x: Matrix, first: Scalar, last: Scalar, columns: int, conj: Conjugate) -> None:
    """These rows of x by D's block."""
    for c in loop(columns):
        with when(first == last):
            x[first, c] = x[first, c] / a[first, first]
        with when(first != last):
            off = a[last, first]
            x[first, c], x[last, c] = _divided(a[first, first], a[last, last], off, conj(off), x[first, c], x[last, c])
