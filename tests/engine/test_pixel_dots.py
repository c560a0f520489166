"""bfloat16 dot products with output channels in the lanes: integers come out exact, whatever the layer and however arrays lie."""

from __future__ import annotations

import functools

import ml_dtypes
import numpy as np
import pytest

import faltung as fl
from faltung.engine.algorithm import Request
from faltung.engine.compiled import compile_conv
from faltung.engine.native import chosen_isa, has_bfloat16_dots
from faltung.engine.run import TRAINING_SAMPLES
from tests.support.check import check_same
from tests.support.engine import num_threads
from tests.support.layouts import channels_last, every_other

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)

pytestmark = pytest.mark.skipif(not has_bfloat16_dots(chosen_isa()), reason="this processor has no bfloat16 dot products")


def integers(shape: tuple[int, ...], seed: int, most: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-most, most + 1, shape)


LAYOUTS = {"first": np.ascontiguousarray, "last": channels_last, "apart": functools.partial(every_other, between=np.nan)}


def check(text: str, shape: tuple[int, ...], layout: str = "first", seed: int = 0) -> None:
    """The dot products of small integers are those of whole numbers, rounded once."""
    spec = fl.ConvSpec.parse(text)
    terms = spec.weight_shape[0 if spec.transposed else 1] * np.prod(spec.kernel_size)
    x, weight = integers(shape, seed, 2), integers(spec.weight_shape, seed + 1, 2 if terms < 100 else 1)
    bias = integers((spec.out_channels,), seed + 2, 3) if spec.bias else None
    expected = fl.conv(spec, x, weight, bias).astype(np.float32).astype(BFLOAT16)
    plan = fl.plan(spec, shape, BFLOAT16, algorithm="dots")
    assert plan.algorithm.endswith("dots")
    lay = LAYOUTS[layout]
    out = lay(np.zeros(expected.shape, BFLOAT16))
    prepared = plan.prepare(weight.astype(BFLOAT16), None if bias is None else bias.astype(BFLOAT16))
    for threads in (1, 2):
        with num_threads(threads):
            out[...] = 0
            check_same(prepared(lay(x.astype(BFLOAT16)), out=out), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("out_channels", [9, 15, 16, 17, 31, 48, 63, 64, 65, 80, 130])
def test_edges_of_vectors_of_channels(out_channels: int, layout: str) -> None:
    check(f"conv2d(6, {out_channels}, 3, padding=1)", (2, 6, 5, 7), layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("in_channels", [1, 2, 3, 4, 5, 15, 16, 31, 32, 33, 34, 256])
def test_edges_of_pairs_and_turned_blocks(in_channels: int, layout: str) -> None:
    for kernel in ("3, padding=1", "(2, 3), stride=2", "2, dilation=2", "1, stride=(1, 3)"):
        check(f"conv2d({in_channels}, 20, {kernel})", (1, in_channels, 6, 19), layout)


@pytest.mark.parametrize("size", [(1, 5), (1, 63), (1, 64), (1, 65), (2, 31), (3, 21), (4, 16), (5, 13), (7, 9), (9, 130)])
def test_edges_of_segments(size: tuple[int, int]) -> None:
    for layout in ("first", "last"):
        check("conv2d(8, 24, 3, padding=1)", (1, 8, *size), layout)
        check("conv_transpose2d(8, 24, 2, stride=2)", (1, 8, *size), layout)


@pytest.mark.parametrize("channels", [56, 57, 58, 114])
def test_edges_of_passes(channels: int) -> None:
    check(f"conv2d({channels}, 17, 3, padding=1, bias=False)", (1, channels, 4, 4))
    check(f"conv2d({channels}, 17, 3, padding=1, bias=False)", (1, channels, 4, 4), "last")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("conv_transpose2d(6, 20, 4, stride=2, padding=1)", (2, 6, 5, 7)),
        ("conv_transpose2d(7, 20, 3, stride=2, padding=1, output_padding=1)", (1, 7, 5, 7)),
        ("conv_transpose2d(6, 3, 2, stride=2, bias=False)", (1, 6, 40, 9)),
        ("conv_transpose2d(6, 20, (3, 4), stride=3)", (1, 6, 5, 30)),
        ("conv_transpose2d(6, 20, (5, 3), stride=(2, 3), dilation=(3, 1))", (1, 6, 5, 7)),
        ("conv_transpose2d(12, 20, 3, stride=2, groups=2)", (1, 12, 5, 7)),
        ("conv_transpose2d(6, 20, 2, stride=3)", (1, 6, 5, 30)),  # outputs that no input meets
        ("conv_transpose3d(4, 17, (3, 3, 4), stride=(3, 1, 2), padding=(0, 1, 1))", (1, 4, 2, 3, 5)),
        ("conv_transpose1d(16, 24, 7, stride=5)", (1, 16, 33)),
        ("conv3d(4, 17, 3, padding=1, stride=(2, 1, 2))", (1, 4, 5, 4, 6)),
        ("conv3d(4, 17, (3, 1, 1), padding=(1, 0, 0))", (1, 4, 5, 4, 6)),
        ("conv1d(16, 24, 9, padding=4)", (3, 16, 150)),
        ("conv2d(6, 20, 3, padding=(2, 5), dilation=(4, 3))", (1, 6, 11, 9)),
        ("conv2d(24, 60, 3, padding=1, groups=3)", (2, 24, 5, 6)),
        ("conv2d(6, 20, 3, padding=2, padding_mode='circular')", (1, 6, 5, 6)),
        ("conv2d(7, 20, 3, padding=2, stride=4, padding_mode='reflect')", (1, 7, 5, 9)),
    ],
)
def test_every_kind(text: str, shape: tuple[int, ...], layout: str) -> None:
    check(text, shape, layout)


