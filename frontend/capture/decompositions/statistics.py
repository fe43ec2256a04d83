"""Distances, histograms and losses in terms of simpler operators, where torch has no such rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules import linear_cross_entropy as _registers_its_operators  # noqa: F401

aten = torch.ops.aten


def _distance(difference: Tensor, p: float) -> Tensor:
    if difference.shape[-1] == 0:
        return difference.sum(-1)
    return torch.linalg.vector_norm(difference, p, dim=-1)


def _cdist(x1: Tensor, x2: Tensor, p: float, compute_mode: int | None) -> Tensor:
    return _distance(x1.unsqueeze(-2) - x2.unsqueeze(-3), p)


def _pdist(self: Tensor, p: float = 2) -> Tensor:
    rows, columns = torch.triu_indices(len(self), len(self), 1)
    return _distance(self[rows] - self[columns], p)


def _ends(x: Tensor, range_: Sequence[float] | None, slack: float) -> tuple[Tensor, Tensor]:
    """A range, or that of the data, made wider by `slack` on both sides if it is one number."""
    if range_ is None:
        low, high = (x.min(), x.max()) if x.numel() else (x.new_zeros(()), x.new_ones(()))
    else:
        low, high = (x.new_full((), end) for end in range_)
    alike = low == high
    return torch.where(alike, low - slack, low), torch.where(alike, high + slack, high)


def _histc(self: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    x = self.reshape(-1)
    low, high = _ends(x, None if min == max and x.numel() else (min, max), 1)
    inside = (x >= low) & (x <= high)
    place = torch.where(inside, (x - low) * bins / (high - low), 0).to(torch.int64).clamp(max=bins - 1)
    return x.new_zeros(bins).scatter_add(0, place, inside.to(x.dtype))


def _edges(x: Tensor, bins: int, range_: Sequence[float] | None) -> Tensor:
    """linspace between tensors; both halves are counted from their own end, as torch does."""
    low, high = _ends(x, range_, 0.5)
    step, number = (high - low) / bins, torch.arange(bins + 1)
    return torch.where(number < (bins + 1) // 2, low + step * number, high - step * (bins - number))


def _counts(self: Tensor, edges: Sequence[Tensor], weight: Tensor | None, density: bool) -> Tensor:
    """The weight in each box between the edges of each column; those on the last edge belong to the last box."""
    rows, sizes = self.reshape(-1, len(edges)), [len(e) - 1 for e in edges]
    place, inside = torch.zeros(len(rows), dtype=torch.int64), torch.ones(len(rows), dtype=torch.bool)
    for column, bounds, bins in zip(rows.unbind(1), edges, sizes, strict=True):
        inside = inside & (column >= bounds[0]) & (column <= bounds[-1])
        place = place * bins + (torch.searchsorted(bounds, column.contiguous(), right=True) - 1).clamp(0, bins - 1)
    weights = torch.ones(len(rows), dtype=self.dtype) if weight is None else weight.reshape(-1)
    box = torch.where(inside, place, 0)
    counts = self.new_zeros(torch.Size(sizes).numel()).scatter_add(0, box, torch.where(inside, weights, 0)).reshape(sizes)
    if density:
        counts = counts / counts.sum()
        for axis, bounds in enumerate(edges):
            counts = counts / bounds.diff().reshape([-1 if d == axis else 1 for d in range(len(edges))])
    return counts


def _histogram(
    self: Tensor, bins: int, *, range: Any = None, weight: Tensor | None = None, density: bool = False
) -> tuple[Tensor, Tensor]:
    edges = _edges(self.reshape(-1), bins, range)
    return _counts(self.reshape(-1, 1), [edges], weight, density), edges


def _histogram_between(
    self: Tensor, bins: Tensor, *, weight: Tensor | None = None, density: bool = False
) -> tuple[Tensor, Tensor]:
    return _counts(self.reshape(-1, 1), [bins], weight, density), bins.clone()


def _edges_of_columns(self: Tensor, bins: Sequence[int], *, range: Any = None, **_: Any) -> list[Tensor]:
    columns = self.reshape(-1, len(bins)).unbind(1)
    ranges = [range[2 * i : 2 * i + 2] if range else None for i in torch.arange(len(bins)).tolist()]
    return [_edges(*column) for column in zip(columns, bins, ranges, strict=True)]


def _histogram_of_columns(
    self: Tensor, bins: Sequence[int], *, range: Any = None, weight: Tensor | None = None, density: bool = False
) -> Tensor:
    return _counts(self, _edges_of_columns(self, bins, range=range), weight, density)


def _histogram_between_of_columns(
    self: Tensor, bins: Sequence[Tensor], *, weight: Tensor | None = None, density: bool = False
) -> Tensor:
    return _counts(self, bins, weight, density)


def _linear_cross_entropies(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    linear_bias: Tensor | None,
    weight: Tensor | None,
    ignore_index: int,
    batch_chunk_size: int,
    acc_policy: str,
    acc_dtype: torch.dtype,
    reduction: str = "none",
) -> Tensor:
    """Without the chunks, which bound memory only."""
    parts = [None if t is None else t.to(acc_dtype) for t in (linear_weight, linear_bias, weight)]
    logits = F.linear(input.to(acc_dtype), *parts[:2])
    return F.cross_entropy(logits, target, parts[2], ignore_index=ignore_index, reduction=reduction).to(input.dtype)


def _linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    linear_bias: Tensor | None,
    weight: Tensor | None,
    reduction: str,
    ignore_index: int,
    label_smoothing: float,
    batch_chunk_size: int,
    acc_policy: str,
    acc_dtype: torch.dtype,
    allow_retain_graph: bool,
    *gradients: bool,
) -> Any:
    if any(gradients) or label_smoothing:
        return NotImplemented
    given = input, linear_weight, target, linear_bias, weight, ignore_index, batch_chunk_size, acc_policy, acc_dtype
    nothing = input.new_empty(0, 0), input.new_empty(0, 0), input.new_empty(0)
    return _linear_cross_entropies(*given, reduction), *nothing


TABLE = {
    aten._cdist_forward.default: _cdist,
    aten._pdist_forward.default: _pdist,
    aten.histc.default: _histc,
    aten.histogram.bin_ct: _histogram,
    aten.histogram.bins_tensor: _histogram_between,
    aten._histogramdd_bin_edges.default: _edges_of_columns,
    aten._histogramdd_from_bin_cts.default: _histogram_of_columns,
    aten._histogramdd_from_bin_tensors.default: _histogram_between_of_columns,
    torch.ops.torch_nn._linear_cross_entropy_batch_chunked.default: _linear_cross_entropy,
    torch.ops.torch_nn._linear_cross_entropy_batch_chunked_no_reduction.default: _linear_cross_entropies,
}
