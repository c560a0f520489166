"""Half precision: stored in 16 bits, summed in float32, rounded once; bfloat16 by dot products where the processor has them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import faltung as fl
from faltung.engine import run
from faltung.engine.arrays import narrowed, widened
from faltung.engine.native import available_isas, chosen_isa, has_bfloat16_dots
from faltung.extras import MissingExtraError
from tests.support.check import check_same, check_within
from tests.support.engine import (
    expected_forward,
    expected_input_grad,
    forced_isa,
    labelled,
    magnitude,
    normal_arrays,
    num_threads,
    run_python,
)  # fmt: skip
from tests.support.layouts import channels_last, every_other, unaligned
from tests.support.strategies import Problem, integers_of_shape

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
HALVES = [np.dtype(np.float16), BFLOAT16]
needs_dots = pytest.mark.skipif(not has_bfloat16_dots(chosen_isa()), reason="this processor has no bfloat16 dot products")


def integers(shape: tuple[int, ...], seed: int, dtype: Any = BFLOAT16, most: int = 2) -> np.ndarray:
    """Small enough that sums of some thousand products are exact in float32."""
    return np.clip(integers_of_shape(shape, seed, np.int64), -most, most).astype(dtype)


def arrays(
    spec: fl.ConvSpec, shape: tuple[int, ...], dtype: Any = BFLOAT16, most: int = 2
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    bias = integers((spec.out_channels,), 3, dtype) if spec.bias else None
    return integers(shape, 1, dtype, most), integers(spec.weight_shape, 2, dtype, most), bias


# -- conversions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("isa", available_isas())
def test_every_number_there_and_back(isa: str, dtype: np.dtype) -> None:
    every = np.arange(2**16, dtype=np.uint16).view(dtype)
    with forced_isa(isa), np.errstate(invalid="ignore"):
        wide = widened(every)
        check_same(wide, every.astype(np.float32))
        back = np.empty_like(every)
        narrowed(wide, back)
        check_same(back, every)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("isa", available_isas())
def test_rounded_to_the_nearest(isa: str, dtype: np.dtype) -> None:
    """Between any two neighbours: the middle goes to the even one, all else to the nearer one; NaN stays NaN."""
    every = np.arange(2**16, dtype=np.uint16).view(dtype).astype(np.float32).view(np.uint32)
    step = np.uint32(1 << (16 if dtype == BFLOAT16 else 13))
    around = np.concatenate([every + step // 2 + np.uint32(off) for off in (2**32 - 1, 0, 1)] + [every + np.uint32(1), every + step // 3])
    wide = np.concatenate([around.view(np.float32), np.float32([0.0, -0.0, 1e-45, -1e-40, 6e-8, 65519.99, 65520, 3.4e38, np.inf, np.nan])])
    found = np.empty(wide.shape, dtype)
    with forced_isa(isa), np.errstate(over="ignore", invalid="ignore"):
        narrowed(wide, found)
        check_same(found, wide.astype(dtype))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize(
    "view",
    [lambda a: a[::-1, :, ::3], lambda a: a.T, lambda a: a[:, :0], lambda a: np.broadcast_to(a[:, :1], a.shape), lambda a: a[0, 0, 5]],
)
def test_converted_however_it_lies(view: Callable[[np.ndarray], np.ndarray], dtype: np.dtype) -> None:
    half = np.asarray(view(integers((3, 5, 40), 1, dtype)))
    check_same(np.ascontiguousarray(widened(half)), np.ascontiguousarray(half.astype(np.float32)))
    target = every_other(np.zeros(half.shape, dtype))
    narrowed(widened(half), target)
    check_same(target.base, every_other(half).base)  # what lies between is left alone


def test_bfloat16_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether its package has been imported before or not; a clear error where it is not installed."""
    done = run_python("import faltung as fl; print(fl.plan('conv1d(1, 1, 3)', (1, 9), 'bfloat16').dtype)")
    assert (done.stdout, done.stderr) == ("bfloat16\n", "")
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(MissingExtraError, match="bfloat16 in NumPy needs ml-dtypes, which is not installed"):
        fl.plan("conv1d(1, 1, 3)", (1, 9), "bfloat16")


# -- dot products: tiles, passes, layouts ------------------------------------------------------------

