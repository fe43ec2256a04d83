"""The decoder block's rotary positions, of queries."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.deepseek_r1_block import Architecture, rotary_tables, rotate

TOLERANCE = 1e-5  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Config(Architecture):
    seq_len: int = 40


class Rope(nn.Module):
    """x [batch, heads, tokens, head_dim]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        cos, sin = rotary_tables(config, config.seq_len)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return rotate(x, self.cos, self.sin)


def build(config: Config) -> nn.Module:
    return Rope(config).eval()


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    return {"x": torch.randn(config.batch, config.num_heads, config.seq_len, config.head_dim, generator=generator)}
