"""BERT (arXiv:1810.04805): the encoder of `transformers`, small, with random weights."""

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
    intermediate_size: int = 128
    batch: int = 1
    seq_len: int = 16
    seed: int = 0


def build(config: Config) -> nn.Module:
    from transformers import BertConfig, BertModel

    torch.manual_seed(config.seed)
    return BertModel(
        BertConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            intermediate_size=config.intermediate_size,
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