CHANNELS = [1, 2, 7, 8, 9, 15, 17]
EDGES = [(1, 7), (1, 8), (1, 9), (1, 15), (1, 16), (1, 17), (1, 47), (1, 48), (1, 49), (7, 7), (5, 29)]
KINDS = ["1", "3, padding=1", "3, stride=2", "(1, 5), dilation=(1, 2)", "2, stride=2", "(1, 3), stride=(1, 4)"]


def check_dots(spec: fl.ConvSpec, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> None:
    plan = fl.plan(spec, x.shape, BFLOAT16, algorithm="dots")
    check_same(plan.prepare(weight, bias)(x), expected_forward(spec, x, weight, bias))


@needs_dots
@pytest.mark.parametrize("kind", KINDS)
def test_at_the_edges_of_tiles(kind: str) -> None:
    for number, size in enumerate(EDGES):
        for out in (CHANNELS[number % len(CHANNELS)], CHANNELS[(3 * number + 1) % len(CHANNELS)]):
            spec = fl.ConvSpec.parse(f"conv2d({1 + number % 4}, {out}, {kind})")
            try:
                shape = (1 + number % 2, spec.in_channels, *size)
                spec.output_shape(shape)
            except fl.ConvShapeError:
                continue
            with labelled((spec, shape)):
                check_dots(spec, *arrays(spec, shape))


@needs_dots
@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("conv2d(5121, 9, 1)", (1, 5121, 3, 4)),  # two passes over planes, odd
        ("conv2d(5200, 3, 1)", (2, 5200, 1, 2)),  # samples that share columns, two passes
        ("conv2d(601, 5, 3, padding=1)", (1, 601, 7, 7)),  # two passes over rows, odd
        ("conv2d(130, 70, 3, padding=1)", (3, 130, 9, 9)),
        ("conv2d(20, 70, 1)", (5, 20, 1, 1)),
        ("conv1d(3, 70, 7, padding='causal')", (2, 3, 100)),
        ("conv3d(5, 12, 3, stride=(1, 2, 1), padding=1)", (1, 5, 4, 7, 9)),
        ("conv2d(6, 12, 3, padding=1, groups=3)", (2, 6, 9, 9)),
        ("conv2d(4, 8, 3, padding=2, padding_mode='reflect')", (1, 4, 6, 17)),
        ("conv2d(4, 8, 3, padding=2, padding_mode='circular', flip=True)", (1, 4, 6, 17)),
        ("conv_transpose2d(12, 20, 4, stride=2, padding=1)", (2, 12, 7, 6)),
        ("conv_transpose2d(4, 8, 3, padding=1)", (1, 4, 6, 6)),
    ],
)
def test_every_kind(text: str, shape: tuple[int, ...]) -> None:
    spec = fl.ConvSpec.parse(text)
    check_dots(spec, *arrays(spec, shape, most=1))


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "channels last": channels_last,
    "samples side by side": lambda a: np.ascontiguousarray(a.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2),
    "turned around": lambda a: np.ascontiguousarray(a[:, ::-1, :, ::-1])[:, ::-1, :, ::-1],
    "spread": lambda a: np.repeat(a, 2, axis=3)[..., ::2],
    "rows apart": lambda a: np.pad(a, ((0, 0), (0, 0), (0, 0), (0, 3)))[..., :-3],
    "unaligned": unaligned,
}


@needs_dots
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("text", ["conv2d(24, 40, 1)", "conv2d(24, 40, 3, padding=1, stride=2)", "conv2d(24, 24, 3, groups=24)"])
@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_every_layout(text: str, layout: str, dtype: np.dtype) -> None:
    spec = fl.ConvSpec.parse(text)
    x, weight, bias = arrays(spec, (2, 24, 9, 11), dtype)
    expected = expected_forward(spec, x, weight, bias)
    change = LAYOUTS[layout]
    prepared = fl.plan(spec, x.shape, dtype).prepare(change(weight), bias)
    for _ in range(2):
        check_same(prepared(change(x)), expected)
        check_same(fl.conv(spec, change(x), change(weight), bias), expected)
    out = change(np.zeros(expected.shape, dtype))
    assert prepared(change(x), out=out) is out
    check_same(np.ascontiguousarray(out), expected)
    check_same(np.ascontiguousarray(fl.conv(spec, x, weight, bias, out=out)), expected)


