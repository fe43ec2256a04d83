"""Qwen2 (arXiv:2407.10671): the decoder of `transformers`, small, with random weights."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

TOLERANCE = 1e-4  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Config:
    vocab_size: int = 1000
    hidden_size: int = 64
    num_layers: int = 2
    num_heads: int = 4
    num_kv_heads: int = 2
    intermediate_size: int = 128
    batch: int = 1
    seq_len: int = 16
    seed: int = 0


def build(config: Config) -> nn.Module:
    from transformers import Qwen2Config, Qwen2Model

    torch.manual_seed(config.seed)
    return Qwen2Model(
        Qwen2Config(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            num_key_value_heads=config.num_kv_heads,
            intermediate_size=config.intermediate_size,
            use_cache=False,
            return_dict=False,
        )
    ).eval()


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    return {"input_ids": torch.randint(config.vocab_size, (config.batch, config.seq_len), generator=generator)}
