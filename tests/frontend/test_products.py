"""Products with what surrounds them, through the whole pipeline: where a parallel loop could go wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.compiled import check, same

SUMS: dict[str, tuple[Callable[..., Tensor], list[tuple[int, ...]]]] = {
    "a transposed neighbour": (lambda a, b, c: (a @ b) * (c @ b).transpose(0, 1), [(32, 32, 32)] * 3),
    "a flipped neighbour": (lambda a, b, c: (a @ b) + (c @ b).flip(0), [(32, 32, 32)] * 3),
    "read as it is and transposed": (lambda a, b, c: torch.tanh(a @ b) * (c @ b) + (c @ b).transpose(0, 1), [(32, 32, 32)] * 3),
    "its own transpose": (lambda a, b: (lambda p: p + p.t())(a @ b), [(96, 64), (64, 96)]),
    "a sum over rows": (lambda a, b, c: (a @ b) * (c @ b).sum(0, keepdim=True), [(333, 64), (64, 96), (333, 64)]),
    "a sum over columns": (lambda a, b, c: (a @ b) * (c @ b).sum(1, keepdim=True), [(333, 64), (64, 96), (333, 64)]),
    "softmax over rows": (lambda a, b: torch.softmax(a @ b, -2), [(4, 333, 64), (4, 64, 96)]),
    "softmax over the batch": (lambda a, b: torch.softmax(a @ b, 0), [(4, 333, 64), (4, 64, 96)]),
    "softmax": (lambda a, b: torch.softmax(a @ b, -1), [(4, 333, 64), (4, 64, 96)]),
    "a chain": (lambda a, b, c: torch.tanh(a @ b) @ c, [(333, 64), (64, 96), (96, 70)]),
    "squares of squares": (lambda a: (a @ a) @ (a @ a), [(101, 101)]),
    "strided operands": (lambda a, b: a[:, ::2, 1::2] @ b[:, 1::2, ::3], [(3, 33, 80), (3, 80, 64)]),
    "summed twice": (lambda a, b: torch.einsum("mkp,knp->mn", a, b), [(33, 32, 2), (32, 40, 2)]),
    "a single number": (lambda a, x: a @ x.amax(1, keepdim=True), [(8, 1), (1, 7)]),
    "a single number, transposed": (lambda a, x: nn.functional.linear(a, x.max().reshape(1, 1)), [(8, 1), (3, 7)]),
    "a diagonal": (lambda a, b: torch.diagonal(a, dim1=0, dim2=2) @ b, [(33, 5, 33), (33, 40)]),
    "attention": (nn.functional.scaled_dot_product_attention, [(2, 3, 101, 33)] * 3),
    "a start in place": (lambda c, a, b: (torch.baddbmm(c, a, b), c), [(4, 33, 96), (4, 33, 64), (4, 64, 96)]),
}


@pytest.mark.parametrize("name", SUMS)
def test_products_and_their_readers(name: str) -> None:
    function, shapes = SUMS[name]
    operands = [torch.randn(shape) / shape[-1] ** 0.25 for shape in shapes]
    check(function, *operands, rtol=1e-4, atol=1e-4)


TAKEN: dict[str, Callable[[Tensor], Tensor]] = {
    "every other": lambda x: x[:, ::2],
    "the first": lambda x: x[:, :64],
    "transposed": lambda x: x[:64].t(),
}


@pytest.mark.parametrize("how", TAKEN)
def test_pairs_of_bf16_that_do_not_lie_side_by_side(how: str) -> None:
    linear = nn.Linear(64, 96).to(torch.bfloat16).requires_grad_(False)
    same(lambda x: linear(TAKEN[how](x)), torch.randn(128, 128).to(torch.bfloat16))


@pytest.mark.parametrize("k", [1021, 8191])
def test_long_sums_of_a_prime_number_round_as_little_as_others(k: int) -> None:
    """Against double precision, where a single chain of additions would be some times worse than eager."""
    a, b = torch.rand(20, k), torch.rand(k, 40)
    exact = a.double() @ b.double()
    eager = ((a @ b) - exact).abs().mean()
    check(lambda a, b: ((a @ b).double() - exact).abs().mean() < 3 * eager, a, b)
    check(lambda a, b: a @ b, a, b, rtol=1e-6)


def test_small_bf16_numbers_stay() -> None:
    x = torch.tensor([1e-39, -1e-39, 1e-40, 9.2e-41, 0.0, -0.0, 3e38, float("inf"), float("nan")])
    same(lambda x: x.to(torch.bfloat16), x)
    same(lambda x: x + x, x.to(torch.bfloat16))