DEFINITIONS: dict[str | None, Callable[[np.ndarray], np.ndarray]] = {
    None: lambda y: y,
    "relu": lambda y: np.maximum(y, 0),
    "relu6": lambda y: np.clip(y, 0, 6),
    "silu": lambda y: y / (1 + np.exp(-y)),
}


@needs_dots
@pytest.mark.parametrize("activation", [None, "relu", "relu6", "silu"])
@pytest.mark.parametrize("text", ["conv2d(24, 70, 1)", "conv2d(24, 70, 3, padding=1)", "conv2d(70, 70, 3, padding=1, groups=70)"])
@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_rounded_after_the_epilogue(dtype: np.dtype, text: str, activation: str | None) -> None:
    spec = fl.ConvSpec.parse(text)
    x, weight, bias = normal_arrays(Problem(spec, (9, 9), 2, 5), dtype)
    residual = normal_arrays(Problem(spec, (9, 9), 2, 5), dtype)[0][:, :1].repeat(spec.out_channels, axis=1)
    sums = fl.conv(spec, *(a.astype(np.float32) for a in (x, weight, bias)), accuracy="exact")
    prepared = fl.plan(spec, x.shape, dtype).prepare(weight, bias, activation)
    unit = 2.0**-8 if dtype == BFLOAT16 else 2.0**-11
    for added in (None, residual, channels_last(residual)):
        total = sums if added is None else sums + added.astype(np.float32)
        expected = DEFINITIONS[activation](total)
        found = prepared(x, residual=added)
        assert found.dtype == dtype
        check_within(found, expected, unit * np.abs(expected) + 1e-4, dtype=dtype)
        check_same(prepared(x, residual=added), found, bits=True)


# -- the same bits -----------------------------------------------------------------------------------

LAYERS = [
    ("conv2d(40, 33, 1)", (17, 23)),
    ("conv2d(16, 40, 3, padding=1)", (17, 23)),
    ("conv2d(3, 30, 5, stride=2, padding=2)", (40, 40)),
    ("conv2d(700, 40, 3, padding=1)", (7, 7)),
    ("conv2d(48, 48, 3, padding=1, groups=48)", (33, 40)),
    ("conv_transpose2d(24, 18, 4, stride=2, padding=1)", (9, 11)),
]


@pytest.mark.parametrize(("text", "size"), LAYERS)
@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_the_same_bits_always(text: str, size: tuple[int, ...], dtype: np.dtype) -> None:
    spec = fl.ConvSpec.parse(text)
    x, weight, bias = normal_arrays(Problem(spec, size, 5, 5), dtype)
    prepared = fl.plan(spec, x.shape, dtype).prepare(weight, bias)
    with num_threads(1):
        expected = prepared(x)
        grad = fl.conv_input_grad(spec, expected, weight, size)
    for threads in (2, 3, 8):
        with num_threads(threads), labelled(threads):
            check_same(prepared(x), expected, bits=True)
            check_same(np.concatenate([prepared(part) for part in (x[:2], x[2:3], x[3:])]), expected, bits=True)
            check_same(fl.conv_input_grad(spec, expected, weight, size), grad, bits=True)
            check_same(np.ascontiguousarray(prepared(channels_last(x), out=channels_last(np.zeros_like(expected)))), expected, bits=True)


# -- what dot products do not serve ------------------------------------------------------------------

SMALL = float(np.ldexp(1.0, -130))  # denormal in bfloat16 and float32


@pytest.mark.parametrize("text", ["conv2d(16, 24, 1)", "conv2d(16, 24, 3, padding=1)"])
@pytest.mark.parametrize(
    ("where", "value"), [(0, np.inf), (0, np.nan), (0, SMALL), (0, 1e30), (1, np.inf), (1, np.nan), (1, SMALL), (1, 1e30)]
)
def test_numbers_that_are_summed_directly(text: str, where: int, value: float) -> None:
    """NaN, Inf, denormal and very large numbers are as the definition has them, in their sample; other samples keep their bits."""
    spec = fl.ConvSpec.parse(text)
    given = list(arrays(spec, (3, 16, 9, 9)))
    plain = fl.conv(spec, *given)
    given[where] = given[where].copy()
    given[where][(1, 3, 2 if where == 0 else 0, 0)] = value
    exact = fl.conv(spec, *given, accuracy="exact")
    prepared = fl.plan(spec, given[0].shape, BFLOAT16).prepare(*given[1:])
    for found in (fl.conv(spec, *given), prepared(given[0])):
        check_same(found, exact)
        if where == 0:
            check_same(found[[0, 2]], plain[[0, 2]], bits=True)


