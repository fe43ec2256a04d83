"""Softmax over the rows of a matrix."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

TOLERANCE = 1e-5  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Config:
    rows: int = 512
    columns: int = 1024
    seed: int = 0


def build(config: Config) -> nn.Module:
    return nn.Softmax(dim=-1)


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    return {"input": torch.randn(config.rows, config.columns, generator=generator)}
