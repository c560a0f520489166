"""One training step of ConvNeXt-like blocks (Liu et al., "A ConvNet for the 2020s", 2022): depthwise 7x7, then two pointwise layers."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import faltung.torch as ft
import torch
from faltung.torch.acceleration.measuring import compared
from torch import Tensor, nn


class Block(nn.Module):
    """Depthwise 7x7, batch norm, pointwise to four times the channels and back, around it the identity."""

    def __init__(self, layers: Any, channels: int, expansion: int) -> None:
        super().__init__()
        self.spatial = layers.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.BatchNorm2d(channels)
        self.wide = layers.Conv2d(channels, expansion * channels, 1)
        self.narrow = layers.Conv2d(expansion * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        return x + self.narrow(nn.functional.gelu(self.wide(self.norm(self.spatial(x)))))


def step_of(layers: Any, channels: int, blocks: int, expansion: int, x: Tensor) -> Callable[[], Tensor]:
    """A training step on `x`."""
    torch.manual_seed(0)
    model = nn.Sequential(*(Block(layers, channels, expansion) for _ in range(blocks)))
    optimiser = torch.optim.SGD(model.parameters(), 1e-3)

    def step() -> Tensor:
        optimiser.zero_grad()
        loss: Tensor = model(x).square().mean()
        loss.backward()
        optimiser.step()
        return loss.detach()

    return step


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in {"channels": 96, "size": 56, "batch": 4, "blocks": 2, "expansion": 1, "rounds": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    x = torch.randn(options.batch, options.channels, options.size, options.size)
    theirs, ours = (step_of(layers, options.channels, options.blocks, options.expansion, x) for layers in (nn, ft))
    found = compared(theirs, ours, rounds=options.rounds, seconds=0.3)
    print(f"a step: {found.before * 1e3:.1f} ms with PyTorch's layers, {found.after * 1e3:.1f} ms with Faltung's")
    print(f"{found.ratio:.2f} times as fast")