@pytest.mark.parametrize(
    "kind",
    [
        "3, padding=1",
        "3, padding=3",
        "3, padding=1, stride=2",
        "(1, 7), padding=(0, 3)",
        "5, padding=((0, 4), (3, 1))",
        "3, padding=2, dilation=2",
        "3, padding=2, padding_mode='reflect'",
    ],
)
@pytest.mark.parametrize("channels", [3, 10, 256])
def test_taps_in_the_padding_are_left_out(kind: str, channels: int) -> None:
    for out_channels, size in ((64, (7, 7)), (70, (5, 31)), (64, (3, 32)), (48, (9, 33)), (130, (4, 3))):
        check(f"conv2d({channels}, {out_channels}, {kind})", (2, channels, *size), seed=size[1])


@pytest.mark.parametrize(
    "text",
    ["conv_transpose2d({}, 64, 4, stride=2, padding=1)", "conv_transpose2d({}, 96, 3, stride=(1, 2), padding=1, output_padding=(0, 1))"],
)
@pytest.mark.parametrize("channels", [6, 7, 256])
def test_taps_of_phases_in_the_padding_are_left_out(text: str, channels: int) -> None:
    for size in ((1, 1), (2, 16), (16, 5), (3, 33)):
        check(text.format(channels), (1, channels, *size), seed=size[0])


def test_input_gradients_are_dot_products() -> None:
    for text, size in (
        ("conv2d(24, 20, 3, padding=1)", (9, 8)),
        ("conv2d(24, 20, 3, stride=2, padding=1)", (9, 8)),
        ("conv2d(24, 20, 1, stride=2)", (9, 8)),
    ):
        spec = fl.ConvSpec.parse(text)
        grad, weight = integers((2, 20, *spec.output_size(size)), 0, 2), integers(spec.weight_shape, 1, 1)
        request = Request("bfloat16", is_prepared=False, samples=TRAINING_SAMPLES)
        assert compile_conv(spec, size, request, backward=True).algorithm == "phases+dots"
        expected = fl.conv_input_grad(spec, grad, weight, size).astype(np.float32).astype(BFLOAT16)
        check_same(fl.conv_input_grad(spec, grad.astype(BFLOAT16), weight.astype(BFLOAT16), size), expected)


def test_denormal_results_of_an_activation_stay() -> None:
    plan = fl.plan("conv2d(2, 16, 3, padding=1)", (1, 2, 4, 4), BFLOAT16, algorithm="dots")
    bias = np.full(16, -91, np.float32).astype(BFLOAT16)  # the sigmoid of -91 is denormal, 3e-40
    result = plan.prepare(np.zeros((16, 2, 3, 3), BFLOAT16), bias, activation="sigmoid")(np.zeros((1, 2, 4, 4), BFLOAT16))
    assert (result.astype(np.float64) > 0).all()
