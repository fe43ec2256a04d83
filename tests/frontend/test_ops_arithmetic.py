"""Elementwise arithmetic and products against PyTorch, in the types and at the values that the operator database leaves out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, tensor
from torch.nn import functional

from frontend import DynamoCompiler

aten = torch.ops.aten
inf, nan = math.inf, math.nan
f16, bf16, f32, f64, u8, i8, i16, i32, i64 = (
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
)  # fmt: skip
FLOATS, INTEGERS = (f16, bf16, f32, f64), (u8, i8, i16, i32, i64)
ODD = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.5, inf, -inf, nan, 100.0, -7.25]


def check(function: Callable[..., Any], *args: Tensor, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    expected = function(*[a.clone() for a in args])
    actual = DynamoCompiler().compile(function, *args)(*args)
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=True, check_stride=False)


def agree(function: Callable[..., Any], *args: Tensor) -> None:
    short = any(a.dtype in (f16, bf16) for a in args)
    check(function, *args, **({"rtol": 1e-2, "atol": 1e-2} if short else {}))


def odd(dtype: torch.dtype) -> Tensor:
    return tensor(ODD, dtype=dtype)


def grid(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Every pair of odd floats, or of integers that are not 0 from the lowest to the greatest."""
    if dtype.is_floating_point:
        return odd(dtype)[:, None], odd(dtype)[None]
    info = torch.iinfo(dtype)
    values = [info.min, info.max, 1, 2, 3, 7, 100] + ([-1, -2, -7] if info.min else [])
    values = tensor([v for v in values if v], dtype=dtype)
    return values[:, None], values[None]


