"""Householder reflections, as LAPACK's geqrf and ormqr: H = 1 - τ v vᴴ with v[0] = 1, the rest of v below the diagonal."""

from __future__ import annotations

from typing import Any

from frontend.ops.kernel import Index, array, copy_of, fold, loop, reader, when
from frontend.ops.scalars import Scalar, where
from frontend.ops.scf.matrices import Matrix, conjugate, each, norm, scratch
from frontend.ops.scf.registry import ops_registry
from frontend.ops.values import ranked
from frontend.registry import DECLINED
from passes.mlir import ir


def reflect(a: Matrix, row: Index, column: Index, m: int, tau: Matrix, at: Index) -> None:
    """Write v and τ of the reflection that zeroes a column below `row`, and what it makes of the element there."""
    head = a[row, column]
    below = norm(row + 1, m, lambda i: a[i, column], head.type)
    tau[at] = 0
    with when((below != 0) | (head.imag != 0)):
        length = norm(row, m, lambda i: a[i, column], head.type)
        to = where(head.real >= 0, -length, length)
        tau[at] = (head - to) / -to
        for i in loop(row + 1, m):
            a[i, column] = a[i, column] / (head - to)
        a[row, column] = to


def apply_reflection(
    v: Matrix, row: Index, column: Index, tau: Scalar, a: Matrix, columns: tuple[Index, Index], m: int, work: Matrix
) -> None:
    """a := (1 - τ v vᴴ) a in these columns, for the v that `reflect` wrote; `work` holds a number for each column."""
    for c in loop(*columns):
        work[c] = a[row, c]
    for i in loop(row + 1, m):
        factor = conjugate(v[i, column])
        for c in loop(*columns):
            work[c] = work[c] + factor * a[i, c]
    for c in loop(*columns):
        work[c] = work[c] * tau
        a[row, c] = a[row, c] - work[c]
    for i in loop(row + 1, m):
        factor = v[i, column]
        for c in loop(*columns):
            a[i, c] = a[i, c] - factor * work[c]


def apply_from_right(a: Matrix, v: Matrix, row: Index, column: Index, tau: Scalar, m: int, n: int) -> None:
    """a := a (1 - τ v vᴴ) in all of its m rows; v has n elements, those before `row` are zero."""
    for i in loop(m):
        product = fold(row + 1, n, a[i, row], lambda c, sum_: sum_ + a[i, c] * v[c, column]) * tau
        a[i, row] = a[i, row] - product
        for c in loop(row + 1, n):
            a[i, c] = a[i, c] - product * conjugate(v[c, column])


def factorise(a: Matrix, tau: Matrix, m: int, n: int, work: Matrix) -> None:
    """R on and above the diagonal, each v below it."""
    for j in loop(min(m, n)):
        reflect(a, j, j, m, tau, j)
        apply_reflection(a, j, j, conjugate(tau[j]), a, (j + 1, n), m, work)


@ops_registry.lowers("aten.geqrf.default")
def geqrf(out: tuple[ir.Type, ir.Type], self: ir.Value) -> list[ir.Value]:
    element = ranked(self).element_type
    *batch, m, n = ranked(self).shape
    a, tau, work = copy_of(self), array([*batch, min(m, n)], element), scratch([n], element)
    for a_, tau_ in each(batch, a, tau):
        factorise(a_, tau_, m, n, work)
    return [a.tensor(), tau.tensor()]


def apply_q(v: Matrix, tau: Matrix, count: int, c: Matrix, m: int, n: int, work: Matrix, adjoint: bool = False) -> None:
    """c := Q c, or Qᴴ c, for the Q of that many reflections."""
    for turn in loop(count):
        j = turn if adjoint else count - 1 - turn
        apply_reflection(v, j, j, conjugate(tau[j]) if adjoint else tau[j], c, (0, n), m, work)


@ops_registry.lowers("aten.ormqr.default")
def ormqr(out: ir.Type, self: ir.Value, input2: ir.Value, input3: ir.Value, left: bool = True, transpose: bool = False) -> Any:
    if not left:
        return DECLINED  # `frontend.capture.decompositions.matrices` transposes it
    *batch, m, n = ranked(out).shape
    result, work = copy_of(input3), scratch([n], ranked(out).element_type)
    for v, tau, c in each(batch, reader(self), reader(input2), result):
        apply_q(v, tau, ranked(input2).shape[-1], c, m, n, work, transpose)
    return result.tensor()
