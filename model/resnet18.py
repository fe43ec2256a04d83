"""ResNet-18 (arXiv:1512.03385), in plain PyTorch, with random weights and statistics."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

TOLERANCE = 1e-4  # largest error against eager PyTorch, relative to the largest output


@dataclass(frozen=True)
class Config:
    image_size: int = 64
    width: int = 64
    classes: int = 1000
    batch: int = 1
    seed: int = 0


def convolution(channels: int, out: int, size: int, stride: int) -> nn.Sequential:
    """A convolution that keeps the image's size but for the stride, and its batch normalisation."""
    return nn.Sequential(nn.Conv2d(channels, out, size, stride, size // 2, bias=False), nn.BatchNorm2d(out))


class BasicBlock(nn.Module):
    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.first = convolution(channels, out, 3, stride)
        self.second = convolution(out, out, 3, 1)
        self.shortcut = nn.Identity() if channels == out else convolution(channels, out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.second(torch.relu(self.first(x)))
        return torch.relu(inner + self.shortcut(x))


class ResNet18(nn.Module):
    """image [batch, 3, height, width] to scores [batch, classes]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.width
        self.stem = nn.Sequential(convolution(3, width, 7, 2), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1))
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        blocks = []
        for stage in range(4):
            blocks.append(BasicBlock(widths[stage], widths[stage + 1], stride=2 if stage else 1))
            blocks.append(BasicBlock(widths[stage + 1], widths[stage + 1], stride=1))
        self.blocks = nn.Sequential(*blocks)
        self.classify = nn.Linear(widths[-1], config.classes)

    def forward(self, image: Tensor) -> Tensor:
        features = self.blocks(self.stem(image))
        return self.classify(features.mean((2, 3)))


def build(config: Config) -> nn.Module:
    torch.manual_seed(config.seed)
    model = ResNet18(config)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # as if it had been trained
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.eval()


def inputs(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(config.seed + 1)
    return {"image": torch.randn(config.batch, 3, config.image_size, config.image_size, generator=generator)}
