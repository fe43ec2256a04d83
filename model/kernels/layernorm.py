"""Layer normalization of the rows of a matrix, with a scale and a shift a column."""

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
    torch.manual_seed(config.seed)
    norm = nn.LayerNorm(config.columns)
    nn.init.normal_(norm.weight, 1, 0.1)
    nn.init.normal_(norm.bias, 0, 0.1)
    return norm.eval()


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    return {"input": torch.randn(config.rows, config.columns, generator=generator)}
