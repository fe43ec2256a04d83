"""Eigenvalues: a unitary change to Hessenberg form, then shifted QR steps to a triangular matrix (Schur's form)."""

from __future__ import annotations

from frontend.ops.elements import element_type, exact, is_complex
from frontend.ops.kernel import Index, array, cell, fold, loop, reader, when, while_
from frontend.ops.scalars import Scalar, where
from frontend.ops.scf.matrices import (
    Matrix,
    ascending,
    complex_number,
    conjugate,
    each,
    fill_identity,
    load,
    norm,
    scratch,
    size,
    sqrt,
    square,
)
from frontend.ops.scf.qr import apply_from_right, apply_reflection, reflect
from frontend.ops.scf.registry import ops_registry
from frontend.ops.values import ranked
from passes.mlir import ir

EPSILON = 2.0**-53


class _Schur:
    """A matrix h and the unitary q (None if nobody asks for it) of which qᴴ h q stays the matrix that was loaded into h.

    A Hermitian h has but three diagonals once it has Hessenberg form; nothing beside them is touched.
    """

    def __init__(self, n: int, element: ir.Type, hermitian: bool, vectors: bool) -> None:
        self.n, self.hermitian = n, hermitian
        self.h = scratch([n, n], element)
        self.q = scratch([n, n], element) if vectors else None
        self.tau, self.work = scratch([n], element), scratch([n], element)
        self.cosines, self.sines = scratch([n], element), scratch([n], element)  # of one step's rotations
        self.rest, self.turns = cell("index", 0), cell("index", 0)

    def run(self) -> None:
        if self.q:
            fill_identity(self.q, self.n, self.n)
        self._hessenberg()
        self._iterate()

    def _hessenberg(self) -> None:
        h, n = self.h, self.n
        for j in loop(max(n - 2, 0)):
            reflect(h, j + 1, j, n, self.tau, j)
            tau = conjugate(self.tau[j])
            apply_reflection(h, j + 1, j, tau, h, (j + 1, n), n, self.work)
            if self.q:
                apply_reflection(h, j + 1, j, tau, self.q, (0, n), n, self.work)
            apply_from_right(h, h, j + 1, j, self.tau[j], n, n)
            for i in loop(j + 2, n):
                h[i, j] = 0
                if self.hermitian:
                    h[j, i] = 0

    def _iterate(self) -> None:
        """Until the leading block that is not triangular yet, of size `rest`, is a single element."""
        h, rest, turns = self.h, self.rest, self.turns
        rest.value, turns.value = self.n, 0
        for _ in while_(lambda: (rest.value > 1) & (turns.value < 30 * self.n)):
            last = rest.value - 1
            first = self._block(last)
            with when(first > 0):
                h[first, first - 1] = 0
            with when(first == last):
                rest.value = last
            with when(first != last):
                turns.value = turns.value + 1
                self._step(first, last)
        with when(rest.value > 1):  # it does not converge: no number is better than a wrong one
            for i in loop(self.n):
                h[i, i] = float("nan")

    def _block(self, last: Scalar) -> Scalar:
        """Where the block that ends at `last` begins: behind the last element of the subdiagonal that is as good as zero."""
        h = self.h

        def begins(i: Scalar, so_far: Scalar) -> Scalar:
            around = size(h[i - 1, i - 1]) + size(h[i, i])
            return where(size(h[i, i - 1]) <= around * EPSILON + 1e-300, i, so_far)

        return fold(1, last + 1, last.like(0), begins)

    def _step(self, first: Scalar, last: Scalar) -> None:
        """h := R Q + shift on the block from `first` to `last`, with Q R = h - shift."""
        h, n = self.h, self.n
        shift = self._shift(last)
        for i in loop(first, last + 1):
            h[i, i] = h[i, i] - shift
        for k in loop(first, last):
            x, y = h[k, k], h[k + 1, k]
            length = sqrt(square(x) + square(y))
            c, s = where(length > 0, x / length, 1), where(length > 0, y / length, 0)
            self.cosines[k], self.sines[k] = c, s
            self._rotate_rows(h, k, k, (k + 3).minimum(last + 1) if self.hermitian else n)
        for i in loop(first if self.hermitian else 0, last + 1):
            self._rotate_row(i, first.maximum(i.maximum(1) - 1), last.minimum(i + 2) if self.hermitian else last)
        if self.hermitian:
            for i in loop(first, last - 1):
                h[i, i + 2] = 0
        if self.q:
            for k in loop(first, last):
                self._rotate_rows(self.q, k, 0, n)
        for i in loop(first, last + 1):
            h[i, i] = h[i, i] + shift

    def _rotate_rows(self, a: Matrix, k: Scalar, first: Index, last: Index) -> None:
        """Rows k and k + 1 from the left by rotation k, in these columns."""
        c, s = self.cosines[k], self.sines[k]
        for j in loop(first, last):
            above, below = a[k, j], a[k + 1, j]
            a[k, j] = conjugate(c) * above + conjugate(s) * below
            a[k + 1, j] = c * below - s * above

    def _rotate_row(self, i: Scalar, first: Scalar, last: Scalar) -> None:
        """Row i of h from the right by these rotations' adjoints."""
        h = self.h
        for k in loop(first, last):
            c, s, left, right = self.cosines[k], self.sines[k], h[i, k], h[i, k + 1]
            h[i, k] = c * left + s * right
            h[i, k + 1] = conjugate(c) * right - conjugate(s) * left

    def _shift(self, last: Scalar) -> Scalar:
        """The eigenvalue of the last two rows and columns that is nearer to the last element; another one now and then."""
        h = self.h
        a, b, c, d = h[last - 1, last - 1], h[last - 1, last], h[last, last - 1], h[last, last]
        product = a.like(square(c)) if self.hermitian else b * c
        half = (a - d) / 2
        root = sqrt(half * half + product)
        far = where((half * conjugate(root)).real >= 0, half + root, half - root)
        near = where(far != 0, d - product / far, d)
        return where(self.turns.value % 11 == 10, d + size(c), near)


