"""Bessel, modified Bessel and Airy functions, by Cephes' approximations."""

from __future__ import annotations

import math
from collections.abc import Callable

from frontend.ops.math import coefficients as of
from frontend.ops.math.formulas import (
    INF,
    NAN,
    absolute,
    chebyshev,
    cos,
    either,
    exp,
    log,
    lower_to,
    polynomial,
    ratio,
    sin,
    sqrt,
)
from frontend.ops.scalars import Scalar, where

_COSINE, _SINE = (of.J0_COSINE, of.J1_COSINE), (of.J0_SINE, of.J1_SINE)


def _wave(x: Scalar, order: int, first: Callable[..., Scalar], second: Callable[..., Scalar]) -> Scalar:
    """Hankel's expansion for x > 5: J with cosine and -sine of the shifted x, Y with sine and cosine."""
    inverse = 5.0 / x
    angle = x - (order / 2 + 0.25) * math.pi
    amplitudes = (ratio(inverse * inverse, table[order]) for table in (_COSINE, _SINE))
    cosine, sine = amplitudes
    return (cosine * first(angle) + inverse * sine * second(angle)) * math.sqrt(2 / math.pi) / sqrt(x)


def bessel_j0(x: Scalar) -> Scalar:
    x = absolute(x)
    square = x * x
    near = (square - 5.78318596294678452118) * (square - 30.4712623436620863991) * ratio(square, of.J0_NEAR)
    return either(
        (x < 1e-5, 1.0 - square / 4.0),
        (x <= 5.0, near),
        otherwise=_wave(x, 0, cos, lambda angle: -sin(angle)),
    )


def bessel_j1(x: Scalar) -> Scalar:
    size = absolute(x)
    square = x * x
    near = ratio(square, of.J1_NEAR) * x * (square - 14.6819706421238932572) * (square - 49.2184563216946036703)
    far = _wave(size, 1, cos, lambda angle: -sin(angle))
    return where(size <= 5.0, near, where(x < 0.0, -far, far))


def bessel_y0(x: Scalar) -> Scalar:
    near = ratio(x * x, of.Y0_NEAR) + 2 / math.pi * log(x) * bessel_j0(x)
    return _singular(x, -INF, where(x <= 5.0, near, _wave(x, 0, sin, cos)))


def bessel_y1(x: Scalar) -> Scalar:
    near = x * ratio(x * x, of.Y1_NEAR) + 2 / math.pi * (bessel_j1(x) * log(x) - 1.0 / x)
    return _singular(x, -INF, where(x <= 5.0, near, _wave(x, 1, sin, cos)))


def _singular(x: Scalar, pole: float, value: Scalar) -> Scalar:
    """A function of positive numbers with a pole at 0."""
    return either((x == 0.0, pole), (x < 0.0, NAN), otherwise=value)


def spherical_bessel_j0(x: Scalar) -> Scalar:
    series = polynomial(x * x, [(-1) ** k / math.factorial(2 * k + 1) for k in reversed(range(7))])
    return either((absolute(x) == INF, 0.0), (absolute(x) < 0.5, series), otherwise=sin(x) / x)


def i0e(x: Scalar) -> Scalar:
    """exp(-|x|) I0(x)."""
    size = absolute(x)
    return where(size <= 8.0, chebyshev(size / 2.0 - 2.0, of.I0_NEAR), chebyshev(32.0 / size - 2.0, of.I0_FAR) / sqrt(size))


def i1e(x: Scalar) -> Scalar:
    """exp(-|x|) I1(x)."""
    size = absolute(x)
    far = chebyshev(32.0 / size - 2.0, of.I1_FAR) / sqrt(size)
    return where(size <= 8.0, chebyshev(size / 2.0 - 2.0, of.I1_NEAR) * x, where(x < 0.0, -far, far))


def i0(x: Scalar) -> Scalar:
    return exp(absolute(x)) * i0e(x)


def i1(x: Scalar) -> Scalar:
    return exp(absolute(x)) * i1e(x)


def _k(x: Scalar, order: int, near_scale: Scalar | float, far_scale: Scalar | float) -> Scalar:
    """K0 or K1, each side of 2 times its scale."""
    if order:
        near = log(x / 2.0) * i1(x) + chebyshev(x * x - 2.0, of.K1_NEAR) / x
    else:
        near = chebyshev(x * x - 2.0, of.K0_NEAR) - log(x / 2.0) * i0(x)
    far = chebyshev(8.0 / x - 2.0, of.K1_FAR if order else of.K0_FAR) / sqrt(x)
    return _singular(x, INF, where(x <= 2.0, near * near_scale, far * far_scale))


def airy_ai(x: Scalar) -> Scalar:
    """A power series around 0, and expansions in zeta = 2/3 |x|^1.5 on both sides of it."""
    root = sqrt(absolute(x))
    zeta = 2.0 * absolute(x) * root / 3.0
    inverse = 1.0 / zeta
    square = inverse * inverse
    angle = zeta + math.pi / 4
    scale = 1 / math.sqrt(math.pi) / sqrt(root)
    sine, cosine = 1.0 + square * ratio(square, of.AIRY_SINE), inverse * ratio(square, of.AIRY_COSINE)
    return either(
        (absolute(x) == INF, NAN),
        (x > 103.892, 0.0),
        (x >= 2.09, scale * ratio(inverse, of.AIRY_RIGHT) / (2.0 * exp(zeta))),
        (x < -2.09, scale * (sin(angle) * sine - cos(angle) * cosine)),
        otherwise=_airy_series(x),
    )


def _airy_series(x: Scalar) -> Scalar:
    """The solutions of y'' = x y with y(0) = 1, y'(0) = 0 and with y(0) = 0, y'(0) = 1, in powers of x^3."""
    cube = x * x * x
    even, odd = sum_even, sum_odd = x.like(1), x
    for k in range(3, 36, 3):
        even, odd = even * cube / ((k - 1) * k), odd * cube / (k * (k + 1))
        sum_even, sum_odd = sum_even + even, sum_odd + odd
    return 0.355028053887817239260 * sum_even - 0.258819403792806798405 * sum_odd


for _name, _formula in {
    "special_airy_ai": airy_ai, "special_spherical_bessel_j0": spherical_bessel_j0,
    "special_bessel_j0": bessel_j0, "special_bessel_j1": bessel_j1,
    "special_bessel_y0": bessel_y0, "special_bessel_y1": bessel_y1,
    "i0": i0, "special_modified_bessel_i0": i0, "special_i0e": i0e,
    "special_i1": i1, "special_modified_bessel_i1": i1, "special_i1e": i1e,
    "special_modified_bessel_k0": lambda x: _k(x, 0, 1.0, exp(-x)),
    "special_modified_bessel_k1": lambda x: _k(x, 1, 1.0, exp(-x)),
    "special_scaled_modified_bessel_k0": lambda x: _k(x, 0, exp(x), 1.0),
    "special_scaled_modified_bessel_k1": lambda x: _k(x, 1, exp(x), 1.0),
}.items():  # fmt: skip
    lower_to(_formula, f"{_name}.default")
