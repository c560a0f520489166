"""What the training examples share: one network with either kind of layers, trained from one seed."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import faltung.torch as ft
import torch
from torch import Tensor, nn

LAYERS: dict[str, ModuleType] = {"PyTorch": nn, "Faltung": ft}


@dataclass
class History:
    """Losses of all steps, accuracies after each epoch, seconds of a step."""

    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Pictures:
    """Pictures (N, C, H, W) between 0 and 1 and their classes, for training and for testing."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor

    @classmethod
    def split(cls, x: Tensor, y: Tensor, tested: float = 0.25) -> Pictures:
        """A share of them, drawn at random, is for testing."""
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
        test, train = order[: int(tested * len(x))], order[int(tested * len(x)) :]
        return cls(x[train], y[train], x[test], y[test])


def network(layers: Any, channels: int, classes: int) -> nn.Module:
    """Convolutions of several kinds: plain, strided, depthwise, pointwise, grouped, circular."""
    torch.manual_seed(0)
    return nn.Sequential(
        layers.Conv2d(channels, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        layers.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        layers.Conv2d(32, 32, 5, padding=2, groups=32), layers.Conv2d(32, 64, 1), nn.BatchNorm2d(64), nn.ReLU(),
        layers.Conv2d(64, 64, 3, padding=1, groups=4, padding_mode="circular"), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes),
    )  # fmt: skip


def train(model: nn.Module, pictures: Pictures, *, epochs: int, batch: int = 32) -> History:
    """Adam and cross-entropy; the order of the pictures depends on the epoch alone."""
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    history, began = History(), time.perf_counter()
    for epoch in range(epochs):
        model.train()
        order = torch.randperm(len(pictures.x), generator=torch.Generator().manual_seed(epoch))
        for chosen in order.split(batch):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(model(pictures.x[chosen]), pictures.y[chosen])
            loss.backward()
            optimiser.step()
            history.losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            right = model(pictures.test_x).argmax(1) == pictures.test_y
        history.accuracies.append(right.float().mean().item())
    history.seconds = (time.perf_counter() - began) / len(history.losses)
    return history


def run(name: str, pictures: Pictures, *, classes: int, epochs: int) -> dict[str, History]:
    """Train with either kind of layers, print both curves, draw them where asked."""
    parser = argparse.ArgumentParser(description=name)
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--figure", help="file of a picture of the curves")
    options = parser.parse_args()
    histories = {
        kind: train(network(layers, pictures.x.shape[1], classes), pictures, epochs=options.epochs) for kind, layers in LAYERS.items()
    }  # fmt: skip
    print(f"{name}: {len(pictures.x)} pictures to train on, {len(pictures.test_x)} to test, {options.epochs} epochs")
    print(f"{'':8}  first loss  last loss  accuracy  ms a step")
    for kind, history in histories.items():
        print(
            f"{kind:8}  {history.losses[0]:10.6f}  {history.losses[-1]:9.6f}  {history.accuracies[-1]:8.1%}  {history.seconds * 1e3:9.2f}"
        )
    one, other = histories.values()
    steps = min(10, len(one.losses))
    early = max(abs(a - b) for a, b in zip(one.losses[:steps], other.losses[:steps], strict=True))
    print(f"largest difference of the losses in the first {steps} steps: {early:.1e}")
    if options.figure:
        draw(name, histories, options.figure)
    return histories


def draw(name: str, histories: dict[str, History], file: str) -> None:
    """Losses and accuracies, one over the other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (kind, history), style in zip(histories.items(), ("-", "--"), strict=True):
        left.plot(history.losses, style, label=kind, linewidth=1.5)
        right.plot(range(1, len(history.accuracies) + 1), history.accuracies, style, label=kind, linewidth=1.5)
    left.set(title=f"{name}: loss", xlabel="step", yscale="log")
    right.set(title="accuracy on what was not seen", xlabel="epoch")
    for axes in (left, right):
        axes.legend()
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=120)
