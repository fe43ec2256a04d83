"""The logarithm of the gamma function, its derivatives, and Hurwitz's zeta function."""

from __future__ import annotations

import math
from typing import Any

from frontend.ops.control import iterate
from frontend.ops.math import coefficients as of
from frontend.ops.math.formulas import (
    INF,
    NAN,
    absolute,
    by_formula,
    copysign,
    either,
    exp,
    floor,
    log,
    lower_to,
    nearest,
    polynomial,
    power,
    ratio,
    sin,
    tan,
    trunc,
)
from frontend.ops.math.registry import ops_registry
from frontend.ops.scalars import Scalar, where
from passes.mlir import ir

EPSILON = 2.0**-53  # of f64


def lanczos(x: Scalar) -> Scalar:
    """Lanczos' sum for x > 0, in x or 1 / x so that no power overflows."""
    numerator, denominator = of.LANCZOS
    return where(x > 1.0, ratio(1.0 / x, (numerator[::-1], denominator[::-1])), ratio(x, of.LANCZOS))


def lgamma(x: Scalar) -> Scalar:
    """log |gamma(x)|; of a negative x by gamma(x) gamma(-x) = -pi / (x sin(pi x))."""
    size = absolute(x)
    value = (log(size + (of.LANCZOS_G - 0.5)) - 1.0) * (size - 0.5) + log(lanczos(size))
    value = either((size < 1e-20, -log(size)), ((size == 1.0) | (size == 2.0), 0.0), (size == INF, INF), otherwise=value)
    distance = size - nearest(size)
    reflected = math.log(math.pi) - log(absolute(sin(distance * math.pi))) - log(size) - value
    negative = (x < 0.0) & (size < INF)
    return either((negative & (distance == 0.0), INF), (negative, reflected), otherwise=value)


def digamma(x: Scalar) -> Scalar:
    """By its recurrence up to 10 and an asymptotic series; of a negative x by reflection."""
    negative = x < 0.0
    up = where(negative, 1.0 - x, x)
    value = x.like(0)
    for _ in range(10):
        small = up < 10.0
        value, up = where(small, value - 1.0 / up, value), where(small, up + 1.0, up)
    inverse = 1.0 / (up * up)
    series = [b / (2 * k) for k, b in enumerate(of.BERNOULLI[:7], 1)]
    value = value + log(up) - 0.5 / up - inverse * polynomial(inverse, series[::-1])
    fraction = x - trunc(x)
    reflected = where(fraction == 0.0, NAN, value - math.pi / tan(math.pi * fraction))
    return either((x == 0.0, copysign(x.like(INF), -x)), (x == -INF, NAN), (negative, reflected), otherwise=value)


def trigamma(x: Scalar) -> Scalar:
    """digamma's derivative: six steps up and an asymptotic series; below 1/2 by reflection."""
    reflected = x < 0.5
    up = where(reflected, 1.0 - x, x)
    value = x.like(0)
    for _ in range(6):
        value, up = value + 1.0 / (up * up), up + 1.0
    inverse = 1.0 / (up * up)
    series = inverse * polynomial(-inverse, [1 / 42, 1 / 30, 1 / 6])
    value = value + (1.0 + 1.0 / (2.0 * up) + series) / up
    sine = sin(x * math.pi)
    return where(reflected, math.pi**2 / (sine * sine) - value, value)


def zeta(x: Scalar, q: Scalar) -> Scalar:
    """Hurwitz's zeta function, the sum of (q + k)^-x: terms, then Euler and Maclaurin's formula; in f64 from the second on."""
    pole = (x == 1.0) | ((q <= 0.0) & (q == floor(q)))
    undefined = (x < 1.0) | ((q <= 0.0) & (x != floor(x)))
    start = where(pole | undefined, 1.0, q)
    first = power(start, -x)
    result, x, start, first = x.type, x.to("f64"), start.to("f64"), first.to("f64")

    def more(count: Scalar, at: Scalar, term: Scalar, total: Scalar) -> Scalar:
        return (count == 0.0) | (((count < 9.0) | (at <= 9.0)) & ~_negligible(term, total))

    def add(count: Scalar, at: Scalar, term: Scalar, total: Scalar) -> tuple[Scalar, ...]:
        term = power(at + 1.0, -x)
        return count + 1.0, at + 1.0, term, total + term

    zero = x.like(0)
    _, at, term, total = iterate(more, add, zero, start, zero, first)
    value = where(_negligible(term, total), total, _tail(x, at, term, total)).to(result)
    return either((x == 1.0, INF), (x < 1.0, NAN), (pole, INF), (undefined, NAN), otherwise=value)


def _tail(x: Scalar, at: Scalar, term: Scalar, total: Scalar) -> Scalar:
    """The sum from `at` on, `term` = at^-x included in `total`: the integral, half a term less, and its derivatives."""
    total = total + term * at / (x - 1.0) - term * 0.5
    factor, more = x.like(1), term == term
    for k, bernoulli in enumerate(of.BERNOULLI):
        factor, term = factor * (x + 2.0 * k), term / at
        change = factor * term * (bernoulli / math.factorial(2 * k + 2))
        total = where(more, total + change, total)
        more = more & ~_negligible(change, total)
        factor, term = factor * (x + (2.0 * k + 1)), term / at
    return total


def _negligible(term: Scalar, total: Scalar) -> Scalar:
    return absolute(term) < absolute(total) * EPSILON


lower_to(lgamma, "lgamma.default", precise=True)
lower_to(digamma, "digamma.default", precise=True)
lower_to(zeta, *(f"special_zeta.{overload}" for overload in ("default", "self_scalar", "other_scalar")))


@ops_registry.lowers("aten.polygamma.default", dynamic=True)
def polygamma(out: ir.Type, n: int, self: ir.Value) -> Any:
    """The n-th derivative of digamma, with its factorial rounded as PyTorch rounds it."""

    def derivative(x: Scalar) -> Scalar:
        factorial = exp(x.like(math.lgamma(n + 1)))
        return (factorial if n % 2 else -factorial) * zeta(x.like(n + 1), x)

    return by_formula(out, (digamma, trigamma)[n] if n < 2 else derivative, self, precise=n == 0)
