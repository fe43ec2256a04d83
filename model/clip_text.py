"""The text encoder of CLIP (arXiv:2103.00020), that of `transformers`, small, with random weights."""

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
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(config.seed)
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            intermediate_size=config.intermediate_size,
            bos_token_id=config.vocab_size - 2,
            eos_token_id=config.vocab_size - 1,
            return_dict=False,
        )
    ).eval()


def inputs(config: Config) -> dict[str, Tensor]:
    """Random words, then the end of text, whose state is the text's embedding."""
    generator = torch.Generator().manual_seed(config.seed + 1)
    input_ids = torch.randint(config.vocab_size - 2, (config.batch, config.seq_len), generator=generator)
    input_ids[:, -1] = config.vocab_size - 1
    return {"input_ids": input_ids}
