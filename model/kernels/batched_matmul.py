"""Products of the matrices of two batches, one by one."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

TOLERANCE = 1e-5  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Config:
    batch: int = 8
    m: int = 256
    k: int = 256
    n: int = 256
    seed: int = 0


class Products(nn.Module):
    """a [batch, m, k] by b [batch, k, n]."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.bmm(a, b)


def build(config: Config) -> nn.Module:
    return Products()


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    a = torch.randn(config.batch, config.m, config.k, generator=generator)
    return {"a": a, "b": torch.randn(config.batch, config.k, config.n, generator=generator)}
