"""A convolution of images with square filters, as wide as the images when padded."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

TOLERANCE = 1e-5  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Config:
    batch: int = 1
    channels: int = 32
    filters: int = 32
    height: int = 56
    width: int = 56
    kernel: int = 3
    seed: int = 0


def build(config: Config) -> nn.Module:
    torch.manual_seed(config.seed)
    return nn.Conv2d(config.channels, config.filters, config.kernel, padding="same").eval()


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    return {"input": torch.randn(config.batch, config.channels, config.height, config.width, generator=generator)}
