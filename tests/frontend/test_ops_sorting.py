"""Sorting, scans and searching in the corners that PyTorch's operator database leaves out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from frontend import DynamoCompiler
from tests.compiled import same

NAN, INF = float("nan"), float("inf")
CORNERS = torch.tensor([[1.0, NAN, 3, NAN, 2], [INF, 2, -INF, 7, 2], [5, 5, 5, 5, 5]])


def test_scans() -> None:
    same(lambda x: (x.cumsum(1), x.cumprod(-1), x.logcumsumexp(0), x.cummax(1), x.cummin(0)), CORNERS)
    whole = (torch.randn(3, 5) * 4).long()
    same(lambda x: (x.cumsum(1), x.cumprod(-1), x.cummax(1), x.cummin(0)), whole)
    same(lambda x: (x.cumsum(1), x.cumprod(0, dtype=torch.float64), x.cummax(1)), whole > 0)
    same(lambda x: (x.cumsum(0), x.cummin(-1)), torch.tensor(3.0))
    same(lambda x: x.cumsum(0), torch.full((100_003,), 0.1), rtol=1e-6, atol=0)


def test_sorting_leaves_equal_ones_in_their_order() -> None:
    x = torch.randint(0, 4, (7, 33, 2), dtype=torch.uint8)
    same(lambda x: (x.sort(dim=1, stable=True), x.sort(dim=0, descending=True, stable=True)), x)
    same(lambda x: x.argsort(stable=True, descending=True), x > 1)


def test_nan_is_the_greatest() -> None:
    same(lambda x: (x.sort(1, descending=True)[0], x.sort(0), x.topk(2)[0], x.topk(2, largest=False)[0]), CORNERS)
    same(lambda x: (x.median(1)[0], x.nanmedian(0)[0], x.median(), x.nanmedian(), x.mode(1)[0]), CORNERS)
    same(lambda x: (x.kthvalue(2, keepdim=True)[0], x.quantile(0.3, 1), x.nanquantile(torch.tensor([0.1, 1]), 0)), CORNERS)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.int64, torch.int8], ids=str)
def test_sorting_each_dtype(dtype: torch.dtype) -> None:
    x = (torch.randperm(101) - 50).to(dtype)
    same(lambda x: (x.sort(), x.kthvalue(70), x.median(), x.median(0), x.topk(9), x.topk(5, largest=False), x.mode()[0]), x)


def test_nothing_and_one() -> None:
    same(lambda x: x.median(), torch.empty(0, 3))
    same(lambda x: x.median(), torch.empty(0, dtype=torch.int64))
    same(lambda x: (x.sort(), x.median(0), x.topk(1), x.mode()), torch.tensor(4.0))
    same(lambda x: (x.sort(0), x.sort(1)[0]), torch.empty(0, 3))


def test_where_numbers_belong() -> None:
    line, x = torch.tensor([1.0, 2, 2, 5]), torch.tensor([[1.5, 3, 0, 2], [2, 7, -1, 1]])
    same(
        lambda s, x: (torch.searchsorted(s, x), torch.searchsorted(s, x, right=True), torch.bucketize(x, s, out_int32=True)),
        line,
        x,
    )
    same(lambda s, x: (torch.searchsorted(s, x), torch.bucketize(x.long(), s[0])), torch.rand(2, 9).sort()[0], x)
    same(lambda s: (torch.searchsorted(s, 2.5), torch.searchsorted(s[:0], 2)), torch.tensor([1, 2, 3]))
    same(lambda s, x, order: torch.searchsorted(s, x, sorter=order), line.flip(0), x, torch.tensor([3, 2, 1, 0]))


def test_sizes_that_vary() -> None:
    def everything(x: Tensor) -> tuple[Tensor, ...]:
        return *x.sort(0), x.cumsum(0), *x.cummax(0), x.median(0)[0], torch.searchsorted(x[:, 0].sort()[0], x)

    compiled = DynamoCompiler().compile(everything, torch.randn(5, 4), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    for n in (2, 9, 100):
        x = torch.randn(n, 4)
        for actual, expected in zip(compiled(x), everything(x), strict=True):
            torch.testing.assert_close(actual, expected)
