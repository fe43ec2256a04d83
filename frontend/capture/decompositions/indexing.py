"""Decompositions of operators that index; each is that of PyTorch's eager kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from frontend.capture.fx_graph import CaptureError

aten = torch.ops.aten


def _take(self: Tensor, index: Tensor) -> Tensor:
    return aten.index(self.reshape(-1), [index])


def _put(self: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    return aten.index_put(self.reshape(-1), [index], source.reshape(index.shape), accumulate).reshape(self.shape)


def _as_strided(self: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Any:
    """Over memory in the order of the elements, which is all that a graph knows of memory."""
    last = sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + (storage_offset or 0)
    order = sorted(range(self.dim()), key=self.stride, reverse=True)
    memory = self.permute(order)
    if self.storage_offset() or not memory.is_contiguous() or (0 not in size and last >= self.numel()):
        raise CaptureError(
            f"as_strided of size {list(size)}, stride {list(stride)}, offset {storage_offset} reads memory beside the elements "
            f"of a tensor of size {list(self.shape)}: call it on the tensor that owns the memory"
        )
    if self.is_contiguous():
        return NotImplemented
    return aten.as_strided(memory.reshape(-1), size, stride, storage_offset)


def _embedding_renorm(self: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> Tensor:
    """Rows that are used and longer than `max_norm` are shortened to it."""
    norms = torch.linalg.vector_norm(self, norm_type, 1, keepdim=True)
    used = torch.zeros(self.shape[0], 1, dtype=torch.bool).index_fill(0, indices.reshape(-1), True)
    return torch.where(used & (norms > max_norm), self * (max_norm / (norms + 1e-7)), self)


def _repeat_interleave(repeats: Tensor, *, output_size: int | None = None) -> Any:
    """For each place of a result of known size, the first element whose repeats reach beyond it."""
    if output_size is None:
        return NotImplemented
    places = torch.arange(output_size, dtype=repeats.dtype)
    return torch.searchsorted(repeats.cumsum(0), places, right=True).to(repeats.dtype)


TABLE = {
    aten.repeat_interleave.Tensor: _repeat_interleave,
    aten.embedding_renorm.default: _embedding_renorm,
    aten.put.default: _put,
    aten.take.default: _take,
    aten.as_strided.default: _as_strided,
}
