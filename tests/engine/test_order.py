"""With ``accuracy="exact"`` sums are taken in one order: the same bits from every algorithm that may be chosen, whatever the sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import faltung as fl
from faltung.borders import PADDING_MODES
from faltung.engine.catalog import ALGORITHMS
from faltung.engine.native import available_isas
from tests.support.engine import forced_isa

DIRECT = [entry.name for entry in ALGORITHMS if entry.is_direct and entry.name != "general"]


@st.composite
def layers(draw: st.DrawFn) -> tuple[fl.ConvSpec, tuple[int, ...]]:
    """Of sizes at which kernels change their ways: few columns, few rows, rows of several vectors."""
    ndim = draw(st.integers(1, 3))
    longest = {1: 40, 2: 7, 3: 4}[ndim]
    kernel = tuple(draw(st.integers(1, longest)) for _ in range(ndim))
    dilation = tuple(draw(st.sampled_from([1, 1, 2])) for _ in range(ndim))
    stride = tuple(draw(st.sampled_from([1, 1, 2, 3])) for _ in range(ndim))
    transposed = draw(st.booleans())
    groups = draw(st.sampled_from([1, 1, 2, 5]))
    spec = fl.ConvSpec(
        groups * draw(st.sampled_from([1, 1, 2, 3, 20])),
        groups * draw(st.sampled_from([1, 1, 2, 3, 17])),
        kernel,
        stride,
        tuple((draw(st.integers(0, k)), draw(st.integers(0, k))) for k in kernel) if not transposed else 0,
        dilation,
        groups,
        draw(st.booleans()),
        draw(st.sampled_from(("zeros", "zeros", *PADDING_MODES))) if not transposed else "zeros",
        transposed,
        flip=draw(st.booleans()),
    )
    largest = {1: 150, 2: 20, 3: 8}[ndim]
    size = tuple(k * d + draw(st.sampled_from([0, 1, 2, 3, draw(st.integers(4, largest))])) for k, d in zip(kernel, dilation, strict=True))
    return spec, size


def drawn(spec: fl.ConvSpec, size: tuple[int, ...], dtype: str, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    shapes = [(spec.in_channels, *size), spec.weight_shape, spec.bias_shape]
    return [None if shape is None else rng.standard_normal(shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("isa", available_isas())
@settings(max_examples=120, deadline=None)
@given(layers(), st.sampled_from(["float32", "float32", "float64", "float16"]))
def test_all_that_may_be_chosen_agree(isa: str, layer: tuple[fl.ConvSpec, tuple[int, ...]], dtype: str) -> None:
    spec, size = layer
    arrays = drawn(spec, size, dtype)
    with forced_isa(isa):
        expected = fl.plan(spec, arrays[0].shape, dtype, algorithm="general")(*arrays).tobytes()
        for name in ("auto", *DIRECT):
            try:
                planned = fl.plan(spec, arrays[0].shape, dtype, algorithm=name, accuracy="exact")
            except fl.ConvPlanError:
                continue
            assert planned(*arrays).tobytes() == expected, (name, planned.algorithm)
        assert fl.conv(spec, *arrays, accuracy="exact").tobytes() == expected


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("conv2d(300, 40, 3, padding=1)", (9, 9)),  # sums in several blocks of channels
        ("conv2d(1024, 24, 1)", (5, 5)),
        ("conv2d(64, 64, 3, padding=18, dilation=18)", (20, 20)),  # most products are with zeros of the padding
        ("conv3d(32, 32, 3, padding=1)", (4, 7, 7)),
        ("conv2d(1, 1, 15, padding=7)", (70, 130)),
        ("conv2d(40, 40, 7, stride=2, padding=3, groups=40)", (15, 15)),
        ("conv_transpose2d(20, 20, 4, stride=2, padding=1, groups=20)", (11, 13)),
        ("conv2d(1, 1, (15, 2), padding=(7, 1))", (400, 2)),  # the longer axis lies in the lanes
        ("conv2d(20, 20, 3, padding=1)", (200, 3)),
        ("conv2d(6, 6, 3, stride=(2, 1), padding=1, dilation=(1, 2), groups=2)", (150, 6)),
        ("conv3d(1, 1, 3, padding=1, padding_mode='reflect')", (30, 40, 3)),
        ("conv3d(2, 3, (3, 1, 2), padding=(1, 0, 1))", (5, 90, 3)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_of_other_algorithms(text: str, size: tuple[int, ...], dtype: str) -> None:
    spec = fl.ConvSpec.parse(text)
    arrays = drawn(spec, size, dtype)
    expected = fl.plan(spec, arrays[0].shape, dtype, algorithm="general")(*arrays).tobytes()
    assert fl.conv(spec, *arrays, accuracy="exact").tobytes() == expected


def test_integers_are_exact_in_any_order() -> None:
    spec = fl.ConvSpec(1, 1, (5, 5), bias=False)
    refused = {entry.algorithm: entry.reason for entry in fl.plan(spec, (1, 40, 40), "float32", accuracy="exact").why if not entry.fits}
    assert "sums the 25 products of an output in one order" in refused["depthwise"]
    assert fl.plan(spec, (1, 40, 40), "int32", algorithm="depthwise", accuracy="exact").algorithm == "depthwise"
