"""Convolutions, pools and resampling in the corners that PyTorch's operator database leaves out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from frontend import DynamoCompiler
from frontend.flops import flops

NAN, INF = float("nan"), float("inf")
FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def same(function: Callable[..., Any], *tensors: Tensor, tolerance: float = 1e-5) -> None:
    actual = DynamoCompiler().compile(function, *tensors)(*tensors)
    torch.testing.assert_close(actual, function(*tensors), rtol=tolerance, atol=tolerance, equal_nan=True, check_stride=False)


def tolerance(dtype: torch.dtype) -> float:
    return 8 * torch.finfo(dtype).eps


def test_a_convolution_of_everything() -> None:
    x, weight, bias = torch.randn(2, 6, 9, 8), torch.randn(4, 3, 3, 2), torch.randn(4)
    same(lambda *t: F.conv2d(*t, stride=(2, 1), padding=(1, 2), dilation=(1, 3), groups=2), x, weight, bias)
    weight = torch.randn(6, 2, 3, 2)
    same(lambda *t: F.conv_transpose2d(*t, (2, 3), (1, 0), (1, 2), 2, (2, 1)), x, weight, bias)


@pytest.mark.parametrize("dtype", [*FLOATS, torch.int64], ids=str)
def test_convolutions_of_each_dtype(dtype: torch.dtype) -> None:
    x, weight, back = ((torch.randn(*s) * 4).to(dtype) for s in ((2, 4, 7), (6, 2, 3), (4, 3, 3)))
    bound = tolerance(dtype) * 16 if dtype in FLOATS else 1e-4
    same(lambda x, w: F.conv1d(x, w, stride=2, padding=1, groups=2), x, weight, tolerance=bound)
    same(lambda x, w: F.conv_transpose1d(x, w, stride=2, padding=1, groups=2), x, back, tolerance=bound)


@pytest.mark.parametrize("shape", [(0, 2, 5, 5), (1, 2, 1, 1), (2, 5, 5)], ids=str)
def test_convolutions_of_odd_shapes(shape: tuple[int, ...]) -> None:
    same(lambda x, w: F.conv2d(x, w, padding=2), torch.randn(shape), torch.randn(3, 2, 3, 3))


def test_a_transposed_convolution_multiplies_nothing_by_the_gaps() -> None:
    same(lambda x, w: F.conv_transpose1d(x, w, stride=3), torch.ones(1, 1, 4), torch.tensor([[[1.0, INF, 2.0]]]))


def test_fold_adds_what_overlaps() -> None:
    same(lambda x: F.fold(x, (6, 5), (3, 2), padding=1, stride=(2, 1)), torch.randn(2, 12, 18))


POOLS: list[tuple[Any, ...]] = [
    (3, 2, 1, False),
    (3, 2, 1, True),
    ((2, 3), (1, 2), (1, 0), True),
    (2, None, 0, True),
    (5, 4, 2, True),
]


@pytest.mark.parametrize("numbers", POOLS, ids=str)
def test_pools_with_nan_and_infinities(numbers: tuple[Any, ...]) -> None:
    x = torch.randn(2, 3, 9, 11)
    x[0, 0, 3, 3] = x[0, 0, 4, 4] = NAN
    x[1] = -INF
    kernel, stride, padding, ceil = numbers
    same(lambda x: F.max_pool2d(x, kernel, stride, padding, 1, ceil, return_indices=True), x)
    for include_pad in (True, False):
        same(lambda x, include_pad=include_pad: F.avg_pool2d(x, kernel, stride, padding, ceil, include_pad), x)


def test_a_pool_with_dilation() -> None:
    same(lambda x: F.max_pool3d(x, 2, 2, 1, (1, 2, 3), True, return_indices=True), torch.randn(2, 4, 5, 6))


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (9, 11), (2, 20), (1, None)], ids=str)
def test_adaptive_pools(size: Any) -> None:
    x = torch.randn(2, 3, 9, 11)
    x[0, 0, 3, 3] = x[0, 0, 3, 4] = NAN
    same(lambda x: F.adaptive_max_pool2d(x, size, return_indices=True), x)
    same(lambda x: F.adaptive_avg_pool2d(x, size), x)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_pools_of_each_dtype(dtype: torch.dtype) -> None:
    x = torch.randn(2, 3, 9, 9).to(dtype)
    for pool in (lambda x: F.avg_pool2d(x, 3, 2, 1), lambda x: F.adaptive_avg_pool2d(x, 4), lambda x: F.max_pool2d(x, 3, 2, 1)):
        same(pool, x, tolerance=tolerance(dtype))


def test_pools_of_integers() -> None:
    x = torch.randint(-(2**62), 2**62, (1, 2, 8, 8))
    x[0, 0] = torch.iinfo(torch.int64).min
    same(lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True), x)
    same(lambda x: F.avg_pool2d(x, 3, 2, 1), x // 16)
    same(lambda x: F.max_pool2d(x, 3, 2, 1), torch.randint(0, 256, (1, 2, 8, 8), dtype=torch.uint8))


def test_negative_padding_cuts() -> None:
    same(lambda x: F.pad(x, (-1, 2, 3, -2), value=7), torch.arange(30).reshape(5, 6))
    same(lambda x: F.pad(x, (1, 2), value=3), torch.arange(6, dtype=torch.uint8))
    same(lambda x: F.pad(x, (1, -1), value=True), torch.tensor([False, False]))


SAMPLING = [(mode, padding) for mode in ("nearest", "bilinear", "bicubic") for padding in ("zeros", "border", "reflection")]


@pytest.mark.parametrize(("mode", "padding"), SAMPLING)
def test_grids_reach_outside_and_to_nowhere(mode: str, padding: str) -> None:
    """PyTorch's samplers of images and of volumes treat NaN and infinity in their own ways."""
    for sizes in [(5, 4), (5, 4, 6)][: 1 if mode == "bicubic" else 2]:
        x, grid = torch.randn(2, 2, *sizes), torch.randn(2, *sizes, len(sizes)) * 1.5
        grid.view(-1)[:4] = torch.tensor([NAN, INF, -INF, 1e6])
        for align in (True, False):
            same(lambda x, g, align=align: F.grid_sample(x, g, mode, padding, align), x, grid)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(5, 17), (18, 6), (1, 1)], ids=str)
