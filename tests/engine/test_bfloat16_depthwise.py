"""Depthwise layers of bfloat16, read as they are stored: sums in float32 in the order of float32's kernels, rounded once."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import faltung as fl
from faltung.engine.native import chosen_isa, has_bfloat16_dots
from tests.support.check import check_same
from tests.support.engine import expected_forward, expected_on_large, labelled, normal_arrays, num_threads
from tests.support.strategies import Problem, integers_of_shape

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
pytestmark = pytest.mark.skipif(not has_bfloat16_dots(chosen_isa()), reason="this processor has no instructions for bfloat16")

# Whole vectors and strips of columns, half of one and a quarter of two channels, and one more or less; heights around tiles and strips.
SIZES = [
    (1, 9),
    (3, 1),
    (4, 7),
    (5, 8),
    (7, 9),
    (8, 15),
    (9, 16),
    (15, 17),
    (16, 24),
    (17, 25),
    (6, 31),
    (13, 32),
    (14, 33),
    (63, 10),
    (66, 12),
]
SIZES += [(65, 56), (10, 64), (3, 89), (2, 100)]
KINDS = {
    "3x3": "3, padding=1",
    "3x3/2": "3, padding=1, stride=2",
    "3x3 without padding": "3",
    "3x3/2 far out": "3, padding=4, stride=2",
    "3x3 far out": "3, padding=5",
    "3x3 uneven": "3, padding=((0, 2), (1, 0))",
    "3x3/(2,1)": "3, padding=1, stride=(2, 1)",
    "3x3/(1,2)": "3, padding=1, stride=(1, 2)",
    "5x5": "5, padding=2",
    "5x5/2": "5, padding=2, stride=2",
    "7x7": "7, padding=3",
    "7x7/2": "7, padding=3, stride=2",
    "2x4": "(2, 4), padding=1",
    "6x3/(3,2)": "(6, 3), padding=2, stride=(3, 2)",
    "1x6": "(1, 6), padding=2",
    "6x1": "(6, 1), padding=2",
}


def integers(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Small enough that sums of 49 products are exact in bfloat16's 8 bits."""
    return np.clip(integers_of_shape(shape, seed, np.int64), -1, 1).astype(BFLOAT16)


def plan(spec: fl.ConvSpec, shape: tuple[int, ...], dtype: Any = BFLOAT16) -> fl.Plan:
    return fl.plan(spec, shape, dtype, algorithm="depthwise")


def last(a: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_at_the_edges_of_tiles(kind: str) -> None:
    for number, size in enumerate(SIZES):
        groups, multiplier = 1 + number % 5, 1 + number % 3 // 2
        spec = fl.ConvSpec.parse(f"conv2d({groups}, {groups * multiplier}, {KINDS[kind]}, groups={groups}, bias={number % 2 == 0})")
        shape = (1 + number % 2, groups, *size)
        try:
            spec.output_shape(shape)
        except fl.ConvShapeError:
            continue
        x, weight = integers(shape, 1), integers(spec.weight_shape, 2)
        bias = integers((spec.out_channels,), 3) if spec.bias else None
        with labelled((spec, shape)):
            prepared, expected = plan(spec, shape).prepare(weight, bias), expected_on_large(spec, x, weight, bias)
            check_same(prepared(x), expected)
            check_same(np.ascontiguousarray(prepared(last(x), out=last(np.zeros_like(expected)))), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(14, 14), (30, 56), (70, 41)])
def test_rounded_once_from_the_sums_of_float32(kind: str, size: tuple[int, int]) -> None:
    spec = fl.ConvSpec.parse(f"conv2d(5, 5, {KINDS[kind]}, groups=5)")
    x, weight, bias = normal_arrays(Problem(spec, size, 3, 5), BFLOAT16)
    wide = [a.astype(np.float32) for a in (x, weight, bias)]
    with num_threads(1):
        expected = plan(spec, x.shape, np.float32).prepare(*wide[1:])(wide[0])
    prepared = plan(spec, x.shape).prepare(weight, bias)
    for threads in (1, 2, 7):
        with num_threads(threads), labelled(threads):
            check_same(prepared(x), expected.astype(BFLOAT16), bits=True)
            check_same(prepared(x[1:2]), expected[1:2].astype(BFLOAT16), bits=True)


