"""What a sorted tensor tells: the greatest, the middle, the most frequent."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten


def topk(self: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    if self.dim() == 0:
        return self.clone(), torch.zeros_like(self, dtype=torch.int64)
    values, indices = torch.sort(self, dim=dim, descending=largest, stable=True)
    return values.narrow(dim, 0, k), indices.narrow(dim, 0, k)


def kthvalue(self: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    if self.dim() == 0:
        return self.clone(), torch.zeros_like(self, dtype=torch.int64)
    values, indices = torch.sort(self, dim=dim, stable=True)
    results = values.narrow(dim, k - 1, 1), indices.narrow(dim, k - 1, 1)
    return results if keepdim else tuple(r.squeeze(dim) for r in results)


def median_dim(self: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The lower of two middle values; the first NaN if there is one."""
    if self.dim() == 0:
        return self.clone(), torch.zeros_like(self, dtype=torch.int64)
    values, indices = torch.sort(self, dim=dim, stable=True)
    n = self.shape[dim]
    numbers = (~_isnan(values)).sum(dim, keepdim=True)
    place = torch.where(numbers < n, numbers, (n - 1) // 2)
    return _at(values, indices, place, dim, keepdim)


def nanmedian_dim(self: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The lower of two middle values among the numbers; NaN only where there is nothing else."""
    if self.dim() == 0:
        return self.clone(), torch.zeros_like(self, dtype=torch.int64)
    values, indices = torch.sort(self, dim=dim, stable=True)
    numbers = (~_isnan(values)).sum(dim, keepdim=True)
    return _at(values, indices, (numbers - 1).clamp(min=0) // 2, dim, keepdim)


def median(self: Tensor) -> Tensor:
    return _whole(self, median_dim)


def nanmedian(self: Tensor) -> Tensor:
    return _whole(self, nanmedian_dim)


def mode(self: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The smallest of the most frequent values, and the last place where it stands."""
    if self.dim() == 0:
        return self.clone(), torch.zeros_like(self, dtype=torch.int64)
    values, indices = torch.sort(self, dim=dim, stable=True)
    values, indices = values.movedim(dim, -1), indices.movedim(dim, -1)
    equal = values.unsqueeze(-1) == values.unsqueeze(-2)
    last = torch.argmax(equal.sum(-1), -1, keepdim=True)  # the first element of the first of the longest runs
    last = last + equal.sum(-1).gather(-1, last) - 1
    results = values.gather(-1, last).movedim(-1, dim), indices.gather(-1, last).movedim(-1, dim)
    return results if keepdim else tuple(r.squeeze(dim) for r in results)


def _at(values: Tensor, indices: Tensor, place: Tensor, dim: int, keepdim: bool) -> Any:
    """What stands at `place` along `dim`."""
    shape = list(values.shape)
    shape[dim] = 1
    place = place.expand(shape)
    results = values.gather(dim, place), indices.gather(dim, place)
    return results if keepdim else tuple(r.squeeze(dim) for r in results)


def _whole(self: Tensor, of_lines: Any) -> Tensor:
    if self.numel() == 0:
        return torch.full((), float("nan"), dtype=self.dtype)
    return of_lines(self.reshape(-1), 0)[0]


def _isnan(x: Tensor) -> Tensor:
    return x != x


TABLE: dict[Any, Any] = {
    aten.topk.default: topk,
    aten.kthvalue.default: kthvalue,
    aten.median.default: median,
    aten.median.dim: median_dim,
    aten.nanmedian.default: nanmedian,
    aten.nanmedian.dim: nanmedian_dim,
    aten.mode.default: mode,
}