def signs(x: Tensor) -> Tensor:
    """Tells -0.0 from 0.0."""
    return torch.copysign(torch.ones((), dtype=x.dtype), torch.where(x.isnan(), 1.0, x))


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_divisions(dtype: torch.dtype) -> None:
    x, y = grid(dtype)
    if dtype in INTEGERS and dtype != u8:
        x = x[1:]  # PyTorch itself traps at lowest / -1
    agree(lambda x, y: (torch.fmod(x, y), torch.remainder(x, y)), x, y)
    agree(lambda x, y: (torch.div(x, y, rounding_mode="trunc"), torch.div(x, y, rounding_mode="floor"), x // y), x, y)
    agree(lambda x: (x % 3, x // 3, torch.fmod(x, 3), 7 // x, 7 % x), x)
    if dtype not in (u8,):
        agree(lambda x: (x % -3, x // -3, torch.fmod(x, -3)), x)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_a_division_that_pytorch_refuses_does_not_trap(dtype: torch.dtype) -> None:
    x = tensor([torch.iinfo(dtype).min, 5], dtype=dtype)
    functions = (torch.fmod, torch.remainder, torch.floor_divide, lambda x, y: torch.div(x, y, rounding_mode="trunc"))
    for y in (x * 0, x * 0 - 1):
        DynamoCompiler().compile(lambda x, y: [f(x, y) for f in functions], x, y)(x, y)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, torch.bool])
def test_extremes(dtype: torch.dtype) -> None:
    x, y = (tensor([[False], [True]]), tensor([False, True])) if dtype == torch.bool else grid(dtype)
    agree(lambda x, y: (torch.fmax(x, y), torch.fmin(x, y), torch.maximum(x, y), torch.minimum(x, y)), x, y)
    agree(lambda x: (torch.sign(x), torch.sgn(x), torch.signbit(x), x.isnan(), x.isinf(), x.isfinite(), x.isposinf()), x)
    if dtype != torch.bool:
        agree(lambda x, y: (x.clamp(y), x.clamp(max=y), x.clamp(y, y + 1)), x, y)
        agree(lambda x: (x.clamp(1, 3), x.clamp(min=2), x.clamp(3, 2), torch.relu(x), x.abs(), x.square(), x.round()), x)


@pytest.mark.parametrize("dtype", FLOATS)
def test_floats(dtype: torch.dtype) -> None:
    x, y = grid(dtype)
    agree(lambda x, y: (torch.copysign(x, y), torch.hypot(x, y), torch.xlogy(x, y), torch.heaviside(x, y)), x, y)
    agree(lambda x: (torch.copysign(x, -0.0), x.reciprocal(), x.sigmoid(), x.clamp(nan, 1), x.nan_to_num(), x.frac()), x)
    agree(lambda x: (torch.logaddexp(x, x * 3), torch.lerp(x, x * 2, 0.3), torch.addcdiv(x, x, x, value=0.5)), x[:7])


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_sign_of_zero(dtype: torch.dtype) -> None:
    zeros = tensor([0.0, -0.0], dtype=dtype)
    check(lambda x: [signs(f(x)) for f in (torch.relu, torch.neg, torch.ceil, torch.round, lambda x: x.clamp(0, 1))], zeros)
    check(lambda x: [signs(y) for y in (x // 3, x % 3, torch.fmod(x, 3), torch.div(x, -3, rounding_mode="floor"))], zeros)


@pytest.mark.parametrize("dtype", [bf16, f32, f64])
def test_bits(dtype: torch.dtype) -> None:
    tiny = [] if dtype == bf16 else [1e-45, -1e-45, 5e-324, 1e-38]  # LLVM loses such bfloat16 on processors that convert them
    x = tensor([*ODD, *tiny, 2.0**100, 3.0], dtype=dtype)
    check(torch.nextafter, x[:, None], x[None], rtol=0, atol=0)
    check(torch.frexp, x, rtol=0, atol=0)


def test_frexp_of_f16() -> None:
    check(torch.frexp, tensor([*ODD, 6e-8, -3e-7, 65504.0], dtype=f16), rtol=0, atol=0)


@pytest.mark.parametrize("decimals", [0, 3, -2, 10])
def test_decimals(decimals: int) -> None:
    for dtype in (f32, f64, f16) if decimals < 10 else (f32, f64):
        x = tensor([*ODD, 12345.678, 0.12345, 2.5, 250.0, -350.0], dtype=dtype)
        check(lambda x: torch.round(x, decimals=decimals), x, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers(dtype: torch.dtype) -> None:
    x, y = grid(dtype)
    agree(lambda x, y: (torch.gcd(x, y), torch.lcm(x % 50, y % 50), x**y), x, y)
    agree(lambda x: (x**0, x**1, x**2, x**7, 3**x, torch.gcd(x, x * 0)), x)
    shift = torch.arange(9 if dtype == u8 else -1, 70 if dtype != u8 else 10)[None].to(dtype)
    agree(lambda x, y: (x << y, x >> y), x, shift)
    agree(lambda x: (x << 1, x >> 1, -x, x.ceil(), x.floor(), x.trunc(), x.round()), x)
    agree(lambda x: (x // 2 + 2.5, torch.rsub(x, 3, alpha=2), torch.addcmul(x, x, x, value=2)), x)


def test_powers_of_one_and_of_minus_one() -> None:
    agree(torch.pow, tensor([0, 1, -1, 2, -2])[:, None], tensor([-3, -2, -1, 0, 1, 2, 62, 63, 64, 2**62 + 1])[None])


@pytest.mark.parametrize("pair", list(itertools.product([*FLOATS, u8, i64, torch.bool], [bf16, f64, u8, i16])))
def test_mixed_types(pair: tuple[torch.dtype, torch.dtype]) -> None:
    x, y = (tensor([[1], [0], [3]]).to(pair[0]), tensor([2, 5, 1]).to(pair[1]))
    agree(lambda x, y: (x + y, x * y, x / y, x == y, x < y, torch.maximum(x, y), torch.where(x > y, x, y)), x, y)
    agree(lambda x, y: (torch.fmod(x, y), torch.remainder(x, y), x // y, torch.pow(x, y), torch.isclose(x, x)), x, y)


@pytest.mark.parametrize("dtype", [f16, bf16])
def test_a_number_is_not_rounded_to_16_bits(dtype: torch.dtype) -> None:
    x = tensor([-0.1, 0.1, 3.0], dtype=dtype)
    check(lambda x: (x + 0.1, x * 0.1, x - 0.1, x / 0.3, x.add(x, alpha=0.1)), x, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [f16, bf16])
def test_when_16_bits_are_rounded_to(dtype: torch.dtype) -> None:
    x, y, bias = (torch.randn(s, generator=torch.Generator().manual_seed(3)).to(dtype) for s in ((40, 30), (30, 40), (40,)))
    check(lambda x, y: torch.div(x * 100, y.T, rounding_mode="trunc"), x, y, rtol=0, atol=0)
    check(lambda x, y, bias: torch.addmm(bias, x, y), x, y, bias, rtol=2 * torch.finfo(dtype).eps, atol=1e-3)


CASTS = (f16, bf16, f32, f64, u8, i8, i16, i32, i64, torch.bool)


@pytest.mark.parametrize("dtype", CASTS)
def test_casts(dtype: torch.dtype) -> None:
    x = tensor([0, 1, 2, 100, 127, 3]) if dtype != torch.bool else tensor([0, 1])
    check(lambda x: [x.to(d) for d in CASTS if d != x.dtype], x.to(dtype), rtol=0, atol=0)


def test_what_does_not_fit_an_integer() -> None:
    x = tensor([300.5, -1.5, -129.0, 70000.0, 3e9, nan, inf, -inf, -1e20])
    check(lambda x: [x.to(d) for d in (u8, i8, i16, i32, i64, torch.bool)], x)
    check(lambda x: [x.to(d) for d in (u8, i8, i16, i32, f32, f16)], tensor([2**40 + 300, -1, -129, 2**31, 2**63 - 1]))


@pytest.mark.parametrize("dtype", [f16, f32, f64, u8, i16, i64, torch.bool])
def test_the_same_bytes_as_another_type(dtype: torch.dtype) -> None:
    x = torch.arange(32).reshape(2, 16).remainder(2 if dtype == torch.bool else 100).to(dtype)
    kinds = (u8, i16, i32, f32, i64, f64) if dtype != torch.bool else (u8, i16, i64)
    check(
        lambda x: [
            x.view(d).view(i8 if d == torch.bool else d)
            for d in kinds
            if d != x.dtype and (d, x.dtype) != (torch.bool, x.dtype)
        ][:6],
        x,
    )


def test_zero_times_what_is_not_finite() -> None:
    x = tensor([nan, inf, -1.0, -0.0])
    check(lambda x: (x * 0, torch.zeros(4) * x, (torch.ones(4) - torch.ones(4)) * x, 1 / (x + 0.0), 1 / (x - (-0.0))), x)


def test_creation() -> None:
    x = torch.zeros(2, 3, dtype=u8)
    check(lambda x: (torch.full_like(x, 7), torch.full_like(x, 1.5, dtype=f16), x.new_full((2,), 3), torch.ones_like(x)), x)
    check(
        lambda x: (torch.empty_like(x).fill_(3), torch.empty(2, 3).zero_(), torch.empty_strided((2, 3), (1, 2)).fill_(2.0)), x
    )
    check(
        lambda x: (
            torch.linspace(0, 1, 7),
            torch.logspace(0, 3, 4, base=2),
            torch.eye(2, 3),
            torch.linspace(1, 9, 5, dtype=i64),
        ),
        x,
    )
    check(lambda x: (aten.copy.default(x, torch.ones(3)), x.fill_(9)), x)
    check(lambda x: (torch.tril_indices(3, 4), torch.triu_indices(3, 4, 1), torch.tril(x), torch.arange(3, dtype=f16)), x)


ACTIVATIONS = [
    functional.celu, functional.elu, functional.hardshrink, functional.hardsigmoid, functional.hardswish,
    functional.hardtanh, functional.leaky_relu, functional.logsigmoid, functional.mish, functional.relu6, functional.selu,
    functional.silu, functional.softplus, functional.softshrink, functional.softsign, functional.tanhshrink,
    lambda x: functional.threshold(x, 0.1, 20.0), functional.glu,
]  # fmt: skip


@pytest.mark.parametrize("dtype", [f16, f32, f64])
def test_activations(dtype: torch.dtype) -> None:
    x = tensor([*ODD, 20.5, -20.5], dtype=dtype)
    agree(lambda x: [activation(x) for activation in ACTIVATIONS], x)


def whole(*shape: int, dtype: torch.dtype = i64) -> Tensor:
    return (torch.arange(math.prod(shape)) % 11 - 4).reshape(shape).to(dtype)


@pytest.mark.parametrize("dtype", [*FLOATS, u8, i16, i64])
def test_products(dtype: torch.dtype) -> None:
    a, b, v, batch = (whole(*s, dtype=dtype) for s in ((3, 5), (5, 4), (5,), (2, 3, 5)))
    agree(lambda a, b, v, x: (a @ b, a @ v, v @ b, v @ v, x @ b, torch.outer(v, v)), a, b, v, batch)
    c, d = whole(3, 4, dtype=dtype), whole(3, dtype=dtype)
    agree(lambda a, b, c: (torch.addmm(c, a, b), torch.addmm(c, a, b, alpha=2), torch.addmm(c[:1], a, b, beta=3)), a, b, c)
    agree(lambda a, v, d: (torch.addmv(d, a, v), torch.addmv(d, a, v, alpha=2, beta=3)), a, v, d)
    agree(lambda x, c: torch.addbmm(c, x, x.mT @ c, alpha=2, beta=3), batch, c)
    agree(lambda x, c: torch.baddbmm(c, x, x.mT @ c, alpha=2, beta=3), batch, c)


def test_beta_of_zero_leaves_no_nan() -> None:
    a, hole = torch.ones(3, 3), torch.full((3, 3), nan)
    check(lambda a, n: (torch.addmm(n, a, a, beta=0), torch.addbmm(n, a[None], a[None], beta=0)), a, hole)
    check(lambda a, n: (torch.addmv(n.sum(0), a, a.sum(0), beta=0), torch.baddbmm(n, a[None], a[None], beta=0)), a, hole)


def test_products_of_nothing() -> None:
    a, b, c = torch.empty(3, 0), torch.empty(0, 4), torch.ones(3, 4)
    check(lambda a, b, c: (a @ b, torch.addmm(c, a, b, beta=2), a.long() @ b.long()), a, b, c)


def test_fractions_as_scales() -> None:
    a, b, c = (torch.randn(s, generator=torch.Generator().manual_seed(1)).half() for s in ((3, 5), (5, 4), (3, 4)))
    check(lambda a, b, c: torch.addmm(c, a, b, beta=0.3, alpha=-0.7), a, b, c, rtol=1e-3, atol=1e-3)


def test_overloads_by_number() -> None:
    x, flags = tensor([1.5, -2.0, 0.25]), tensor([True, False])
    check(lambda x: [f(x, 3) for f in (aten.add.Scalar, aten.sub.Scalar, aten.mul.Scalar, aten.div.Scalar)], x)
    check(lambda x: (aten.div.Scalar_mode(x, 3, rounding_mode="floor"), aten.remainder.Scalar_Tensor(3, x)), x)
    check(lambda x: (x.long() << 2, aten.__lshift__.Scalar(x.long(), 1), aten.__rshift__.Scalar(x.long(), 1)), x)
    check(lambda x: (aten.__lshift__.Tensor(x.long(), x.long()), aten.__rshift__.Tensor(x.long(), x.long()), 2**x), x)
    check(
        lambda x: (aten.bitwise_and.Scalar(x, True), aten.bitwise_or.Scalar(x, True), aten.bitwise_xor.Scalar(x, True)), flags
    )
    check(lambda x: torch.where(x == x, x, aten.empty_permuted.default([3], [0])), x)


def test_sizes_that_vary() -> None:
    def elementwise(x: Tensor, y: Tensor) -> list[Tensor]:
        whole = (torch.gcd(x.long(), y.long()), x.long() << 2, x.long() ** 2, torch.div(x, y, rounding_mode="floor"))
        bits = (torch.nextafter(x, y), torch.frexp(x).mantissa, x.isinf(), torch.full_like(x, 2.0))
        return [*whole, *bits, x.clamp(0, 1), x.clamp(y), torch.relu(x), x * 0.5 + 2, functional.elu(x), torch.hypot(x, y)]

    def products(x: Tensor, y: Tensor) -> list[Tensor]:
        return [x.long() @ y.long().T, torch.addmm(torch.ones(4), x, x.T @ y, beta=2)]

    rows = torch.export.Dim("rows", min=2)
    for function in (elementwise, products):
        compiled = DynamoCompiler().compile(function, torch.ones(5, 4), torch.ones(5, 4), dynamic_shapes=({0: rows}, {0: rows}))
        for count in (2, 7):
            x, y = torch.randn(2, count, 4)
            torch.testing.assert_close(compiled(x, y), function(x, y))
