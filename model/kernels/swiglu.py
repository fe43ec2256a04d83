"""The decoder block's feed-forward network."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.deepseek_r1_block import Architecture, SwiGLU

TOLERANCE = 1e-4  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Config(Architecture):
    seq_len: int = 40


def build(config: Config) -> nn.Module:
    torch.manual_seed(config.seed)
    return SwiGLU(config).eval()


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    return {"x": torch.randn(config.batch, config.seq_len, config.hidden_size, generator=generator)}
