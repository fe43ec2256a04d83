"""The decoder block's norm: rows over the root of the mean of their squares, with a scale a column."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.deepseek_r1_block import RMSNorm

TOLERANCE = 1e-5  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Config:
    hidden_size: int = 1536
    seq_len: int = 40
    batch: int = 1
    rms_norm_eps: float = 1e-6
    seed: int = 0


def build(config: Config) -> nn.Module:
    torch.manual_seed(config.seed)
    return RMSNorm(config.hidden_size, config.rms_norm_eps).eval()


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    return {"x": torch.randn(config.batch, config.seq_len, config.hidden_size, generator=generator)}
