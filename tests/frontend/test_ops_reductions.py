"""Reductions, norms and losses in the corners that PyTorch's operator database leaves out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils import _pytree as pytree

from frontend import DynamoCompiler
from tests.compiled import same

NAN, INF = float("nan"), float("inf")
CORNERS = torch.tensor([[1.0, NAN, 3, NAN], [INF, 2, -INF, 7], [5, 5, 5, 5], [-0.0, 0.0, -3, 2]])

REDUCTIONS: dict[str, Callable[[Tensor], Any]] = {
    "sum": lambda x: x.sum(-1),
    "prod": lambda x: x.prod(0, keepdim=True),
    "any": lambda x: x.any(1),
    "all": lambda x: x.all((0, 1)),
    "amin": lambda x: x.amin((-1, 0), keepdim=True),
    "max": lambda x: tuple(x.max(1)),
    "min": lambda x: tuple(x.min(0, keepdim=True)),
    "argmax": lambda x: x.argmax(),
    "argmin": lambda x: x.argmin(-1, keepdim=True),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_of_each_dtype(name: str) -> None:
    same(REDUCTIONS[name], CORNERS)
    for dtype in (torch.float64, torch.bfloat16, torch.int64, torch.uint8):
        same(REDUCTIONS[name], CORNERS.nan_to_num(200, 100, -3).to(dtype))


def test_a_bool_is_a_number_where_it_is_summed() -> None:
    x = CORNERS > 1
    same(lambda x: x.sum(), x)
    same(lambda x: x.prod(1), x)
    same(lambda x: x.amax(0), x)


@pytest.mark.filterwarnings("ignore:var():UserWarning", "ignore:.*degrees of freedom:UserWarning")
def test_variance_with_any_correction() -> None:
    x = torch.randn(3, 4, 5)
    for correction in (0, 1, 2.5, 7):
        same(lambda x, c=correction: tuple(torch.std_mean(x, (0, -1), correction=c, keepdim=True)), x)
    same(lambda x: torch.var(x, unbiased=True), x[0, 0, :1])
    same(lambda x: torch.var_mean(x.reshape(0, 3), 0), torch.empty(0))


def test_nothing_reduces_to_the_neutral_element() -> None:
    x = torch.empty(0, 3)
    same(lambda x: (x.sum(0), x.prod(0), x.mean(0), x.any(0), x.all(0), x.argmax(1)), x)


@pytest.mark.parametrize("shape, dim", [((1_000_003,), 0), ((100_003, 3), 0)])
def test_long_sums_keep_their_digits(shape: tuple[int, ...], dim: int) -> None:
    x = torch.full(shape, 0.1)
    same(lambda x: (x.sum(dim), x.mean(dim)), x, rtol=1e-6, atol=0)
    same(lambda x: x.var(dim), x + 100 + torch.rand(shape))


@pytest.mark.parametrize("order", [0, 0.5, 1, 2, 3.5, INF, -INF, -1])
def test_norms_of_each_order(order: float) -> None:
    same(lambda x: torch.linalg.vector_norm(x, order, dim=1), torch.randn(3, 4, 5))
    same(lambda x: torch.linalg.vector_norm(x, order), CORNERS)


def test_sizes_that_vary() -> None:
    def everything(x: Tensor) -> tuple[Any, ...]:
        reduced = x.sum(0), x.mean((0, 1)), x.argmax(), x.max(1), x.var(0), x.amin(1, keepdim=True), x.norm(dim=0)
        return *reduced, x.softmax(0), F.layer_norm(x, (4,)), F.rms_norm(x, (4,))

    shapes = ({0: torch.export.Dim.DYNAMIC},)
    compiled = DynamoCompiler().compile(everything, torch.randn(5, 4), dynamic_shapes=shapes)
    for n in (2, 7, 30):
        x = torch.randn(n, 4)
        for actual, expected in zip(pytree.tree_leaves(compiled(x)), pytree.tree_leaves(everything(x)), strict=True):
            torch.testing.assert_close(actual, expected)
