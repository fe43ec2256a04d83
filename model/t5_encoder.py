"""The encoder of T5 (arXiv:1910.10683), that of `transformers`, small, with random weights."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

TOLERANCE = 1e-4  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Config:
    vocab_size: int = 1000
    hidden_size: int = 64
    head_dim: int = 16
    num_layers: int = 2
    num_heads: int = 4
    intermediate_size: int = 128
    batch: int = 1
    seq_len: int = 16
    seed: int = 0


def build(config: Config) -> nn.Module:
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(config.seed)
    return T5EncoderModel(
        T5Config(
            vocab_size=config.vocab_size,
            d_model=config.hidden_size,
            d_kv=config.head_dim,
            num_layers=config.num_layers,
            num_heads=config.num_heads,
            d_ff=config.intermediate_size,
            return_dict=False,
        )
    ).eval()


def inputs(config: Config) -> dict[str, Tensor]:
    """A right-padded batch: an eighth of the positions is padding."""
    generator = torch.Generator().manual_seed(config.seed + 1)
    attention_mask = torch.ones(config.batch, config.seq_len, dtype=torch.int64)
    attention_mask[:, config.seq_len - config.seq_len // 8 :] = 0
    return {
        "input_ids": torch.randint(config.vocab_size, (config.batch, config.seq_len), generator=generator),
        "attention_mask": attention_mask,
    }