@pytest.mark.parametrize("activation", [None, "relu", "relu6", "hardswish"])
@pytest.mark.parametrize("kind", ["3x3", "3x3/2", "5x5", "5x5/2"])
@pytest.mark.parametrize("size", [(9, 7), (27, 40), (20, 56)])
def test_rounded_after_the_epilogue(kind: str, activation: str | None, size: tuple[int, int]) -> None:
    spec = fl.ConvSpec.parse(f"conv2d(3, 3, {KINDS[kind]}, groups=3)")
    x, weight, bias = normal_arrays(Problem(spec, size, 2, 5), BFLOAT16)
    residual = np.random.default_rng(1).standard_normal(spec.output_shape(x.shape)).astype(BFLOAT16)
    wide = [a.astype(np.float32) for a in (x, weight, bias, residual)]
    summed = plan(spec, x.shape, np.float32).prepare(*wide[1:3], activation)
    prepared = plan(spec, x.shape).prepare(weight, bias, activation)
    check_same(prepared(x), summed(wide[0]).astype(BFLOAT16), bits=True)
    check_same(prepared(x, residual=residual), summed(wide[0], residual=wide[3]).astype(BFLOAT16), bits=True)


@pytest.mark.parametrize("kind", ["3x3", "3x3/2", "5x5", "5x5/2"])
def test_denormal_sums_and_what_is_not_finite(kind: str) -> None:
    """Denormal sums are rounded as others are, zeros among them stay; NaN and Inf are where the definition has them."""
    spec = fl.ConvSpec.parse(f"conv2d(3, 3, {KINDS[kind]}, groups=3)")
    x, weight, bias = normal_arrays(Problem(spec, (19, 40), 1, 5), BFLOAT16)
    x, weight = ((a.astype(np.float32) * np.float32(2.0**-66)).astype(BFLOAT16) for a in (x, weight))
    bias = np.zeros_like(bias)
    x[:, 1] = 0
    x[0, 2, 5, 7], x[0, 2, 9, 30] = np.inf, np.nan
    for number in range(2):
        weight[1, 0, 0, 0] = (weight[1, 0, 0, 1], np.inf)[number]
        wide = [a.astype(np.float32) for a in (x, weight, bias)]
        found = plan(spec, x.shape).prepare(weight, bias)(x)
        check_same(found, fl.conv(spec, *wide, accuracy="exact").astype(BFLOAT16))
        sums = np.abs(found[:, 0].astype(np.float64))
        assert (sums > 0).mean() > 0.9
        assert (sums < 2.0**-126).mean() > 0.9


@pytest.mark.parametrize("change", ["turned around", "spread", "rows apart", "rows turned around"])
def test_however_arrays_lie(change: str) -> None:
    spec = fl.ConvSpec.parse("conv2d(4, 8, 3, padding=1, groups=4)")
    views = {
        "turned around": lambda a: np.ascontiguousarray(a[:, ::-1, :, ::-1])[:, ::-1, :, ::-1],
        "spread": lambda a: np.repeat(a, 2, axis=3)[..., ::2],
        "rows apart": lambda a: np.pad(a, ((0, 0), (0, 0), (0, 0), (0, 3)))[..., :-3],
        "rows turned around": lambda a: np.ascontiguousarray(a[:, :, ::-1])[:, :, ::-1],
    }
    view = views[change]
    x, weight, bias = integers((2, 4, 20, 41), 1), integers(spec.weight_shape, 2), integers((8,), 3)
    expected = expected_forward(spec, x, weight, bias)
    prepared = plan(spec, x.shape).prepare(weight, bias)
    check_same(np.ascontiguousarray(prepared(view(x), out=view(np.zeros_like(expected)))), expected)


def test_large_kernels_and_maps_are_read_as_stored() -> None:
    for text, shape in (
        ("conv2d(3, 3, 7, padding=3, groups=3)", (1, 3, 56, 56)),
        ("conv2d(2, 2, 3, padding=1, groups=2)", (1, 2, 500, 400)),
    ):
        spec = fl.ConvSpec.parse(text)
        weight = np.ones(spec.weight_shape, BFLOAT16)
        prepared = fl.plan(spec, shape, BFLOAT16).prepare(weight)
        x = integers(shape, 1)
        assert prepared.algorithm == "depthwise"
        check_same(prepared(x), expected_on_large(spec, x, weight))


def test_chosen_where_small_maps_would_be_converted() -> None:
    """In float32 channels in the lanes serve small maps better; converting to it costs more than it gains."""
    spec, shape = fl.ConvSpec.parse("conv2d(576, 576, 3, stride=2, padding=1, groups=576)"), (1, 576, 14, 14)
    assert fl.plan(spec, shape, "float32").algorithm == "channelwise"
    chosen = fl.plan(spec, shape, BFLOAT16)
    assert chosen.algorithm == "depthwise"
    assert [decision.algorithm for decision in chosen.why if decision.chosen] == ["depthwise"]
    x, weight = integers(shape, 1), integers(spec.weight_shape, 2)
    check_same(chosen.prepare(weight)(x), expected_forward(spec, x, weight, None))
