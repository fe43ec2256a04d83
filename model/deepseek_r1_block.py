"""One decoder block of DeepSeek-R1-Distill-Qwen-1.5B, in plain PyTorch.

The architecture is Qwen2's (arXiv:2407.10671): pre-norm with RMSNorm, grouped-query attention with rotary positions and a
bias on q, k and v, and a SwiGLU feed-forward. The figures in `Config` are those of the model's published `config.json`.
Parameters are random, from a fixed seed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

RUNNER = "transformer-runner"  # what the executable is called
TOLERANCE = 1e-4  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Architecture:
    hidden_size: int = 1536
    intermediate_size: int = 8960
    num_heads: int = 12
    num_kv_heads: int = 2
    head_dim: int = 128
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    max_seq_len: int = 32768
    batch: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_heads % self.num_kv_heads:
            raise ValueError(f"num_heads={self.num_heads} is not a multiple of num_kv_heads={self.num_kv_heads}")


@dataclass(frozen=True)
class Config(Architecture):
    seq_len: int = 40

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.seq_len <= self.max_seq_len:
            raise ValueError(f"seq_len={self.seq_len}: this model takes 1 to {self.max_seq_len} tokens")


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(1 + 0.1 * torch.randn(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        mean_square = wide.pow(2).mean(-1, keepdim=True)
        return self.weight * (wide * torch.rsqrt(mean_square + self.eps)).to(x.dtype)


def rotary_tables(config: Architecture, positions: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the angles of so many positions, each [positions, head_dim]."""
    exponent = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
    angles = torch.outer(torch.arange(positions, dtype=torch.float32), config.rope_theta**-exponent)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding (arXiv:2104.09864) of x [batch, heads, tokens, head_dim] by cos and sin [tokens, head_dim]."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Projections(nn.Module):
    """The parts of attention, with or without a cache."""

    def __init__(self, config: Architecture, positions: int) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.num_heads, config.num_kv_heads, config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, self.heads * self.head_dim)
        self.k_proj = nn.Linear(config.hidden_size, self.kv_heads * self.head_dim)
        self.v_proj = nn.Linear(config.hidden_size, self.kv_heads * self.head_dim)
        self.o_proj = nn.Linear(self.heads * self.head_dim, config.hidden_size, bias=False)
        cos, sin = rotary_tables(config, positions)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def split(self, projected: Tensor) -> Tensor:
        """[batch, tokens, heads * head_dim] to [batch, heads, tokens, head_dim]."""
        batch, tokens, _ = projected.shape
        return projected.view(batch, tokens, -1, self.head_dim).transpose(1, 2)


class Attention(Projections):
    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        batch, seq_len, _ = x.shape
        query = rotate(self.split(self.q_proj(x)), self.cos, self.sin)
        key = rotate(self.split(self.k_proj(x)), self.cos, self.sin)
        value = self.split(self.v_proj(x))
        group = self.heads // self.kv_heads
        key, value = (t.repeat_interleave(group, dim=1) for t in (key, value))
        scores = query @ key.transpose(2, 3) * self.head_dim**-0.5
        scores = scores.masked_fill(~visible, torch.finfo(scores.dtype).min)
        attended = torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype) @ value
        return self.o_proj(attended.transpose(1, 2).reshape(batch, seq_len, -1))


class SwiGLU(nn.Module):
    def __init__(self, config: Architecture) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """Attention of some kind and a feed-forward network, each behind a norm and around it a sum."""

    def __init__(self, config: Architecture, attention: type[Projections], positions: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = attention(config, positions)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = SwiGLU(config)

    def transform(self, hidden_states: Tensor, *given: Tensor) -> Tensor:
        """The attention gets what is `given`."""
        attended = hidden_states + self.self_attn(self.input_layernorm(hidden_states), *given)
        return attended + self.mlp(self.post_attention_layernorm(attended))


class DecoderBlock(Layer):
    """hidden_states [batch, seq_len, hidden] and attention_mask [batch, seq_len] int64, 0 where a token is padding."""

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        position = torch.arange(hidden_states.shape[1], device=hidden_states.device)
        causal = position[:, None] >= position[None, :]
        return self.transform(hidden_states, causal & attention_mask[:, None, None, :].to(torch.bool))


def build(config: Config) -> nn.Module:
    torch.manual_seed(config.seed)
    return DecoderBlock(config, Attention, config.seq_len).eval()


def inputs(config: Config) -> dict[str, Tensor]:
    """A left-padded batch, as tokenizers of decoder-only models make it: an eighth of the positions is padding."""
    generator = torch.Generator().manual_seed(config.seed + 1)
    attention_mask = torch.ones(config.batch, config.seq_len, dtype=torch.int64)
    attention_mask[:, : config.seq_len // 8] = 0
    return {
        "hidden_states": torch.randn(config.batch, config.seq_len, config.hidden_size, generator=generator),
        "attention_mask": attention_mask,
    }
