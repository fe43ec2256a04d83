"""One level of the U-Net of denoising diffusion (arXiv:2006.11239), in plain PyTorch, with random weights."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

TOLERANCE = 1e-4  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Config:
    channels: int = 64
    image_size: int = 16
    groups: int = 32
    batch: int = 1
    seed: int = 0


def embedding(time: Tensor, size: int) -> Tensor:
    """Sines and cosines of the time [batch] at `size / 2` frequencies each."""
    frequencies = torch.exp(-math.log(10000) / (size // 2 - 1) * torch.arange(size // 2))
    angles = time[:, None] * frequencies
    return torch.cat((angles.sin(), angles.cos()), dim=1)


def normalised(config: Config, channels: int) -> nn.Sequential:
    return nn.Sequential(nn.GroupNorm(config.groups, channels, eps=1e-6), nn.SiLU())


class ResidualBlock(nn.Module):
    def __init__(self, config: Config, channels: int, out: int) -> None:
        super().__init__()
        self.first = nn.Sequential(normalised(config, channels), nn.Conv2d(channels, out, 3, padding=1))
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(4 * config.channels, out))
        self.second = nn.Sequential(normalised(config, out), nn.Conv2d(out, out, 3, padding=1))
        self.shortcut = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        inner = self.first(x) + self.time(time)[:, :, None, None]
        return self.shortcut(x) + self.second(inner)


class Attention(nn.Module):
    """Each place of the image attends to all others."""

    def __init__(self, config: Config, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(config.groups, channels, eps=1e-6)
        self.project = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.project(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, dim=-1)
        attended = nn.functional.scaled_dot_product_attention(query, key, value)
        return x + self.out(attended.transpose(1, 2).reshape(x.shape))


class UNetLevel(nn.Module):
    """x [batch, channels, height, width] and time [batch] to a tensor like x."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        channels = config.channels
        self.channels = channels
        self.time = nn.Sequential(nn.Linear(channels, 4 * channels), nn.SiLU(), nn.Linear(4 * channels, 4 * channels))
        self.before = ResidualBlock(config, channels, channels)
        self.down = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.inner = ResidualBlock(config, channels, 2 * channels)
        self.attention = Attention(config, 2 * channels)
        self.up = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(2 * channels, 2 * channels, 3, padding=1))
        self.after = ResidualBlock(config, 3 * channels, channels)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        embedded = self.time(embedding(time.float(), self.channels).to(x.dtype))
        skip = self.before(x, embedded)
        inner = self.attention(self.inner(self.down(skip), embedded))
        return self.after(torch.cat((self.up(inner), skip), dim=1), embedded)


def build(config: Config) -> nn.Module:
    torch.manual_seed(config.seed)
    return UNetLevel(config).eval()


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    x = torch.randn(config.batch, config.channels, config.image_size, config.image_size, generator=generator)
    return {"x": x, "time": torch.randint(1000, (config.batch,), generator=generator).float()}
