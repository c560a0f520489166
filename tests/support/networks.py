"""Networks whose counts are published, with random weights, in plain PyTorch."""

from __future__ import annotations

from torch import Tensor, nn


def conv(given: int, made: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(given, made, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(made)]


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1 beside a shortcut; the stride is that of the 3×3 (He et al., 2015; "v1.5")."""

    def __init__(self, given: int, width: int, stride: int) -> None:
        super().__init__()
        inner = [*conv(given, width, 1), nn.ReLU(), *conv(width, width, 3, stride), nn.ReLU(), *conv(width, 4 * width, 1)]
        self.residual = nn.Sequential(*inner)
        self.shortcut = nn.Sequential(*conv(given, 4 * width, 1, stride)) if given != 4 * width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return (self.residual(x) + self.shortcut(x)).relu()


def resnet50() -> nn.Module:
    blocks: list[nn.Module] = []
    given = 64
    for width, times in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for number in range(times):
            blocks.append(Bottleneck(given, width, 2 if width > 64 and number == 0 else 1))
            given = 4 * width
    stem = [*conv(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))


def mobilenet_v1() -> nn.Module:
    """Howard et al., 2017, Table 1."""
    layers = [*conv(3, 32, 3, 2), nn.ReLU6()]
    given = 32
    for made, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)):
        layers += [*conv(given, given, 3, stride, groups=given), nn.ReLU6(), *conv(given, made, 1), nn.ReLU6()]
        given = made
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000))


def vgg16() -> nn.Module:
    """Simonyan & Zisserman, 2014, configuration D."""
    layers: list[nn.Module] = []
    given = 3
    for made in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
        layers += [nn.Conv2d(given, made, 3, padding=1), nn.ReLU()] if made else [nn.MaxPool2d(2, 2)]
        given = made or given
    head = [nn.Flatten(), nn.Linear(25088, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]
    return nn.Sequential(*layers, *head)
