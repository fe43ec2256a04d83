"""The decoder block's attention: every token sees itself and those before."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.deepseek_r1_block import Architecture, Attention

TOLERANCE = 1e-4  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Config(Architecture):
    seq_len: int = 40


class CausalAttention(nn.Module):
    """hidden_states [batch, seq_len, hidden]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention = Attention(config, config.seq_len)

    def forward(self, hidden_states: Tensor) -> Tensor:
        position = torch.arange(hidden_states.shape[1], device=hidden_states.device)
        return self.attention(hidden_states, position[:, None] >= position[None, :])


def build(config: Config) -> nn.Module:
    torch.manual_seed(config.seed)
    return CausalAttention(config).eval()


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    return {"hidden_states": torch.randn(config.batch, config.seq_len, config.hidden_size, generator=generator)}
