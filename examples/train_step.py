"""One training step (forward, backward, SGD) of known networks with PyTorch's layers and with Faltung's, in turns in one process."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from networks import NETWORKS

import faltung as fl
import faltung.torch as ft
import torch
from faltung.torch.acceleration.measuring import Compared, compared
from torch import Tensor, nn


def step_of(model: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    """A training step on `x`."""
    optimiser = torch.optim.SGD(model.parameters(), 1e-3)

    def step() -> Tensor:
        optimiser.zero_grad()
        loss: Tensor = model(x).square().mean()
        loss.backward()
        optimiser.step()
        return loss.detach()

    return step


def measured(name: str, batch: int | None, size: int | None, rounds: int, **fields: Any) -> Compared:
    """The step of one network."""
    network = NETWORKS[name]
    number, channels, *default = network.shape
    x = torch.randn(batch or number, fields.get("channels", channels), *([size] * 2 if size else default))
    steps = []
    for layers in (nn, ft):
        torch.manual_seed(0)
        steps.append(step_of(network.make(layers, **fields), x))
    return compared(*steps, rounds=rounds, seconds=0.3)


def main() -> None:
    """Print a line for each network, then a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", default="separable,convnext", help="names, by comma, or all: " + ", ".join(NETWORKS))
    parser.add_argument("--batch", type=int)
    parser.add_argument("--size", type=int, help="pixels a side")
    parser.add_argument("--channels", type=int, default=96, help="of separable and convnext")
    parser.add_argument("--blocks", type=int, default=2, help="of separable and convnext")
    parser.add_argument("--expansion", default="1,4", help="of convnext; several, by comma")
    parser.add_argument("--threads", type=int, help="of PyTorch and of Faltung; default those that each would use")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
        fl.set_num_threads(options.threads)
    lines = ["| network | PyTorch, ms | Faltung, ms | times as fast |", "|---|---|---|---|"]
    for name in list(NETWORKS) if options.networks == "all" else options.networks.split(","):
        fields = {key: getattr(options, key) for key in ("channels", "blocks")} if name in ("separable", "convnext") else {}
        variants = [{"expansion": int(times)} for times in options.expansion.split(",")] if name == "convnext" else [{}]
        for variant in variants:
            found = measured(name, options.batch, options.size, options.rounds, **fields, **variant)
            label = " ".join([name, *(f"{key} {value}" for key, value in variant.items())])
            print(f"{label:22}  PyTorch {found.before * 1e3:7.1f} ms  Faltung {found.after * 1e3:7.1f} ms  {found.ratio:.2f}x", flush=True)
            lines.append(f"| {label} | {found.before * 1e3:.1f} | {found.after * 1e3:.1f} | {found.ratio:.2f} |")
    print(f"\n{torch.get_num_threads()} threads, {options.rounds} rounds, medians\n", *lines, sep="\n")


if __name__ == "__main__":
    main()
