"""Sorting, scans and searches against PyTorch: ties, NaN, infinities, every dimension, empty and 0-d tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, tensor

from frontend import DynamoCompiler
from tests.compiled import check, same

nan, inf = float("nan"), float("inf")
TIES = torch.randint(0, 4, (3, 9, 2))
REALS = torch.randn(4, 7)
SPECIAL = tensor([[1.0, nan, -inf, 2.0, nan, inf, -0.0, 0.0], [3.0, 1.0, 3.0, inf, inf, -1.0, 2.0, 2.0]])

INPUTS = {
    "reals": REALS,
    "special": SPECIAL,
    "ties": TIES,
    "bool": TIES > 1,
    "u8": (TIES * 80).to(torch.uint8),
    "f16": REALS.half(),
    "f64": REALS.double(),
    "one": torch.randn(3, 1),
    "nothing": torch.empty(2, 0),
    "number": tensor(3.0),
    "many": torch.randn(1000),
}

FUNCTIONS: dict[str, Callable[[Tensor], Any]] = {
    "sort": lambda x: torch.sort(x, stable=True),
    "sort along the first": lambda x: torch.sort(x, dim=0, stable=True),
    "descending": lambda x: torch.sort(x, dim=-1, descending=True, stable=True),
    "cumsum": lambda x: x.cumsum(0),
    "cumprod": lambda x: x.cumprod(-1),
    "argsort": lambda x: torch.argsort(x, stable=True),
}
NOT_OF_BOOL: dict[str, Callable[[Tensor], Any]] = {
    "cummax": lambda x: torch.cummax(x, 0),
    "cummin": lambda x: torch.cummin(x, -1),
    "kthvalue": lambda x: x.kthvalue(1).values,
    "median": lambda x: x.median(-1).values,
    "median of all": torch.median,
    "nanmedian": lambda x: x.nanmedian(-1).values,
    "mode": lambda x: x.mode(-1).values,
    "topk": lambda x: x.topk(1).values,
    "smallest": lambda x: x.topk(1, largest=False).values,
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", INPUTS)
def test_along_lines(function: str, name: str) -> None:
    check(FUNCTIONS[function], INPUTS[name], rtol=1e-3 if name == "f16" else 1e-5)


@pytest.mark.parametrize("function", NOT_OF_BOOL)
@pytest.mark.parametrize("name", [n for n in INPUTS if n not in ("bool", "nothing")])
def test_of_numbers(function: str, name: str) -> None:
    check(NOT_OF_BOOL[function], INPUTS[name])


@pytest.mark.parametrize(
    "function", [lambda x: torch.topk(x, 3), lambda x: x.kthvalue(2, 0), lambda x: x.median(0), lambda x: x.median(1, True)]
)
def test_places_without_ties(function: Callable[..., Any]) -> None:
    check(function, REALS)


def test_logcumsumexp() -> None:
    check(lambda x: x.logcumsumexp(-1), SPECIAL)
    check(lambda x: x.logcumsumexp(0), REALS * 100)


@pytest.mark.parametrize("right", [False, True])
def test_searches(right: bool) -> None:
    rows, values = TIES.float().flatten(1).sort(-1).values, torch.randint(-1, 5, (3, 6)).float()
    check(lambda s, v: torch.searchsorted(s, v, right=right), rows, values)
    check(lambda s, v: torch.bucketize(v, s, out_int32=True, right=right), rows[0], tensor([[nan, inf, 1.0], [-inf, 2.5, 0.0]]))
    check(
        lambda s, v, o: torch.searchsorted(s, v, right=right, sorter=o),
        rows.flip(-1),
        values,
        torch.arange(17, -1, -1).repeat(3, 1),
    )
    check(lambda s: torch.searchsorted(s, 2.0, right=right), rows[1])
    x = tensor([[1.5, 3, 0, 2], [2, 7, -1, 1]])
    check(lambda s, x: (torch.searchsorted(s, x), torch.bucketize(x.long(), s[0])), torch.rand(2, 9).sort()[0], x)
    check(lambda s: (torch.searchsorted(s, 2.5), torch.searchsorted(s[:0], 2)), tensor([1, 2, 3]))


def test_long_sums_keep_their_digits() -> None:
    check(lambda x: x.cumsum(0), torch.full((100_003,), 0.1), rtol=1e-6, atol=0)


def test_nothing_and_one() -> None:
    same(lambda x: x.median(), torch.empty(0, 3))
    same(lambda x: x.median(), torch.empty(0, dtype=torch.int64))
    same(lambda x: (x.sort(), x.median(0), x.topk(1), x.mode()), torch.tensor(4.0))
    same(lambda x: (x.sort(0), x.sort(1)[0]), torch.empty(0, 3))


def test_sizes_that_vary() -> None:
    def everything(x: Tensor) -> tuple[Tensor, ...]:
        return *x.sort(0), x.cumsum(0), *x.cummax(0), x.median(0)[0], torch.searchsorted(x[:, 0].sort()[0], x)

    compiled = DynamoCompiler().compile(everything, torch.randn(5, 4), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    for n in (2, 9, 100):
        x = torch.randn(n, 4)
        for actual, expected in zip(compiled(x), everything(x), strict=True):
            torch.testing.assert_close(actual, expected)
