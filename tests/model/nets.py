"""Networks of the kinds that people use, made small or without weights that anyone trained."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


def vgg(width: int = 4, stages: tuple[int, ...] = (2, 2, 3, 3, 3)) -> nn.Sequential:
    """VGG's stack: 3×3 convolutions, then a pooling, stage by stage."""
    layers: list[nn.Module] = []
    channels = 3
    for convolutions in stages:
        for _ in range(convolutions):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def alexnet() -> nn.Sequential:
    """The convolutions of AlexNet (Krizhevsky, "One weird trick", 2014) up to its last pooling."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(4, 4, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(3, 2),
    )  # fmt: skip


def mobilenet() -> nn.Sequential:
    """MobileNet v1: depthwise and pointwise convolutions in turn."""
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    layers: list[nn.Module] = [nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU6()]
    for stride in strides:
        layers += [nn.Conv2d(4, 4, 3, stride, 1, groups=4), nn.ReLU6(), nn.Conv2d(4, 4, 1), nn.ReLU6()]
    return nn.Sequential(*layers)


class Block(nn.Module):
    """A residual block: two 3×3 convolutions, or a 3×3 between two 1×1; the stride is that of the first 3×3."""

    def __init__(self, channels: int, out: int, stride: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        first = kernels.index(3)
        widths = (channels, *[out] * len(kernels))
        layers: list[nn.Module] = []
        for number, (kernel, (before, after)) in enumerate(zip(kernels, pairwise(widths), strict=True)):
            layers += [nn.Conv2d(before, after, kernel, stride if number == first else 1, kernel // 2), nn.BatchNorm2d(after), nn.ReLU()]
        self.main = nn.Sequential(*layers[:-1])
        self.short: nn.Module = nn.Identity() if (channels, stride) == (out, 1) else nn.Conv2d(channels, out, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.main(x) + self.short(x))


class ResNet(nn.Module):
    """The plan of ResNet, the same few channels everywhere; `late` stages end with their stride, as in TensorFlow's Slim."""

    def __init__(
        self, blocks: tuple[int, ...] = (2, 2, 2, 2), kernels: tuple[int, ...] = (3, 3), width: int = 4, late: bool = False
    ) -> None:
        super().__init__()

        def stride(stage: int, number: int) -> int:
            return 2 if (number == blocks[stage] - 1 and stage < len(blocks) - 1 if late else stage > 0 and number == 0) else 1

        self.stem = nn.Sequential(nn.Conv2d(3, width, 7, 2, 3), nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        self.stages = nn.Sequential(
            *(
                nn.Sequential(*(Block(width, width, stride(stage, number), kernels) for number in range(count)))
                for stage, count in enumerate(blocks)
            )
        )
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.flatten(nn.functional.adaptive_avg_pool2d(self.stages(self.stem(x)), 1), 1))


class Gated(nn.Module):
    """Two convolutions with squeeze and excitation between them (Hu et al., 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.gate, self.second = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.second(x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True))))


class Askew(nn.Module):
    """A shortcut cropped on the wrong side."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + x[:, :, 2:, 1:-1]
