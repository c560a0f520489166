"""Networks for the examples, each built of either kind of layers: `torch.nn` or `faltung.torch`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


class ConvNeXtBlock(nn.Module):
    """Depthwise 7x7, batch norm, pointwise to more channels and back, around it the identity (Liu et al., 2022)."""

    def __init__(self, layers: Any, channels: int, expansion: int) -> None:
        super().__init__()
        self.spatial = layers.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.BatchNorm2d(channels)
        self.wide = layers.Conv2d(channels, expansion * channels, 1)
        self.narrow = layers.Conv2d(expansion * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        return x + self.narrow(nn.functional.gelu(self.wide(self.norm(self.spatial(x)))))


class SeparableBlock(nn.Module):
    """A depthwise-separable convolution, 7x7 and then pointwise, with ConvNeXt's norm, activation and identity."""

    def __init__(self, layers: Any, channels: int) -> None:
        super().__init__()
        self.spatial = layers.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.BatchNorm2d(channels)
        self.pointwise = layers.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        return x + nn.functional.gelu(self.pointwise(self.norm(self.spatial(x))))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around which the identity passes, or a strided 1x1 (He et al., 2016)."""

    def __init__(self, layers: Any, read: int, written: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            layers.Conv2d(read, written, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(written), nn.ReLU(),
            layers.Conv2d(written, written, 3, padding=1, bias=False), nn.BatchNorm2d(written),
        )  # fmt: skip
        self.around: nn.Module = nn.Identity()
        if stride > 1 or read != written:
            self.around = nn.Sequential(layers.Conv2d(read, written, 1, stride=stride, bias=False), nn.BatchNorm2d(written))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the written channels and the strided size."""
        return torch.relu(self.body(x) + self.around(x))


class InvertedResidual(nn.Module):
    """Pointwise to more channels, depthwise 3x3, pointwise to few (Sandler et al., "MobileNetV2", 2018)."""

    def __init__(self, layers: Any, read: int, written: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = read * expansion
        grow = [layers.Conv2d(read, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()] if expansion > 1 else []
        self.body = nn.Sequential(
            *grow,
            layers.Conv2d(wide, wide, 3, stride=stride, padding=1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(),
            layers.Conv2d(wide, written, 1, bias=False), nn.BatchNorm2d(written),
        )  # fmt: skip
        self.adds = stride == 1 and read == written

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the written channels and the strided size."""
        y: Tensor = self.body(x)
        return x + y if self.adds else y


class UNet(nn.Module):
    """Two levels down and up, with skips (Ronneberger et al., 2015)."""

    def __init__(self, layers: Any, width: int = 32, *, in_place: bool = False) -> None:
        super().__init__()

        def double(read: int, written: int) -> nn.Module:
            return nn.Sequential(
                layers.Conv2d(read, written, 3, padding=1, bias=False), nn.BatchNorm2d(written), nn.ReLU(in_place),
                layers.Conv2d(written, written, 3, padding=1, bias=False), nn.BatchNorm2d(written), nn.ReLU(in_place),
            )  # fmt: skip

        self.down = nn.ModuleList([double(3, width), double(width, 2 * width), double(2 * width, 4 * width)])
        self.up = nn.ModuleList(
            [layers.ConvTranspose2d(4 * width, 2 * width, 2, stride=2), layers.ConvTranspose2d(2 * width, width, 2, stride=2)]
        )
        self.join = nn.ModuleList([double(4 * width, 2 * width), double(2 * width, width)])
        self.last = layers.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, 2, H, W)."""
        skips = []
        for number, block in enumerate(self.down):
            x = block(x if number == 0 else nn.functional.max_pool2d(x, 2))
            skips.append(x)
        for up, join, skip in zip(self.up, self.join, reversed(skips[:-1]), strict=True):
            x = join(torch.cat([up(x), skip], 1))
        y: Tensor = self.last(x)
        return y


def convnext(layers: Any, *, channels: int = 96, blocks: int = 2, expansion: int = 4) -> nn.Module:
    """Blocks of one stage."""
    return nn.Sequential(*(ConvNeXtBlock(layers, channels, expansion) for _ in range(blocks)))


def separable(layers: Any, *, channels: int = 96, blocks: int = 2) -> nn.Module:
    """Blocks of one stage."""
    return nn.Sequential(*(SeparableBlock(layers, channels) for _ in range(blocks)))


def resnet18(layers: Any) -> nn.Module:
    """As published, with ten classes."""
    stages = [(64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1)]
    return nn.Sequential(
        layers.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        *(ResidualBlock(layers, *stage) for stage in stages), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip


def mobilenet_v2(layers: Any) -> nn.Module:
    """As published, with ten classes."""
    rows = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    blocks: list[nn.Module] = []
    read = 32
    for expansion, written, count, stride in rows:
        for number in range(count):
            blocks.append(InvertedResidual(layers, read, written, stride if number == 0 else 1, expansion))
            read = written
    return nn.Sequential(
        layers.Conv2d(3, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU6(), *blocks,
        layers.Conv2d(read, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 10),
    )  # fmt: skip


def unet(layers: Any) -> nn.Module:
    """Two classes for each pixel."""
    return UNet(layers)


@dataclass(frozen=True)
class Network:
    """How it is made, and the shape of a batch that it is measured on: N, C, H, W."""

    make: Callable[..., nn.Module]
    shape: tuple[int, int, int, int]


NETWORKS = {
    "separable": Network(separable, (4, 96, 56, 56)),
    "convnext": Network(convnext, (4, 96, 56, 56)),
    "resnet18": Network(resnet18, (8, 3, 64, 64)),
    "mobilenet_v2": Network(mobilenet_v2, (8, 3, 96, 96)),
    "unet": Network(unet, (2, 3, 96, 96)),
}
