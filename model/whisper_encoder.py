"""The encoder of Whisper (arXiv:2212.04356), that of `transformers`, small, with random weights."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

TOLERANCE = 1e-4  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Config:
    mel_bins: int = 80
    frames: int = 64
    hidden_size: int = 64
    num_layers: int = 2
    num_heads: int = 4
    intermediate_size: int = 128
    batch: int = 1
    seed: int = 0


def build(config: Config) -> nn.Module:
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    torch.manual_seed(config.seed)
    return WhisperEncoder(
        WhisperConfig(
            num_mel_bins=config.mel_bins,
            max_source_positions=config.frames // 2,
            d_model=config.hidden_size,
            encoder_layers=config.num_layers,
            encoder_attention_heads=config.num_heads,
            encoder_ffn_dim=config.intermediate_size,
            return_dict=False,
        )
    ).eval()


def inputs(config: Config) -> dict[str, Tensor]:
    """A log-mel spectrogram."""
    generator = torch.Generator().manual_seed(config.seed + 1)
    return {"input_features": torch.randn(config.batch, config.mel_bins, config.frames, generator=generator)}
