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


def _as_strided(self: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Any:
    """Over memory in the order of the elements, which is all that a graph knows of memory."""
    last = sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + (storage_offset or 0)
    order = sorted(range(self.dim()), key=self.stride, reverse=True)
    memory = self.permute(order)
    if self.storage_offset() or not memory.is_contiguous() or (0 not in size and last >= self.numel()):
        raise CaptureError(
            f"as_strided of size {list(size)}, stride {list(stride)} and offset {storage_offset} reads memory between or beyond "
            f"the elements of a tensor of size {list(self.shape)}: call it on the tensor that owns the memory"
        )
    if self.is_contiguous():
        return NotImplemented
    return aten.as_strided(memory.reshape(-1), size, stride, storage_offset)


TABLE = {aten.take.default: _take, aten.as_strided.default: _as_strided}
