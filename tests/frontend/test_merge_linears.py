"""Linears of one input as one product: which are merged, and that the numbers stay."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from frontend import DynamoCompiler
from frontend.graph import Graph
from tests.frontend.test_linear import run_subgraph


class Several(nn.Module):
    """Linears of the same input, whose results a subclass uses."""

    def __init__(self, columns: tuple[int, ...], biases: tuple[bool, ...] = (), features: int = 40) -> None:
        super().__init__()
        biases = biases or (True,) * len(columns)
        self.linears = nn.ModuleList(nn.Linear(features, n, bias=b) for n, b in zip(columns, biases, strict=True))

    def forward(self, x: Tensor) -> Any:
        return tuple(linear(x) for linear in self.linears)


def products(graph: Graph) -> list[int]:
    """The columns of each product."""
    return [node.type.sizes[-1] for node in graph.nodes if node.op == "sluice.linear"]


@pytest.mark.parametrize("rows", [(1,), (13,), (2, 20)], ids=str)
@pytest.mark.parametrize("dtype", ["f32", "w8"])
@pytest.mark.parametrize(
    ("columns", "biases", "expected"),
    [
        ((96, 32, 64), (True, True, True), [192]),
        ((96, 32, 64), (False, False, False), [192]),
        ((64, 32, 33), (True, True, True), [129]),
        ((33, 32), (True, True), [33, 32]),  # nothing can follow a panel that is not full
        ((64, 33, 32), (True, True, True), [97, 32]),
        ((32, 64, 96), (True, False, True), [128, 64]),
        ((512, 544), (True, True), [512, 544]),  # each has enough panels for itself
        ((512, 32), (True, True), [544]),
    ],
)
def test_narrow_linears_of_one_input(
    columns: tuple[int, ...], biases: tuple[bool, ...], expected: list[int], dtype: str, rows: tuple[int, ...]
) -> None:
    assert sorted(products(run_subgraph(Several(columns, biases), torch.randn(*rows, 40), dtype=dtype))) == sorted(expected)


class Gated(Several):
    def forward(self, x: Tensor) -> Any:
        gate, up = (linear(x) for linear in self.linears)
        return nn.functional.silu(gate) * up


class OfTwoInputs(Several):
    def forward(self, x: Tensor) -> Any:
        first, second = self.linears
        return first(x), second(x + 1)


@pytest.mark.parametrize("kind", [Gated, OfTwoInputs])
def test_what_stays_apart(kind: type[Several]) -> None:
    """Products that meet element by element share a loop already, those of two inputs have nothing to share."""
    assert products(run_subgraph(kind((64, 64)), torch.randn(3, 40))) == [64, 64]


class Biases(Several):
    """`how` says what else happens to a bias."""

    def __init__(self, how: str) -> None:
        super().__init__((32, 32, 64))
        self.how = how
        self.register_buffer("buffer", torch.randn(32))

    def forward(self, x: Tensor) -> Any:
        a, b, c = self.linears
        if self.how == "tied":
            return nn.functional.linear(x, a.weight, a.bias), nn.functional.linear(x, b.weight, a.bias), c(x)
        if self.how == "returned":
            return a(x), b(x), c(x), a.bias * 2
        first = nn.functional.linear(x, a.weight, self.buffer)
        self.buffer.add_(1)
        return first, b(x), c(x)


@pytest.mark.parametrize("how", ["tied", "returned", "written"])
def test_a_bias_that_something_else_uses_or_writes(how: str) -> None:
    model, x = Biases(how), torch.randn(3, 40)
    with torch.no_grad():
        run = DynamoCompiler().compile(model, x)
        expected = Biases(how)
        expected.load_state_dict(model.state_dict())
        for _ in range(2):
            for a, e in zip(run(x), expected(x), strict=True):
                torch.testing.assert_close(a, e, rtol=1e-5, atol=1e-5)


class Attention(Several):
    def forward(self, x: Tensor) -> Any:
        q, k, v = (linear(x) for linear in self.linears)
        q = q.view(*x.shape[:2], 4, 16).transpose(1, 2)
        k, v = (t.view(*x.shape[:2], 2, 16).transpose(1, 2).repeat_interleave(2, 1) for t in (k, v))
        return nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape[0], x.shape[1], 64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_query_key_and_value_in_a_callable(dtype: torch.dtype) -> None:
    model, x = Attention((64, 32, 32)).to(dtype), torch.randn(2, 7, 40).to(dtype)
    with torch.no_grad():
        expected = model.double()(x.double())
        model = model.to(dtype)
        actual = DynamoCompiler().compile(model, x)(x)
    torch.testing.assert_close(
        actual.double(),
        expected,
        rtol=2e-2 if dtype is torch.bfloat16 else 1e-5,
        atol=2e-2 if dtype is torch.bfloat16 else 1e-5,
    )


def test_rows_of_unknown_number() -> None:
    model = Several((64, 32))
    shapes = {"x": {0: torch.export.Dim("rows", min=2, max=99)}}
    run = DynamoCompiler().compile(model, torch.randn(5, 40), dynamic_shapes=shapes)
    for rows in (2, 31):
        x = torch.randn(rows, 40)
        for actual, expected in zip(run(x), model(x), strict=True):
            torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
