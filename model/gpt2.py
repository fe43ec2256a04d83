"""GPT-2: the decoder of `transformers`, small, with random weights."""

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
    batch: int = 1
    seq_len: int = 16
    seed: int = 0


def build(config: Config) -> nn.Module:
    from transformers import GPT2Config, GPT2Model

    torch.manual_seed(config.seed)
    return GPT2Model(
        GPT2Config(
            vocab_size=config.vocab_size,
            n_embd=config.hidden_size,
            n_layer=config.num_layers,
            n_head=config.num_heads,
            bos_token_id=None,
            eos_token_id=None,
            use_cache=False,
            return_dict=False,
        )
    ).eval()


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    return {"input_ids": torch.randint(config.vocab_size, (config.batch, config.seq_len), generator=generator)}
