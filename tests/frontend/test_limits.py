"""The work that a graph cannot do without, and the time which that takes at least."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from frontend import DynamoCompiler
from frontend.graph import Graph
from frontend.limits import UnknownDtype, Work, work

MACHINE = {"fp32_gflops": 100.0, "bf16_gflops": 200.0, "read_gbps": 10.0}


def graph(module: nn.Module, *inputs: torch.Tensor) -> Graph:
    return DynamoCompiler().importer_by_export(module, *inputs)[0]


def test_a_linear() -> None:
    found = work(graph(nn.Linear(20, 30), torch.randn(5, 20)), "f32")
    assert found == Work(flops=2 * 5 * 20 * 30, bytes=4 * (20 * 30 + 30 + 5 * 20 + 5 * 30))


@pytest.mark.parametrize(("dtype", "width"), [("f32", 4), ("bf16", 2), ("w8", 1)])
def test_only_parameters_are_of_the_dtype(dtype: str, width: int) -> None:
    found = work(graph(nn.Linear(20, 30, bias=False), torch.randn(5, 20)), dtype)
    assert found.bytes == width * 20 * 30 + 4 * (5 * 20 + 5 * 30)


def test_parameters_that_are_narrower_stay_so() -> None:
    half = graph(nn.Linear(20, 30, bias=False, dtype=torch.bfloat16), torch.randn(5, 20, dtype=torch.bfloat16))
    assert work(half, "f32").bytes == 2 * (20 * 30 + 5 * 20 + 5 * 30)


def test_products_of_attention_count() -> None:
    class Attention(nn.Module):
        def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return torch.softmax(q @ k.transpose(-2, -1), -1) @ v

    q, k = torch.randn(2, 3, 4, 8), torch.randn(2, 3, 6, 8)
    found = work(graph(Attention(), q, k, k), "f32")
    assert found.flops == 2 * (2 * 3) * 4 * 6 * (8 + 8)
    assert found.bytes == 4 * (2 * q.numel() + 2 * k.numel())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_products_that_add_something_count(dtype: torch.dtype) -> None:
    class Products(nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
            return torch.addmm(c, a, b) + torch.baddbmm(c[None], a[None], b[None])[0]

    a, b, c = (torch.randn(*shape, dtype=dtype) for shape in ((3, 5), (5, 7), (3, 7)))
    assert work(graph(Products(), a, b, c), "f32").flops == 2 * 2 * 3 * 5 * 7


def test_a_parameter_that_two_nodes_use_is_read_once() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(8, 8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ self.weight @ self.weight

    assert work(graph(Tied(), torch.randn(2, 8)), "f32").bytes == 4 * (64 + 16 + 16)


def test_of_a_table_the_rows_that_are_looked_up() -> None:
    table = graph(nn.Embedding(1000, 16), torch.tensor([3, 5, 3]))
    assert work(table, "f32") == Work(0, 4 * 3 * 16 + 8 * 3 + 4 * 3 * 16)


def test_what_is_written_in_place_is_not_written_whole() -> None:
    class Keep(nn.Module):
        def forward(self, cache: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            cache[2] = x
            return cache.sum(0)

    found = work(graph(Keep(), torch.randn(100, 4), torch.randn(4)), "f32")
    assert found.bytes == 4 * (100 * 4 + 4 + 4)


@pytest.mark.parametrize(
    ("of", "dtype", "expected"),
    [
        (Work(10**9, 10**6), "f32", 10.0),
        (Work(10**9, 10**6), "bf16", 5.0),
        (Work(10**9, 10**6), "w8", 10.0),
        (Work(10**6, 10**9), "f32", 100.0),
        (Work(0, 10**7), "f32", 1.0),
    ],
)
def test_the_longer_of_the_two_times_counts(of: Work, dtype: str, expected: float) -> None:
    assert of.limit_ms(dtype, MACHINE) == pytest.approx(expected)


def test_without_a_bf16_unit_fp32_is_the_limit() -> None:
    assert Work(10**9, 1).limit_ms("bf16", MACHINE | {"bf16_gflops": None}) == pytest.approx(10.0)


def test_an_unknown_dtype() -> None:
    with pytest.raises(UnknownDtype, match="dtype=f8: expected f32, bf16, w8"):
        work(Graph("g"), "f8")
