"""Operators of neural networks in terms of simpler ones, where torch has no such rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._decomp.decompositions import one_layer_lstm

aten = torch.ops.aten

TABLE: dict[Any, Callable[..., Any]] = {}


def _triangle(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp(min=0)


def _cubic(x: Tensor) -> Tensor:
    """Cubic convolution with a = -1/2, as antialiasing has it."""
    x = x.abs()
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def _lanczos(x: Tensor) -> Tensor:
    return torch.where(x.abs() < 3, torch.sinc(x) * torch.sinc(x / 3), 0.0)


def _resampled(
    x: Tensor, axis: int, count: int, align_corners: bool, factor: float | None, kernel: Callable[[Tensor], Tensor], reach: int
) -> Tensor:
    """One axis resampled to `count` elements, each the mean of those under `kernel`, which is 0 beyond `reach`."""
    size = x.shape[axis]
    scale = 1 / factor if factor else size / count
    if align_corners:
        scale = (size - 1) / (count - 1) if count > 1 else 0.0
    width = reach * max(scale, 1.0)
    dtype = torch.promote_types(x.dtype, torch.float32)
    center = scale * (torch.arange(count, dtype=dtype) + 0.5)
    first = (center - width + 0.5).to(torch.int64).clamp(min=0)
    last = (center + width + 0.5).to(torch.int64).clamp(max=size) - 1
    places = first[:, None] + torch.arange(2 * math.ceil(width) + 1)
    weights = kernel((places - center[:, None] + 0.5) / max(scale, 1.0))
    inside = places <= last[:, None]
    weights = weights / torch.where(inside, weights, 0.0).sum(-1, keepdim=True)
    taken = x.movedim(axis, -1)[..., places.minimum(last[:, None])]
    return torch.where(inside, taken * weights, 0.0).sum(-1).movedim(-1, axis).to(x.dtype)


def _antialiased(kernel: Callable[[Tensor], Tensor], reach: int) -> Callable[..., Any]:
    def resample(
        self: Tensor,
        output_size: Sequence[int],
        align_corners: bool,
        scales_h: float | None = None,
        scales_w: float | None = None,
    ) -> Any:
        if not self.is_floating_point() or not all(isinstance(n, int) for n in (*self.shape, *output_size)):
            return NotImplemented
        factors = (scales_h, scales_w)
        if any(f and (n - 0.5) / f > s for f, n, s in zip(factors, output_size, self.shape[-2:], strict=True)):
            return NotImplemented  # elements that lie outside of the image
        across = _resampled(self, 3, output_size[1], align_corners, scales_w, kernel, reach)
        return _resampled(across, 2, output_size[0], align_corners, scales_h, kernel, reach)

    return resample


TABLE[aten._upsample_bilinear2d_aa.default] = _antialiased(_triangle, 1)
TABLE[aten._upsample_bicubic2d_aa.default] = _antialiased(_cubic, 2)
TABLE[aten._upsample_lanczos2d_aa.default] = _antialiased(_lanczos, 3)


def _trilinear(
    i1: Tensor,
    i2: Tensor,
    i3: Tensor,
    expand1: Sequence[int],
    expand2: Sequence[int],
    expand3: Sequence[int],
    sumdim: Sequence[int],
    unroll_dim: int = 1,
) -> Tensor:
    """The sum over `sumdim` of the product of three tensors, each with new dimensions first."""

    def expanded(tensor: Tensor, dims: Sequence[int]) -> Tensor:
        for dim in sorted(dims):
            tensor = tensor.unsqueeze(dim)
        return tensor

    product = expanded(i1, expand1) * expanded(i2, expand2) * expanded(i3, expand3)
    return product.sum(list(sumdim)) if sumdim else product


TABLE[aten._trilinear.default] = _trilinear


def _native_dropout(input: Tensor, p: float, train: bool | None) -> Any:
    """What leaves nothing to chance: all kept, or all dropped."""
    if train is not False and 0 < p < 1:
        return NotImplemented
    kept = torch.full_like(input, train is False or p == 0, dtype=torch.bool)
    return (input.clone() if train is False else input * kept), kept


TABLE[aten.native_dropout.default] = _native_dropout


LSTM = 2  # of oneDNN's kinds of recurrent networks


def _mkldnn_rnn_layer(
    input: Tensor,
    weight0: Tensor,
    weight1: Tensor,
    weight2: Tensor,
    weight3: Tensor,
    hx_: Tensor,
    cx_: Tensor,
    reverse: bool,
    batch_sizes: Sequence[int],
    mode: int,
    hidden_size: int,
    num_layers: int,
    has_biases: bool,
    bidirectional: bool,
    batch_first: bool,
    train: bool,
) -> Any:
    """One layer of an LSTM in one direction, as torch's own rule for `aten.lstm` calls it on this machine."""
    if mode != LSTM or num_layers != 1 or batch_sizes or bidirectional or batch_first:
        return NotImplemented
    weights = [weight0, weight1, weight2, weight3] if has_biases else [weight0, weight1]
    result, (hidden, cell) = one_layer_lstm(input, (hx_[0], cx_[0]), weights, has_biases, reverse)
    return result, hidden[None], cell[None], input.new_empty([0], dtype=torch.uint8)


TABLE[aten.mkldnn_rnn_layer.default] = _mkldnn_rnn_layer
