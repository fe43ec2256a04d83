"""The regularized incomplete gamma functions: series, continued fraction and Temme's expansion."""

from __future__ import annotations

import math

from frontend.ops.control import branch, iterate
from frontend.ops.math import coefficients as of
from frontend.ops.math import elementary
from frontend.ops.math.formulas import INF, NAN, absolute, copysign, either, erfc, exp, log, lower_to, polynomial, sqrt
from frontend.ops.math.gamma import EPSILON, lanczos, lgamma
from frontend.ops.scalars import Scalar, apply, where


def _density(a: Scalar, x: Scalar) -> Scalar:
    """x^a exp(-x) / gamma(a)."""
    base = a + (of.LANCZOS_G - 0.5)
    change = (x - base) / base
    large = a * _log1p_less(change) + x * (0.5 - of.LANCZOS_G) / base
    exponent = where(a < 200.0, a * log(x / base) + (a - x), large)
    near = sqrt(base / math.e) / lanczos(a) * exp(exponent)
    return where(absolute(a - x) > a * 0.4, exp(a * log(x) - x - lgamma(a)), near)


def _log1p_less(x: Scalar) -> Scalar:
    """log(1 + x) - x."""
    return apply(elementary.log1p, x) - x


_TERMS = 2000.0  # PyTorch's limit


def _lower_series(a: Scalar, x: Scalar) -> Scalar:
    def add(count: Scalar, term: Scalar, total: Scalar) -> tuple[Scalar, ...]:
        term = term * (x / (a + count))
        return count + 1.0, term, total + term

    def more(count: Scalar, term: Scalar, total: Scalar) -> Scalar:
        return (count <= _TERMS) & (term > total * EPSILON)

    _, _, total = iterate(more, add, *[x.like(1)] * 3)
    return total * _density(a, x) / a


def _upper_fraction(a: Scalar, x: Scalar) -> Scalar:
    """The continued fraction, by its convergents p / q."""

    def advance(k: Scalar, _: Scalar, value: Scalar, p1: Scalar, p2: Scalar, q1: Scalar, q2: Scalar) -> tuple[Scalar, ...]:
        z, factor = x - a + 2.0 + 2.0 * k, (1.0 - a + k) * k
        p, q = p1 * z - p2 * factor, q1 * z - q2 * factor
        next_ = where(q == 0.0, value, p / q)
        change = where(q == 0.0, 1.0, absolute((value - next_) / next_))
        scale = where(absolute(p) > 2.0**52, p.like(2.0**-52), 1.0)
        return k + 1.0, change, next_, p * scale, p1 * scale, q * scale, q1 * scale

    one = x.like(1)
    p, q = x + 1.0, (x - a + 2.0) * x
    state = iterate(lambda k, change, *_: (k <= _TERMS) & (change > EPSILON), advance, one, one, p / q, p, one, q, x)
    return state[2] * _density(a, x)


def _uniform(a: Scalar, x: Scalar, upper: bool) -> Scalar:
    """Temme's expansion for a large a and x near it."""
    change = (x - a) / a
    eta = copysign(sqrt(-2.0 * _log1p_less(change)), change)
    rows = [polynomial(eta, row[::-1]) for row in of.TEMME]
    total = rows[-1]
    for row in reversed(rows[:-1]):
        total = total / a + row
    rest = exp(a * eta * eta * -0.5) * total / sqrt(a * (2 * math.pi))
    sign = 1.0 if upper else -1.0
    return 0.5 * erfc(sign * eta * sqrt(a / 2.0)) + sign * rest


def _incomplete(a: Scalar, x: Scalar, upper: bool) -> Scalar:
    """The regularized incomplete gamma function, in f64."""
    f64 = x.type
    near = (a > 200.0) & (absolute(x - a) < 4.5 * sqrt(a))
    beyond = (x > 1.1) & (x >= a)

    def far() -> Scalar:
        return branch(f64, beyond, lambda: part(_upper_fraction(a, x), True), lambda: part(_lower_series(a, x), False))

    def part(value: Scalar, of_upper: bool) -> Scalar:
        return value if upper == of_upper else 1.0 - value

    inside = (a > 0.0) & (x > 0.0) & (a < INF) & (x < INF)
    undefined = (a < 0.0) | (x < 0.0) | (a == x)
    all_, none = (x == INF) | ((a == 0.0) & (x > 0.0)), (x == 0.0) | (a == INF)
    at_edge = either((undefined, NAN), (none, float(upper)), (all_, float(not upper)), otherwise=x.like(NAN))
    return branch(f64, inside, lambda: branch(f64, near, lambda: _uniform(a, x, upper), far), lambda: at_edge)


lower_to(lambda a, x: _incomplete(a, x, False), "igamma.default", precise=True)
lower_to(lambda a, x: _incomplete(a, x, True), "igammac.default", precise=True)
