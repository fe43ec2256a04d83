"""Special functions that round each of their steps, as PyTorch's kernels do: its own rewrites of them round once."""

from __future__ import annotations

import torch
from torch import Tensor

aten = torch.ops.aten


def logit(self: Tensor, eps: float | None = None) -> Tensor:
    x = self if self.is_floating_point() else self.to(torch.get_default_dtype())
    if eps is not None and eps >= 0:
        x = torch.where(x < eps, eps, torch.where(x > 1 - eps, 1 - eps, x))
    return (x / (1 - x)).log()


TABLE = {aten.logit.default: logit}
