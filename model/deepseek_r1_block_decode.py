"""The decoder block of DeepSeek-R1-Distill-Qwen-1.5B at one new token a sequence, against a KV cache.

The same block as `deepseek_r1_block`, with the same weights from the same seed. Keys and values of the tokens before are read
from the cache, and those of the new token are written into it in place.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.deepseek_r1_block import Architecture, Layer, Projections, rotate

TOLERANCE = 1e-4  # largest error against eager PyTorch, relative to the largest output
PHASE = "decode"  # a token at a time; a model that does not say takes all tokens at once


@dataclass(frozen=True)
class Config(Architecture):
    """`cache_len` tokens are in the cache already; it has room for one more."""

    cache_len: int = 40

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.cache_len < self.max_seq_len:
            raise ValueError(f"cache_len={self.cache_len}: this model takes 0 to {self.max_seq_len - 1} tokens in the cache")


class CachedAttention(Projections):
    """x [batch, 1, hidden], caches [batch, kv_heads, length, head_dim], position [1] int64, visible [batch, 1, 1, length]."""

    def forward(self, x: Tensor, visible: Tensor, key_cache: Tensor, value_cache: Tensor, position: Tensor) -> Tensor:
        cos, sin = self.cos[position], self.sin[position]
        query = rotate(self.split(self.q_proj(x)), cos, sin)
        key_cache[:, :, position] = rotate(self.split(self.k_proj(x)), cos, sin)
        value_cache[:, :, position] = self.split(self.v_proj(x))
        # The query heads that share a key are rows of one product, so that the cache is multiplied as it lies.
        query = query.view(x.shape[0], self.kv_heads, -1, self.head_dim)
        scores = query @ key_cache.transpose(2, 3) * self.head_dim**-0.5
        scores = scores.masked_fill(~visible, torch.finfo(scores.dtype).min)
        attended = torch.softmax(scores, dim=-1, dtype=torch.float32).to(value_cache.dtype) @ value_cache
        return self.o_proj(attended.view(*x.shape[:2], -1))


class DecodeBlock(Layer):
    """hidden_states [batch, 1, hidden]; attention_mask [batch, length] int64, 0 where a token is padding.

    key_cache and value_cache [batch, kv_heads, length, head_dim] hold the tokens before `position`, an int64 [1], and get the
    new token's there.
    """

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor, key_cache: Tensor, value_cache: Tensor, position: Tensor
    ) -> Tensor:
        so_far = torch.arange(key_cache.shape[2], device=hidden_states.device) <= position
        visible = so_far & attention_mask[:, None, None, :].to(torch.bool)
        return self.transform(hidden_states, visible, key_cache, value_cache, position)


def build(config: Config) -> nn.Module:
    torch.manual_seed(config.seed)
    return DecodeBlock(config, CachedAttention, config.cache_len + 1).eval()


def inputs(config: Config) -> dict[str, Tensor]:
    """A left-padded batch, as after a prompt: an eighth of what is in the cache is padding. The new token's place is unset."""
    generator = torch.Generator().manual_seed(config.seed + 1)
    length = config.cache_len + 1
    cache = torch.randn(2, config.batch, config.num_kv_heads, length, config.head_dim, generator=generator)
    cache[..., -1, :] = 0
    attention_mask = torch.ones(config.batch, length, dtype=torch.int64)
    attention_mask[:, : config.cache_len // 8] = 0
    return {
        "hidden_states": torch.randn(config.batch, 1, config.hidden_size, generator=generator),
        "attention_mask": attention_mask,
        "key_cache": cache[0].clone(),
        "value_cache": cache[1].clone(),
        "position": torch.tensor([config.cache_len]),
    }
