"""A chain of operations on each element of two vectors: one loop, if a compiler merges them."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

TOLERANCE = 1e-5  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Config:
    elements: int = 1_048_576
    seed: int = 0


class Chain(nn.Module):
    """x and y [elements]."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        gated = nn.functional.silu(x) * y
        return torch.tanh(gated + x).clamp(-0.9, 0.9) * 2 + torch.sqrt(y.abs() + 1)


def build(config: Config) -> nn.Module:
    return Chain()


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    x = torch.randn(config.elements, generator=generator)
    return {"x": x, "y": torch.randn(config.elements, generator=generator)}