def test_antialiased_resampling(mode: str, size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, 9, 11)
    x[0, 0, 4, 4] = NAN
    for align in (True, False):
        same(lambda x, align=align: F.interpolate(x, size, mode=mode, align_corners=align, antialias=True), x)


MASK = torch.tensor([[True, False, True], [False, False, False]])  # a query that sees nothing


@pytest.mark.parametrize("mask", [None, MASK, torch.randn(2, 3), "causal"], ids=["none", "bool", "float", "causal"])
def test_attention(mask: Any) -> None:
    query, key, value = torch.randn(2, 4, 2, 8), torch.randn(2, 2, 3, 8), torch.randn(2, 2, 3, 6)
    options = {"is_causal": True} if isinstance(mask, str) else {"attn_mask": mask}
    same(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options, scale=0.3, enable_gqa=True), query, key, value)
    value = torch.randn_like(key)  # of the same size, so that PyTorch takes its fused kernel
    same(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options, enable_gqa=True), query, key, value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("scale", [None, 2.0])
def test_the_fused_kernel_of_attention(dtype: torch.dtype, scale: float | None) -> None:
    """Called as a trace holds it: with the logarithms of its sums, a mask that hides all of a row, and NaN among many steps."""
    query, key, value = (torch.randn(2, 3, size, 8).to(dtype) for size in (5, 40, 40))
    mask = torch.zeros(5, 40, dtype=dtype)
    mask[2], mask[3, 1:4] = float("-inf"), float("-inf")
    query[0, 1, 0, 0] = NAN
    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    near = 2e-2 if dtype == torch.bfloat16 else 1e-5
    same(lambda *x: fused(*x, scale=scale), query, key, value, tolerance=near)
    same(lambda *x: fused(*x, is_causal=True, scale=scale), query, key, value, tolerance=near)
    same(lambda q, k, v, m: fused(q, k, v, attn_mask=m, scale=scale), query, key, value, mask, tolerance=near)
    same(lambda q, k, v, m: fused(q, k, v, is_causal=True, attn_mask=m), query, key, value, mask, tolerance=near)


@pytest.mark.parametrize("kind", [torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN])
def test_recurrent_networks(kind: type[torch.nn.Module]) -> None:
    network = kind(5, 6, bidirectional=True, batch_first=True)
    x = torch.randn(2, 3, 5)
    with torch.no_grad():
        same(network, x)


@pytest.mark.parametrize("layer", [torch.nn.Conv2d(4, 6, 3, 2, 1, groups=2), torch.nn.ConvTranspose2d(4, 6, 3, 2, 1, groups=2)])
def test_convolutions_count_as_arithmetic(layer: torch.nn.Module) -> None:
    x = torch.randn(2, 4, 9, 8)
    with FlopCounterMode(display=False) as counter:
        layer(x)
    assert flops(DynamoCompiler().importer_by_export(layer, x)[0]) == counter.get_total_flops()
