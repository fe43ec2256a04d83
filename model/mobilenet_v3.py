"""MobileNetV3-Small (arXiv:1905.02244), in plain PyTorch, with random weights and statistics."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

TOLERANCE = 1e-4  # largest error against eager PyTorch, relative to the largest output

# The paper's table 2: kernel, expanded channels, result's channels, squeeze-and-excite, activation, stride.
BLOCKS: list[tuple[int, int, int, bool, type[nn.Module], int]] = [
    (3, 16, 16, True, nn.ReLU, 2),
    (3, 72, 24, False, nn.ReLU, 2),
    (3, 88, 24, False, nn.ReLU, 1),
    (5, 96, 40, True, nn.Hardswish, 2),
    (5, 240, 40, True, nn.Hardswish, 1),
    (5, 240, 40, True, nn.Hardswish, 1),
    (5, 120, 48, True, nn.Hardswish, 1),
    (5, 144, 48, True, nn.Hardswish, 1),
    (5, 288, 96, True, nn.Hardswish, 2),
    (5, 576, 96, True, nn.Hardswish, 1),
    (5, 576, 96, True, nn.Hardswish, 1),
]


@dataclass(frozen=True)
class Config:
    image_size: int = 64
    classes: int = 1000
    batch: int = 1
    seed: int = 0


def convolution(
    channels: int, out: int, size: int, stride: int = 1, groups: int = 1, activation: type[nn.Module] = nn.Identity
) -> nn.Sequential:
    """A convolution that keeps the image's size but for the stride, batch normalisation, activation."""
    return nn.Sequential(
        nn.Conv2d(channels, out, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out, eps=1e-3),
        activation(),
    )


class SqueezeExcite(nn.Module):
    """Scales each channel by what a small network makes of all channels' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(8, (channels // 4 + 4) // 8 * 8)  # a quarter, as a multiple of 8
        self.network = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, inner, 1), nn.ReLU(), nn.Conv2d(inner, channels, 1), nn.Hardsigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.network(x)


class Bottleneck(nn.Module):
    """Expand, filter each channel, project; with a shortcut where the shapes allow it."""

    def __init__(
        self, channels: int, kernel: int, expanded: int, out: int, excite: bool, activation: type[nn.Module], stride: int
    ) -> None:
        super().__init__()
        layers = [convolution(channels, expanded, 1, activation=activation)] if expanded != channels else []
        layers.append(convolution(expanded, expanded, kernel, stride, groups=expanded, activation=activation))
        layers += [SqueezeExcite(expanded)] if excite else []
        self.layers = nn.Sequential(*layers, convolution(expanded, out, 1))
        self.shortcut = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.shortcut else self.layers(x)


class MobileNetV3(nn.Module):
    """image [batch, 3, height, width] to scores [batch, classes]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        outs = [16, *(block[2] for block in BLOCKS)]
        self.features = nn.Sequential(
            convolution(3, 16, 3, 2, activation=nn.Hardswish),
            *[Bottleneck(channels, *block) for channels, block in zip(outs, BLOCKS, strict=False)],
            convolution(96, 576, 1, activation=nn.Hardswish),
            nn.AdaptiveAvgPool2d(1),
        )
        self.classify = nn.Sequential(nn.Linear(576, 1024), nn.Hardswish(), nn.Linear(1024, config.classes))

    def forward(self, image: Tensor) -> Tensor:
        return self.classify(self.features(image).flatten(1))


def build(config: Config) -> nn.Module:
    torch.manual_seed(config.seed)
    model = MobileNetV3(config)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # as if it had been trained
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.eval()


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    return {"image": torch.randn(config.batch, 3, config.image_size, config.image_size, generator=generator)}
