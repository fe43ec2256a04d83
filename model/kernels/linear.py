"""A product with weights: the shape of one of a network's linear layers."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

TOLERANCE = 1e-5  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Config:
    rows: int = 40
    inputs: int = 1536
    outputs: int = 1536
    seed: int = 0


def build(config: Config) -> nn.Module:
    torch.manual_seed(config.seed)
    return nn.Linear(config.inputs, config.outputs, bias=False).eval()


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    return {"input": torch.randn(config.rows, config.inputs, generator=generator)}
