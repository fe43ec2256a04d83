"""The product of two matrices, neither of which is a weight."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

TOLERANCE = 1e-5  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Config:
    m: int = 512
    k: int = 512
    n: int = 512
    seed: int = 0


class Product(nn.Module):
    """a [m, k] by b [k, n]."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b


def build(config: Config) -> nn.Module:
    return Product()


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    a = torch.randn(config.m, config.k, generator=generator)
    return {"a": a, "b": torch.randn(config.k, config.n, generator=generator)}
