"""A two-layer perceptron: the smallest model that has weights, a bias and an activation."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

TOLERANCE = 1e-5  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Config:
    features: int = 20
    hidden: int = 48
    classes: int = 10
    batch: int = 3
    seed: int = 0


def build(config: Config) -> nn.Module:
    torch.manual_seed(config.seed)
    return nn.Sequential(
        nn.Linear(config.features, config.hidden),
        nn.Tanh(),
        nn.Linear(config.hidden, config.classes),
    ).eval()


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    return {"input": torch.randn(config.batch, config.features, generator=generator)}
