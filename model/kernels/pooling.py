"""The largest of each window of an image, by windows that overlap, then the means of windows that do not."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

TOLERANCE = 1e-5  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Config:
    batch: int = 1
    channels: int = 64
    height: int = 112
    width: int = 112
    seed: int = 0


def build(config: Config) -> nn.Module:
    return nn.Sequential(nn.MaxPool2d(3, stride=2, padding=1), nn.AvgPool2d(2))


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    return {"input": torch.randn(config.batch, config.channels, config.height, config.width, generator=generator)}