def test_denormal_numbers_are_no_zeros() -> None:
    """Not even beside infinity: denormal * Inf is Inf, and 0 * Inf would be NaN."""
    spec = fl.ConvSpec.parse("conv2d(2, 8, 1, bias=False)")
    x, weight = np.ones((1, 2, 4, 4), BFLOAT16), np.ones((8, 2, 1, 1), BFLOAT16)
    x[0, 0], weight[:, 0] = np.inf, SMALL
    assert np.isposinf(fl.conv(spec, x, weight)).all()
    x[0, 0], weight[:, 0] = SMALL, 2.0**100
    check_same(fl.conv(spec, x, weight), np.full((1, 8, 4, 4), 1 + 2.0**-30, BFLOAT16))
    x[0, 1], weight[:, 0] = 0, 1
    check_same(fl.conv(spec, x, weight), np.full((1, 8, 4, 4), SMALL, BFLOAT16))


@pytest.mark.parametrize("isa", available_isas())
@pytest.mark.parametrize(("text", "size"), LAYERS)
def test_every_instruction_set_keeps_the_bound(text: str, size: tuple[int, ...], isa: str) -> None:
    spec = fl.ConvSpec.parse(text)
    x, weight, bias = normal_arrays(Problem(spec, size, 1, 5), BFLOAT16)
    with forced_isa(isa):
        plan = fl.plan(spec, x.shape, BFLOAT16)
        wide = fl.conv(spec, *(a.astype(np.float64) for a in (x, weight, bias)), accuracy="exact")
        check_within(plan(x, weight, bias), wide, plan.error_bound * magnitude(spec, x, weight, bias), dtype=BFLOAT16)
        grad = integers(spec.output_shape(x.shape), 8)
        few = integers(spec.weight_shape, 9, most=1)
        check_same(fl.conv_input_grad(spec, grad, few, size, accuracy="exact"), expected_input_grad(spec, grad, few, size))


# -- what is chosen ----------------------------------------------------------------------------------


@needs_dots
def test_what_is_chosen() -> None:
    layer, shape = fl.ConvSpec.parse("conv2d(64, 256, 1)"), (1, 64, 56, 56)
    assert fl.plan(layer, shape, BFLOAT16).algorithm == "dots"
    assert fl.plan(layer, shape, BFLOAT16, accuracy="exact").algorithm == "pointwise"
    assert fl.plan(layer, shape, "float16").algorithm == "pointwise"
    assert fl.plan(layer, shape, BFLOAT16, algorithm="pointwise").algorithm == "pointwise"
    assert fl.plan("conv2d(64, 64, 3, padding=1, groups=64)", shape, BFLOAT16).algorithm == "depthwise"
    with pytest.raises(fl.ConvPlanError, match="these are float16"):
        fl.plan(layer, shape, "float16", algorithm="dots")
    with pytest.raises(fl.ConvPlanError, match="denormal"):
        fl.plan(layer, shape, BFLOAT16, algorithm="dots", accuracy="exact")
    with forced_isa("avx2"), pytest.raises(fl.ConvPlanError, match="dot products"):
        fl.plan(layer, shape, BFLOAT16, algorithm="dots")


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("text", ["conv2d(24, 40, 1)", "conv2d(24, 40, 3, padding=1)", "conv2d(24, 24, 3, groups=24)"])
def test_one_native_call(text: str, dtype: np.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = fl.ConvSpec.parse(text)
    x, weight, bias = arrays(spec, (2, 24, 9, 11), dtype)
    prepared = fl.plan(spec, x.shape, dtype).prepare(weight, bias, "relu")
    expected = fl.conv(spec, x, weight, bias)
    monkeypatch.setattr(run, "run_packed", None)
    check_same(fl.conv(spec, x, weight, bias), expected)
    check_same(prepared(x), np.maximum(expected, np.zeros((), dtype)))
    check_same(prepared(x, residual=expected), np.maximum(expected + expected, np.zeros((), dtype)))