@ops_registry.lowers("aten._linalg_eigh.default")
def eigh(out: tuple[ir.Type, ir.Type], A: ir.Value, UPLO: str = "L", compute_v: bool = True) -> list[ir.Value]:
    element = exact(ranked(A).element_type)
    *batch, n, _ = ranked(A).shape
    schur = _Schur(n, element, hermitian=True, vectors=compute_v)
    values = array([*batch, n], ranked(out[0]).element_type, float("nan"))
    vectors = array(ranked(out[1]).shape, ranked(out[1]).element_type, float("nan"))
    for a, values_, vectors_ in each(batch, reader(A), values, vectors):
        scale = load(schur.h, lambda i, j: _hermitian(a, i, j, UPLO == "U").to(element), n, n)
        schur.run()
        for i in loop(n):
            place = ascending(lambda j: schur.h[j, j].real, i, n)
            values_[place] = schur.h[i, i].real * scale
            if schur.q:
                for row in loop(n):
                    vectors_[row, place] = conjugate(schur.q[i, row])
    return [values.tensor(), vectors.tensor()]


def _hermitian(a: Matrix, i: Scalar, j: Scalar, upper: bool) -> Scalar:
    """An element of the matrix of which one triangle is read."""
    given = (i <= j) if upper else (i >= j)
    x = a[where(given, i, j), where(given, j, i)]
    if not is_complex(x.type):
        return x
    return complex_number(x.real, where(i == j, 0, where(given, x.imag, -x.imag)))


@ops_registry.lowers("aten.linalg_eig.default")
def eig(out: tuple[ir.Type, ir.Type], self: ir.Value) -> list[ir.Value]:
    """Eigenvectors have length 1 and their largest element is real; a real matrix's real eigenvalues are so in every bit."""
    *batch, n, _ = ranked(self).shape
    element = element_type("c128")
    schur = _Schur(n, element, hermitian=False, vectors=True)
    q = schur.q
    assert q is not None
    x, v = scratch([n], element), scratch([n], element)
    tiny = 0 if is_complex(ranked(self).element_type) else 4 * n * EPSILON
    values, vectors = (array(ranked(t).shape, ranked(t).element_type) for t in out)
    for a, values_, vectors_ in each(batch, reader(self), values, vectors):
        scale = load(schur.h, lambda i, j: a[i, j].to(element), n, n)
        schur.run()
        for k in loop(n):
            value = schur.h[k, k]
            real = size(value.imag) <= tiny
            values_[k] = _real_if(real, value) * scale
            _eigenvector(schur, k, x)
            for i in loop(n):
                v[i] = fold(0, k + 1, x.zero(), lambda j, sum_: sum_ + conjugate(q[j, i]) * x[j])
            largest = fold(1, n, k.like(0), lambda i, at: where(square(v[i]) > square(v[at]), i, at))
            turn = conjugate(v[largest]) / sqrt(square(v[largest]))
            length = norm(0, n, lambda i: v[i], element)
            for i in loop(n):
                vectors_[i, k] = _real_if(real, v[i] * turn / length)
    return [values.tensor(), vectors.tensor()]


def _real_if(condition: Scalar, x: Scalar) -> Scalar:
    return complex_number(x.real, where(condition, 0, x.imag))


def _eigenvector(schur: _Schur, k: Scalar, x: Matrix) -> None:
    """The first k + 1 elements of x: the triangular matrix's eigenvector for its diagonal element k."""
    h = schur.h
    x[k] = 1
    for turn in loop(k):
        i = k - 1 - turn
        gap = h[i, i] - h[k, k]
        gap = where(size(gap) > EPSILON, gap, EPSILON)
        x[i] = -fold(i + 1, k + 1, x.zero(), lambda j, sum_: sum_ + h[i, j] * x[j]) / gap
        with when(size(x[i]) > 1e100):
            for j in loop(i, k + 1):
                x[j] = x[j] * 1e-100
