"""Special functions on numbers: their poles, both sides of where a formula changes, and every floating-point type."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf, nan
from typing import Any

import pytest
import torch
from torch import Tensor, special, tensor
from torch.export import Dim

from frontend import DynamoCompiler
from tests.compiled import check

f32, f64 = torch.float32, torch.float64
TOLERANCES = {f32: {"rtol": 1.3e-6, "atol": 1e-5}, f64: {"rtol": 1e-9, "atol": 1e-12}}

POINTS = tensor([
    0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 10.0, 0.5, -0.5, 1e-7, -1e-7, 1e-30, 0.7, 0.9999, -0.9999, 1.5, -1.5, -10.25, 4.99, 5.01,
    7.99, 8.01, -8.01, 1.99, 2.01, -2.08, -2.1, 2.08, 2.1, 8.4, 25.9, 26.1, -6.2, -30.0, 0.13, 0.14, 0.87, 60.0, 104.0,
    1e4, -1e4, 1e18, inf, -inf, nan,
])  # fmt: skip
GRID = tensor([0.0, 1e-3, 0.3, 1.0, 7.0, 60.0, 201.0, 1e4, inf, nan, -1.0])
UNARY = [
    special.erfc, special.erfcx, special.erfinv, special.ndtr, special.ndtri, special.log_ndtr, special.entr, special.expit,
    special.logit, special.i0, special.i0e, special.i1, special.i1e, special.airy_ai, special.spherical_bessel_j0,
    special.bessel_j0, special.bessel_j1, special.bessel_y0, special.bessel_y1, special.modified_bessel_i0,
    special.modified_bessel_i1, special.modified_bessel_k0, special.modified_bessel_k1, special.scaled_modified_bessel_k0,
    special.scaled_modified_bessel_k1, special.gammaln, special.digamma, special.sinc,
]  # fmt: skip
POLYNOMIALS = [getattr(special, name) for name in dir(special) if "_polynomial_" in name and not name.startswith("_")]


def name(function: Any) -> str:
    return getattr(function, "__name__", "")


def on_types(function: Callable[..., Any], *inputs: Tensor) -> None:
    for dtype in (f32, f64):
        check(function, *(x.to(dtype) for x in inputs), **TOLERANCES[dtype])


@pytest.mark.parametrize("function", UNARY, ids=name)
def test_functions_of_one_number(function: Callable[..., Tensor]) -> None:
    check(lambda x, n: (function(x), function(n)), POINTS, torch.arange(-3, 12), **TOLERANCES[f32])
    check(function, POINTS.double(), **TOLERANCES[f64])


@pytest.mark.parametrize(
    "function", [special.erfc, special.erfinv, special.i0, special.i1e, special.gammaln, special.digamma], ids=name
)
def test_half_precision_is_rounded_once(function: Callable[..., Tensor]) -> None:
    for dtype in (torch.float16, torch.bfloat16):
        check(lambda x, dtype=dtype: function(x.to(dtype)).float(), POINTS[:40], rtol=0, atol=0)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 9])
def test_polygamma(n: int) -> None:
    on_types(partial(special.polygamma, n), POINTS)


@pytest.mark.parametrize("function", POLYNOMIALS, ids=name)
def test_polynomials_of_each_degree(function: Callable[..., Tensor]) -> None:
    x = tensor([0.0, 1.0, -1.0, 0.3, -0.7, 0.9999, 1.2, -2.5, inf])
    n = tensor([-1.0, 0.0, 1.0, 2.0, 2.9, 5.0, 7.0, 8.0, 9.0, 30.0, 200.0, 600.0, nan, inf, -inf])
    on_types(lambda x, n: (function(x, n), function(x, 5), function(0.25, n)), x[:, None], n)


@pytest.mark.parametrize("function", [special.gammainc, special.gammaincc, special.zeta, special.xlog1py], ids=name)
def test_functions_of_two_numbers(function: Callable[..., Tensor]) -> None:
    on_types(function, GRID[:, None], torch.cat([GRID, GRID * 1.01, -POINTS[:20]]))


def test_numbers_beside_tensors_and_no_elements() -> None:
    check(lambda x: (special.zeta(x, 2), special.zeta(3.5, x), special.erfcx(x[:0])), tensor([0.5, 3.0]))
    check(lambda x, y: (special.multigammaln(x, 3), special.gammaln(y)), tensor([2.5, 30.0]), tensor(1.5))


def test_powers_and_logit_in_half_precision_round_as_pytorch_does() -> None:
    def program(x: Tensor) -> tuple[Tensor, ...]:
        half = x.half()
        return tuple(y.float() for y in (half.pow(0.5), half.pow(-0.5), half.pow(0.3), 2.7**half, half.logit()))

    check(program, POINTS, rtol=0, atol=0)


def test_sizes_that_vary() -> None:
    def program(a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        return (
            special.gammainc(a, b),
            special.legendre_polynomial_p(a, b),
            special.zeta(a, 2.0),
            special.erfcx(a),
            a.pow(b).exp(),
        )

    x, n = torch.rand(5, 3) * 4, Dim("n", min=2)
    compiled = DynamoCompiler().compile(program, x, x, dynamic_shapes={"a": {0: n}, "b": {0: n}})
    more = torch.rand(9, 3) * 4
    torch.testing.assert_close(compiled(more, more), program(more, more), equal_nan=True)
