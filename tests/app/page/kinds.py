"""Convolutions of every kind with whole numbers: as the page is told of them, and as the engine reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import faltung as fl
from faltung.viz.explanation import Explanation

__all__ = ["KINDS", "Kind"]


@dataclass(frozen=True)
class Kind:
    """A layer twice: fields of a state, and a spec written by hand."""

    name: str
    fields: dict[str, Any]
    spec: str
    size: tuple[int, ...]

    def __post_init__(self) -> None:
        spec = fl.ConvSpec.parse(self.spec)
        random = np.random.default_rng(7)
        object.__setattr__(self, "x", random.integers(-4, 6, (spec.in_channels, *self.size)))
        object.__setattr__(self, "weight", random.integers(-3, 4, spec.weight_shape))
        object.__setattr__(self, "bias", random.integers(-5, 6, spec.out_channels) if self.fields.get("bias") else None)

    x: np.ndarray = None  # type: ignore[assignment]
    weight: np.ndarray = None  # type: ignore[assignment]
    bias: np.ndarray | None = None

    @property
    def state(self) -> dict[str, Any]:
        given = {"x": {"values": self.x.tolist()}, "weight": {"values": self.weight.tolist()}, "input_size": list(self.size)}
        return self.fields | given | {"bias_values": None if self.bias is None else self.bias.tolist()}

    @property
    def output(self) -> np.ndarray:
        return fl.conv(self.spec, self.x, self.weight, self.bias)

    @property
    def explained(self) -> Explanation:
        return fl.explain(self.spec, self.x, self.weight, self.bias)


KINDS = [
    Kind("strided", {"stride": [2, 1]}, "conv2d(1, 1, 3, stride=(2, 1), bias=False)", (6, 5)),
    Kind("padded", {"padding": [[1, 0], [2, 1]], "bias": True}, "conv2d(1, 1, 3, padding=((1, 0), (2, 1)))", (4, 4)),
    Kind(
        "circular", {"padding": [[1, 1], [1, 1]], "padding_mode": "circular", "out_channels": 2},
        "conv2d(1, 2, 3, padding=1, padding_mode='circular', bias=False)", (4, 5),
    ),
    Kind(
        "mirrored", {"padding": [[2, 2], [2, 2]], "padding_mode": "reflect", "dilation": [2, 1]},
        "conv2d(1, 1, 3, padding=2, padding_mode='reflect', dilation=(2, 1), bias=False)", (5, 4),
    ),
    Kind(
        "grouped", {"in_channels": 4, "out_channels": 4, "groups": 2, "kernel_size": [2, 2], "bias": True},
        "conv2d(4, 4, 2, groups=2)", (4, 3),
    ),
    Kind(
        "scatter", {"transposed": True, "stride": [2, 2], "padding": [[1, 0], [0, 1]], "in_channels": 2, "bias": True},
        "conv_transpose2d(2, 1, 3, stride=2, padding=((1, 0), (0, 1)))", (3, 3),
    ),
    Kind(
        "gather", {"transposed": True, "stride": [2, 2], "output_padding": [1, 1], "reading": "gather", "out_channels": 2},
        "conv_transpose2d(1, 2, 3, stride=2, output_padding=1, bias=False)", (2, 3),
    ),
    Kind(
        "line", {"ndim": 1, "kernel_size": [3], "padding": [[2, 0]], "dilation": [1], "stride": [1], "output_padding": [0]},
        "conv1d(1, 1, 3, padding=((2, 0),), bias=False)", (7,),
    ),
    Kind("flipped", {"flip": True, "bias": True}, "conv2d(1, 1, 3, flip=True)", (5, 4)),
    Kind(
        "volume",
        {"ndim": 3, "kernel_size": [2, 2, 2], "stride": [1] * 3, "padding": [[0, 0]] * 3, "dilation": [1] * 3, "output_padding": [0] * 3},
        "conv3d(1, 1, 2, bias=False)", (3, 3, 4),
    ),
]  # fmt: skip
