"""Householder reflections, as LAPACK's geqrf and ormqr: H = 1 - τ v vᴴ with v[0] = 1, the rest of v below the diagonal."""

from __future__ import annotations

from typing import Any

from frontend.ops.kernel import Array, Index, array, copy_of, loop, reader, when
from frontend.ops.scalars import Scalar, where
from frontend.ops.scf.matrices import Matrix, conjugate, each, norm
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
    v: Matrix, row: Index, column: Index, tau: Scalar, a: Matrix, columns: tuple[Index, Index], m: int, work: Array
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


def factorise(a: Matrix, tau: Matrix, m: int, n: int, work: Array) -> None:
    """R on and above the diagonal, each v below it."""
    for j in loop(min(m, n)):
        reflect(a, j, j, m, tau, j)
        apply_reflection(a, j, j, conjugate(tau[j]), a, (j + 1, n), m, work)


@ops_registry.lowers("aten.geqrf.default")
def geqrf(out: tuple[ir.Type, ir.Type], self: ir.Value) -> list[ir.Value]:
    element = ranked(self).element_type
    *batch, m, n = ranked(self).shape
    a, tau, work = copy_of(self), array([*batch, min(m, n)], element), array([n], element)
    for a_, tau_ in each(batch, a, tau):
        factorise(a_, tau_, m, n, work)
    return [a.tensor(), tau.tensor()]


@ops_registry.lowers("aten.ormqr.default")
def ormqr(out: ir.Type, self: ir.Value, input2: ir.Value, input3: ir.Value, left: bool = True, transpose: bool = False) -> Any:
    """Q input3, or with `transpose` Qᴴ input3, for the Q of reflections self with the factors input2."""
    if not left:
        return DECLINED  # `frontend.capture.matrices` transposes it
    *batch, m, n = ranked(out).shape
    result, work = copy_of(input3), array([n], ranked(out).element_type)
    count = ranked(input2).shape[-1]
    for v, tau, c in each(batch, reader(self), reader(input2), result):
        for turn in loop(count):
            j = turn if transpose else count - 1 - turn
            factor = conjugate(tau[j]) if transpose else tau[j]
            apply_reflection(v, j, j, factor, c, (0, n), m, work)
    return result.tensor()
