"""The error function's relatives and the normal distribution's quantile."""

from __future__ import annotations

import math

from frontend.ops.math import coefficients as of
from frontend.ops.math.formulas import (
    INF,
    NAN,
    absolute,
    copysign,
    either,
    erf,
    erfc,
    exp,
    fma,
    log,
    lower_to,
    polynomial,
    ratio,
    sqrt,
)
from frontend.ops.scalars import Scalar, where


def erfcx(x: Scalar) -> Scalar:
    """exp(x^2) erfc(x); that of a negative x by that of -x."""
    positive = _erfcx(absolute(x).to("f64")).to(x.type)
    return where(x < 0.0, 2.0 * exp(x * x) - positive, positive)


def _erfcx(x: Scalar) -> Scalar:
    """For x >= 0 in f64: the product, with x^2 in two parts so that its rounding is not magnified; a series beyond 26."""
    square = x * x
    product = exp(square) * erfc(x) * (1.0 + fma(x, x, -square))
    series = polynomial(-0.5 / square, [math.prod(range(1, 2 * k, 2)) for k in reversed(range(7))])
    return where(x > 26.0, series / x / math.sqrt(math.pi), product)


def erfinv(y: Scalar) -> Scalar:
    """Newton's method from a rational approximation, in f64; near the ends it solves for erfc, which keeps its digits there."""
    size = absolute(y)
    square, tail = size * size, sqrt(-log((1.0 - size) / 2.0))
    x = where(size <= 0.7, size * ratio(square, _ERFINV_MIDDLE), ratio(tail, _ERFINV_TAIL))
    for _ in range(2):
        excess = where(size <= 0.7, erf(x) - size, (1.0 - size) - erfc(x))
        x = x - excess * (math.sqrt(math.pi) / 2) * exp(x * x)
    return copysign(either((size == 1.0, INF), (size > 1.0, NAN), otherwise=x), y)


_ERFINV_MIDDLE = (
    (-0.140543331, 0.914624893, -1.645349621, 0.886226899),
    (0.012229801, -0.329097515, 1.442710462, -2.118377725, 1.0),
)
_ERFINV_TAIL = ((1.641345311, 3.429567803, -1.624906493, -1.970840454), (1.637067800, 3.543889200, 1.0))


def ndtri(y: Scalar) -> Scalar:
    """The argument at which the normal distribution function is y."""
    edge = math.exp(-2)
    upper = y > 1.0 - edge
    tail = where(upper, 1.0 - y, y)
    middle = y - 0.5
    square = middle * middle
    z = sqrt(-2.0 * log(tail))
    inverse = 1.0 / z
    correction = inverse * where(z < 8.0, ratio(inverse, of.NDTRI_TAIL), ratio(inverse, of.NDTRI_FAR))
    far = z - log(z) / z - correction
    return either(
        (y == 0.0, -INF),
        (y == 1.0, INF),
        ((y < 0.0) | (y > 1.0), NAN),
        (tail > edge, (middle + middle * square * ratio(square, of.NDTRI_MIDDLE)) * math.sqrt(2 * math.pi)),
        otherwise=where(upper, far, -far),
    )


lower_to(erfc, "erfc.default")
lower_to(erfcx, "special_erfcx.default")
lower_to(erfinv, "erfinv.default", precise=True)
lower_to(ndtri, "special_ndtri.default")
