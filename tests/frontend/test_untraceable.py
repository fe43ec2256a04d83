"""Functions whose code looks at values, or that torch rewrites into something else than what eager computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from frontend import DynamoCompiler
from frontend.capture import CaptureError
from tests.compiled import check

IMAGE = torch.arange(126, dtype=torch.uint8).reshape(1, 2, 7, 9)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("shape", [(4, 5), (4, 1), (4,)], ids=str)
def test_gaussian_nll_loss(shape: tuple[int, ...], reduction: str) -> None:
    variance = torch.rand(shape) * (torch.arange(4).reshape(4, *[1] * (len(shape) - 1)) > 0)  # a 0 is raised to eps
    for full in (False, True):
        check(lambda x, y, v, f=full: F.gaussian_nll_loss(x, y, v, f, reduction=reduction), *torch.randn(2, 4, 5), variance)
    check(lambda x, y: F.gaussian_nll_loss(x, y, 0.5, reduction=reduction), *torch.randn(2, 4, 5))


@pytest.mark.parametrize("capture", ["importer", "importer_by_export"])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("how", ["function", "antialias", "operator"])
def test_bytes_are_not_interpolated(mode: str, capture: str, how: str) -> None:
    def enlarge(image: torch.Tensor) -> Any:
        if how == "operator":
            return getattr(torch.ops.aten, f"upsample_{mode}2d")(image, [11, 15], False)
        return F.interpolate(image, (11, 15), mode=mode, antialias=how == "antialias")

    with pytest.raises(CaptureError, match=f"{mode}.* torch.uint8 would not round as PyTorch does; accepted: floating point"):
        getattr(DynamoCompiler(), capture)(enlarge, IMAGE)


def test_interpolations_that_do_not_round() -> None:
    check(lambda x: F.interpolate(x, scale_factor=1.7), IMAGE)
    check(lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear"), IMAGE.float())


@pytest.mark.parametrize(("p", "train"), [(0.0, True), (1.0, True), (0.5, False)])
def test_dropout_without_chance(p: float, train: bool) -> None:
    x = torch.randn(3, 4)
    check(lambda a: F.dropout(a, p, train), x)
    check(lambda a: torch.native_dropout(a, p, train), x)


def test_repeats_of_known_total() -> None:
    check(lambda x, r: torch.repeat_interleave(x, r, 1, output_size=6), torch.randn(2, 4), torch.tensor([2, 0, 3, 1]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.int8, torch.bool])
def test_hashes(dtype: torch.dtype) -> None:
    x = (torch.randn(3, 4) * 5).to(dtype)
    check(lambda a: (torch.hash_tensor(a), torch.hash_tensor(a, (1,))), x)
