"""Orthogonal polynomials, by recurrences whose length is an operand."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from frontend.ops.control import iterate
from frontend.ops.math.formulas import NAN, Formula, absolute, acos, cos, either, fma, lower_to, sin
from frontend.ops.scalars import Scalar, where
from passes.mlir import ir

Step = Callable[[Scalar, Scalar, Scalar], Scalar]  # of the k-th and the (k-1)-th polynomial and k, to the (k+1)-th


def _recur(x: Scalar, n: Scalar, first: Scalar, step: Step) -> Scalar:
    """The n-th polynomial, of those that begin with 1 and `first`; 0 if n is negative. It ends early at NaN."""

    def advance(k: Scalar, q: Scalar, p: Scalar) -> tuple[Scalar, ...]:
        return k + 1, step(q, p, k.to(x.type)), q

    _, last, _ = iterate(lambda k, q, p: (k < n) & (q == q), advance, n.like(1), first, x.like(1))
    return either((n < 0, 0.0), (n == 0, 1.0), otherwise=last)


def _degree(n: Scalar) -> Scalar:
    """As PyTorch converts it: towards zero; what is no number, or no integer of 64 bits, is negative."""
    return where((n > -1.0) & (n < 2.0**63), n, -1.0).to("i64")


def _polynomial(first: Formula, step: Callable[[Scalar, Scalar, Scalar, Scalar], Scalar], limited: bool = False) -> Formula:
    """A formula of x and n; if `limited`, PyTorch gives NaN for a high degree."""

    def formula(x: Scalar, n: Scalar) -> Scalar:
        degree = _degree(n)
        high = degree > (512 if x.type == ir.F64Type.get() else 128) if limited else degree != degree
        value = _recur(x, where(high, 0, degree), first(x), lambda q, p, k: step(x, q, p, k))
        return where(high, NAN, value)

    return formula


class _Chebyshev(NamedTuple):
    """A kind: its polynomial of degree 1, its values at 1 and -1 but for the sign, its closed form in n and acos(x).

    Where that one loses its digits, near an end, the value at the end is closer.
    """

    first: Formula
    at_one: Formula
    at_minus_one: Formula
    closed: Callable[[Scalar, Scalar], Scalar]
    lost: Formula


def _one(n: Scalar) -> Scalar:
    return n.like(1)


def _never(x: Scalar) -> Scalar:
    return x != x


_KINDS = {
    "t": _Chebyshev(lambda x: x, _one, _one, lambda n, angle: cos(n * angle), _never),
    "u": _Chebyshev(
        lambda x: x + x, lambda n: n + 1, lambda n: n + 1, lambda n, angle: sin((n + 1.0) * angle) / sin(angle), _never
    ),
    "v": _Chebyshev(
        lambda x: x + x - 1.0,
        _one,
        lambda n: n + n + 1,
        lambda n, angle: cos((n + 0.5) * angle) / cos(angle / 2.0),
        lambda angle: sin(angle / 2.0) == 1.0,
    ),
    "w": _Chebyshev(
        lambda x: x + x + 1.0,
        lambda n: n + n + 1,
        _one,
        lambda n, angle: sin((n + 0.5) * angle) / sin(angle / 2.0),
        lambda angle: cos(angle / 2.0) == 1.0,
    ),
}


def _chebyshev(x: Scalar, n: Scalar, kind: _Chebyshev, closed_above: int) -> Scalar:
    """The recurrence, or within (-1, 1) the closed form above a degree."""
    n = _degree(n)
    odd = (n & 1) == 1
    size, angle = absolute(x), acos(x)
    closed = (n > closed_above) & (size < 1.0)
    end = (size == 1.0) | (closed & kind.lost(angle))
    at_end = where(x > 0.0, kind.at_one(n), where(odd, -kind.at_minus_one(n), kind.at_minus_one(n))).to(x.type)
    recurred = _recur(x, where(closed | end, 0, n), kind.first(x), lambda q, p, k: fma(x + x, q, -p))
    return either((n < 0, 0.0), (end, at_end), (closed, kind.closed(n.to(x.type), angle)), otherwise=recurred)


for _name, _kind in _KINDS.items():

    def _plain(x: Scalar, n: Scalar, kind: _Chebyshev = _kind, above: int = 6 if _name == "t" else 8) -> Scalar:
        return _chebyshev(x, n, kind, above)

    def _shifted(x: Scalar, n: Scalar, kind: _Chebyshev = _kind, above: int = 4 if _name == "w" else 6) -> Scalar:
        return _chebyshev(x + x - 1.0, n, kind, above)

    for _prefix, _formula in {"": _plain, "shifted_": _shifted}.items():
        _operator = f"special_{_prefix}chebyshev_polynomial_{_name}"
        lower_to(_formula, *(f"{_operator}.{_overload}" for _overload in ("default", "x_scalar", "n_scalar")))

for _name, _formula in {
    "hermite_polynomial_h": _polynomial(lambda x: x + x, lambda x, q, p, k: fma(x + x, q, -(k + k) * p), limited=True),
    "hermite_polynomial_he": _polynomial(lambda x: x, lambda x, q, p, k: fma(x, q, -k * p), limited=True),
    "laguerre_polynomial_l": _polynomial(lambda x: 1.0 - x, lambda x, q, p, k: fma(k + k + (1.0 - x), q, -k * p) / (k + 1.0)),
    "legendre_polynomial_p": _polynomial(lambda x: x, lambda x, q, p, k: fma((k + k + 1.0) * x, q, -k * p) / (k + 1.0)),
}.items():
    lower_to(_formula, *(f"special_{_name}.{_overload}" for _overload in ("default", "x_scalar", "n_scalar")))
