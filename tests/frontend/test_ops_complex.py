"""Complex numbers and Fourier transforms in the corners that PyTorch's operator database leaves out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from frontend import DynamoCompiler
from frontend.capture import by_dynamo, by_export

aten = torch.ops.aten
C64, C128 = torch.complex64, torch.complex128
generator = torch.Generator().manual_seed(0)
SOME = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1e-3, 1e-20, 3.0]
INFINITE = [math.inf, -math.inf, math.nan]


def numbers(*shape: int, dtype: torch.dtype = C64) -> Tensor:
    return torch.randn(shape, dtype=dtype, generator=generator)


def grid(values: list[float], dtype: torch.dtype) -> Tensor:
    return torch.tensor([complex(a, b) for a, b in itertools.product(values, values)], dtype=dtype)


def same(function: Callable[..., Any], *tensors: Tensor, **tolerance: float) -> None:
    actual = DynamoCompiler().compile(function, *tensors)(*tensors)
    torch.testing.assert_close(actual, function(*tensors), equal_nan=True, check_stride=False, **tolerance)


FUNCTIONS = [
    "abs", "acos", "acosh", "angle", "asin", "asinh", "atan", "atanh", "conj_physical", "cos", "cosh", "exp", "exp2", "expm1",
    "imag", "isfinite", "isinf", "isnan", "isreal", "log", "log10", "log2", "neg", "real", "reciprocal", "rsqrt", "sgn",
    "sigmoid", "sin", "sinh", "sqrt", "square", "tan", "tanh",
]  # fmt: skip


def each(names: list[str], x: Tensor) -> None:
    """Functions of single numbers, as PyTorch's vectorised ones differ at signed zeros and infinities; parts are compared."""
    functions = [getattr(torch, name) for name in names]
    results = DynamoCompiler().compile(lambda x: [function(x) for function in functions], x)(x)
    for name, function, result in zip(names, functions, results, strict=True):
        expected = torch.cat([function(number) for number in x.split(1)])
        parts = [torch.view_as_real(t.resolve_conj()) if t.is_complex() else t for t in (result, expected)]
        torch.testing.assert_close(*parts, equal_nan=True, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("dtype", [C64, C128], ids=str)
def test_functions_of_finite_numbers(dtype: torch.dtype) -> None:
    each(FUNCTIONS, grid(SOME, dtype))


def test_functions_of_what_is_not_finite() -> None:
    exact = ["acosh", "asin", "atanh", "exp", "isfinite", "isinf", "isnan", "log", "sinh", "sqrt", "tanh"]
    each(exact, grid([*INFINITE, 0.0, -1.0, 0.5], C64))


def test_logarithms_and_exponentials_lose_no_digits_near_zero() -> None:
    x = numbers(50, dtype=C128) * 1e-9
    for actual in DynamoCompiler().compile(lambda x: [torch.log1p(x), torch.expm1(x)], x)(x):
        torch.testing.assert_close(actual, x, rtol=1e-8, atol=0)
    each(["log1p"], torch.tensor([-2.5 + 0j, complex(-2.5, -0.0), 3 - 4j]))


def test_powers() -> None:
    x, y = numbers(20), numbers(20)
    same(lambda x, y: [x**y, 2.5**x, x ** (1 - 2j)], x, y, rtol=1e-5, atol=1e-5)
    same(
        lambda x: [x**n for n in (0, 1, 2, 3, -1, -2, 0.5, -0.5)], torch.cat([x, torch.tensor([-4 + 0j])]), rtol=1e-5, atol=1e-5
    )


def test_arithmetic_of_mixed_types() -> None:
    x, y, whole = numbers(3, 4), numbers(4, dtype=C128), torch.arange(4)
    same(lambda x, y, n: [x + y, x * n, n - x, x / y, x == n, x != x, x * 2j, 1.5 - x], x, y, whole)
    same(lambda x: [x.to(C128), x.to(torch.bool), torch.where(x.real > 0, x, 0), x.chalf()], x)
    same(lambda x: [torch.full_like(x, 1 - 2j), torch.zeros_like(x), torch.eye(3, dtype=x.dtype)], x)


def test_division_does_not_overflow_on_the_way() -> None:
    x = torch.tensor([3e30 + 4e30j, 1e-30 - 2e-30j, 1e300 + 1e300j, 1e-300j], dtype=C128)
    same(lambda x: [x / x, 1 / x], x)
    same(lambda x: [x / x, 1 / x], x[:2].to(C64))


def test_parts_and_views() -> None:
    x, pairs = numbers(3, 4), torch.randn(5, 2)
    same(lambda x: [x.real, x.imag, x.conj(), x.mT.conj().imag, torch.view_as_real(x), torch.angle(x.real)], x)
    same(lambda x: [torch.view_as_complex(x), torch.polar(x, x), torch.complex(x, -x)], pairs)
    same(lambda x: [x.permute(1, 0), x.reshape(-1)[::3], torch.cat([x, x], 1), x[:, 1:3], x.flip(0), x.T.contiguous()], x)
    same(lambda x: [x[0, 0].reshape(1), x[0, :1].reshape(()), *x.split([1, 3], 1)], x)
    same(lambda x: [torch.view_as_real(x), x.conj(), x.real], numbers(0, 3))
    same(lambda x: [torch.view_as_real(x), x.imag, x.angle()], numbers())
    same(
        lambda x: [x.conj(), torch.conj_physical(x), x.resolve_conj(), x.angle()], torch.tensor([-1.0, 0.0, -0.0, 2, math.nan])
    )


def test_operators_that_capture_resolves() -> None:
    same(lambda x: [aten.resolve_conj(x) * 1, aten.resolve_neg(x) * 1, aten._neg_view(x) * 1], numbers(3))


def test_products() -> None:
    x, y, z = numbers(3, 4), numbers(4, 5), numbers(3, 5)
    close = {"rtol": 1e-5, "atol": 1e-5}
    same(
        lambda x, y, z: [x @ y, torch.addmm(z, x, y, beta=2, alpha=1j), torch.addmm(z * math.nan, x, y, beta=0)],
        x,
        y,
        z,
        **close,
    )
    same(lambda x: [x @ x[0], torch.dot(x[0], x[1]), torch.vdot(x[0], x[1]), torch.outer(x[0], x[1]), x @ x.mH], x, **close)
    same(lambda x, y: [torch.bmm(x[None], y[None]), torch.nn.functional.linear(x, y.T, y[0])], x, y, **close)
    same(lambda x, y: x @ y, x.to(C128), y.to(C128))
    same(lambda x, y: x @ y, numbers(3, 0), numbers(0, 5))


def test_reductions() -> None:
    x = numbers(3, 4)
    same(lambda x: [x.sum(), x.sum(1, keepdim=True)], x)


LENGTHS = [1, 2, 7, 30, 37, 64, 262, 1000]


@pytest.mark.parametrize("n", LENGTHS)
def test_transforms_of_each_length(n: int) -> None:
    def transforms(x: Tensor, half: Tensor) -> list[Tensor]:
        return [torch.fft.fft(x), torch.fft.irfft(half, n)]

    same(transforms, numbers(2, n, dtype=C128), numbers(2, n // 2 + 1, dtype=C128))


def test_transforms_in_single_precision() -> None:
    """Errors grow with the values, so a small one would stand out beside a large one."""
    for n in (2003, 4096):
        x = numbers(2, n)
        actual = DynamoCompiler().compile(lambda x: torch.fft.fft(x, dim=1), x)(x)
        exact = torch.fft.fft(x.to(C128))
        assert (actual - exact).abs().max() < 1e-6 * exact.abs().max()


def test_transforms_of_several_dimensions() -> None:
    x = numbers(4, 5, 6)
    for norm in ("forward", "backward", "ortho"):
        same(
            lambda x, norm=norm: [torch.fft.fftn(x, norm=norm), torch.fft.irfft2(x, norm=norm), torch.fft.hfftn(x, norm=norm)],
            x,
        )
    same(lambda x: [torch.fft.fftn(x, (3, 9), (0, -1)), torch.fft.rfftn(x.real, dim=(1, 0)), torch.fft.ihfft(x.real)], x)
    same(lambda x: [torch.fft.fft(x), torch.fft.rfft(x > 3)], torch.arange(8))
    assert DynamoCompiler().compile(lambda x: torch.fft.fft(x, dim=1), numbers(0, 5))(numbers(0, 5)).shape == (0, 5)
    same(lambda x: aten._fft_c2c(x, [], 0, True) * 1, x)


def test_a_real_result_takes_the_real_part_of_what_is_its_own_conjugate() -> None:
    half = numbers(5, dtype=C128)
    half[0], half[4] = complex(1, 1e30), complex(2, math.nan)
    same(lambda x: torch.fft.irfft(x, 8), half)
    assert not torch.fft.irfft(half, 8).isnan().any()


def test_tables_are_computed_at_capture() -> None:
    x = numbers(4, 128)

    def transform(x: Tensor) -> Tensor:
        return torch.fft.fft(x)

    (captured,) = by_dynamo(transform, (x,), {}, "forward")
    for graph in (captured.graph, by_export(transform, (x,), {}, "forward").graph):
        assert graph.parameters and not {"aten.cos.default", "aten.arange.start_step"} & {node.op for node in graph.nodes}
    compiled = torch.compile(transform, backend=DynamoCompiler(), dynamic=False)
    torch.testing.assert_close(compiled(x), torch.fft.fft(x))


def test_what_varies_or_is_random_is_not_a_table() -> None:
    x = torch.randn(3)
    graph = by_export(lambda x: x + torch.cos(torch.arange(3.0)) + torch.arange(3.0), (x,), {}, "forward").graph
    assert len(graph.parameters) == 1 and "aten.arange.start_step" in {node.op for node in graph.nodes}
    assert not by_export(lambda x: x + torch.cos(torch.rand(3)), (x,), {}, "forward").graph.parameters
