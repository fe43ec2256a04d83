"""Singular values: one-sided Jacobi, which turns pairs of columns until all are orthogonal (Hestenes' method)."""

from __future__ import annotations

from typing import Any

from frontend.ops.elements import component, exact
from frontend.ops.kernel import array, cell, loop, positions, reader, when, while_
from frontend.ops.scalars import Scalar, apply, where
from frontend.ops.scf.matrices import (
    Matrix,
    ascending,
    conjugate,
    dot,
    each,
    fill_identity,
    load,
    norm,
    scratch,
    sqrt,
    square,
)
from frontend.ops.scf.qr import apply_q, factorise
from frontend.ops.scf.registry import ops_registry
from frontend.ops.values import ranked
from frontend.registry import DECLINED
from passes.mlir import ir, math

EPSILON = 2.0**-52
SWEEPS = 40  # seven are usual


@ops_registry.lowers("aten._linalg_svd.default")
def svd(out: tuple[ir.Type, ...], A: ir.Value, full_matrices: bool = False, compute_uv: bool = True, driver: Any = None) -> Any:
    """Of matrices at least as high as they are wide.

    With the columns of A V in descending order, A V = Q R has a diagonal R of the singular values and their signs, so Q is U
    but for the signs, and orthogonal even where singular values are zero.
    """
    *batch, m, n = ranked(A).shape
    if m < n:
        return DECLINED  # `frontend.capture.decompositions.matrices` transposes it
    element = exact(ranked(A).element_type)
    turned = _Columns(m, n, element)
    u, s, vh = (array(ranked(t).shape, ranked(t).element_type, float("nan")) for t in out)
    for a, u_, s_, vh_ in each(batch, reader(A), u, s, vh):
        scale = load(turned.a, lambda j, i: a[i, j].to(element), n, m)
        turned.run()
        for j in loop(n):
            place = ascending(lambda i: -turned.lengths[i], j, n)
            s_[place] = turned.lengths[j] * scale
            if compute_uv:
                for i in loop(n):
                    vh_[place, i] = conjugate(turned.v[j, i])
                for i in loop(m):
                    turned.sorted[i, place] = turned.a[j, i]
        if compute_uv:
            _left_vectors(turned.sorted, u_, m, n, m if full_matrices else n)
    return [u.tensor(), s.tensor(), vh.tensor()]


def _left_vectors(a: Matrix, u: Matrix, m: int, n: int, columns: int) -> None:
    """Write U, from the orthogonal columns of a."""
    element = a.batch.element
    tau, work, q = scratch([n], element), scratch([columns], element), scratch([m, columns], element)
    factorise(a, tau, m, n, work)
    fill_identity(q, m, columns)
    apply_q(a, tau, n, q, m, columns, work)
    for i, j in positions([m, columns]):
        u[i, j] = q[i, j]
    for i, j in positions([m, n]):
        with when(a[j, j].real < 0):
            u[i, j] = -u[i, j]


class _Columns:
    """The columns of a matrix and of the V that turns them, each as a row, so that it lies in one piece."""

    def __init__(self, m: int, n: int, element: ir.Type) -> None:
        self.m, self.n = m, n
        self.a, self.v = scratch([n, m], element), scratch([n, n], element)
        self.sorted, self.lengths = scratch([m, n], element), scratch([n], component(element))
        self.turned, self.sweeps = cell("i1", 0), cell("index", 0)

    def run(self) -> None:
        fill_identity(self.v, self.n, self.n)
        self.turned.value, self.sweeps.value = 1, 0
        for _ in while_(lambda: self.turned.value & (self.sweeps.value < SWEEPS)):
            self.turned.value, self.sweeps.value = 0, self.sweeps.value + 1
            for p in loop(self.n):
                for q in loop(p + 1, self.n):
                    self._orthogonalise(p, q)
        for j in loop(self.n):
            self.lengths[j] = norm(0, self.m, lambda i: self.a[j, i], self.a.batch.element)

    def _orthogonalise(self, p: Scalar, q: Scalar) -> None:
        a = self.a
        alpha, beta = dot(a, p, a, p, self.m).real, dot(a, q, a, q, self.m).real
        product = dot(a, q, a, p, self.m)
        size = sqrt(square(product))
        with when(size > EPSILON * sqrt(alpha) * sqrt(beta)):
            self.turned.value = 1
            zeta = (beta - alpha) / (size * 2)
            tangent = where(zeta >= 0, zeta.like(1), -1) / (apply(math.absf, zeta) + sqrt(zeta * zeta + 1))
            cosine = 1 / sqrt(tangent * tangent + 1)
            sine = product / size * (tangent * cosine)
            for rows, count in ((a, self.m), (self.v, self.n)):
                for i in loop(count):
                    x, y = rows[p, i], rows[q, i]
                    rows[p, i] = x * cosine - y * conjugate(sine)
                    rows[q, i] = y * cosine + x * sine
