"""Winograd's stated bound holds for all data: large cells at corners and edges too, which places of the kernel beyond the border meet."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import faltung as fl
from faltung import reference
from tests.support.check import check_within
from tests.support.engine import magnitude, normals

LAYERS = [
    ("conv2d(8, 8, 3, bias=False)", "winograd"),
    ("conv2d(8, 8, 3, padding=1, bias=False)", "winograd"),
    ("conv2d(8, 8, 3, padding=1, padding_mode='reflect', bias=False)", "winograd"),
    ("conv1d(8, 8, 3, bias=False)", "winograd"),
    ("conv2d(8, 8, 5, bias=False)", "winograd"),
    ("conv2d(8, 8, 3, bias=False)", "winograd6"),
    ("conv2d(8, 8, 3, stride=2, bias=False)", "winograd"),
    ("conv2d(8, 8, 5, stride=2, padding=1, bias=False)", "winograd"),
    ("conv2d(8, 8, 7, padding=2, bias=False)", "winograd"),
    ("conv2d(8, 8, 3, dilation=2, bias=False)", "dilated"),
    ("conv2d(2, 8, 7, bias=False)", "stem"),
    ("conv2d(2, 8, 5, stride=2, bias=False)", "stem"),
]


def in_double(spec: fl.ConvSpec, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The convolution by the general kernel in double precision, whose own error is a 2**29th of the bounds here."""
    return fl.plan(spec, x.shape, "float64", algorithm="general")(x.astype(float), weight.astype(float))


def largest_place(spec: fl.ConvSpec, x: np.ndarray, weight: np.ndarray) -> float:
    """The largest sum of ``|input| * |weight|`` at any place of the kernel on the padded input, beyond its border as well."""
    modes = {"zeros": "constant", "reflect": "reflect"}
    padded = np.pad(x, [(0, 0), (0, 0), *spec.padding], mode=modes[spec.padding_mode])
    everywhere = fl.ConvSpec(
        spec.in_channels, spec.out_channels, spec.kernel_size, dilation=spec.dilation, padding="full", bias=False, ndim=spec.ndim
    )
    return float(in_double(everywhere, abs(padded), abs(weight)).max())


def attack(spec: fl.ConvSpec, shape: tuple[int, ...], cell: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """An input with one large cell a channel, and weights that are small wherever an output would notice it."""
    x, weight = normals(shape, seed, "float32"), normals(spec.weight_shape, seed + 50, "float32")
    x[(..., *cell)] *= 1e6
    alone = np.zeros(shape)
    alone[(..., *cell)] = 1
    weight[reference.conv_weight_grad(spec, alone, np.ones(spec.output_shape(shape))) != 0] *= 1e-6
    return x, weight


@pytest.mark.parametrize(("text", "algorithm"), LAYERS)
def test_holds_at_corners_and_edges(text: str, algorithm: str) -> None:
    spec = fl.ConvSpec.parse(text)
    for seed, cell in enumerate(itertools.product([0, 1, -1], repeat=spec.ndim)):
        shape = (1, spec.in_channels, *np.random.default_rng(seed).integers(9, 17, spec.ndim))
        x, weight = attack(spec, shape, cell, seed)
        plan = fl.plan(spec, shape, algorithm=algorithm)
        expected = in_double(spec, x, weight)
        check_within(plan(x, weight), expected, plan.error_bound * largest_place(spec, x, weight), dtype="float32")


def test_outputs_alone_would_not_do() -> None:
    """What the wider meaning of the bound is for: see docs/decisions/0012."""
    spec = fl.ConvSpec.parse("conv2d(8, 8, 3, bias=False)")
    x, weight = attack(spec, (1, 8, 12, 12), (1, 1), 1)
    plan, expected = fl.plan(spec, x.shape, algorithm="winograd"), in_double(spec, x, weight)
    assert abs(plan(x, weight) - expected).max() > plan.error_bound * magnitude(spec, x, weight, None)
    exact = fl.plan(spec, x.shape, accuracy="exact")
    check_within(exact(x, weight), expected, exact.error_bound * magnitude(spec, x, weight, None), dtype="float32")
