"""Sizes at the ends of the scale: nothing, one, and more than any machine holds. Right answers or a `ConvError`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given

import faltung as fl
from faltung import ndimage, signal
from tests.support.check import check_error, check_same
from tests.support.engine import check_all_directions, examples, labelled
from tests.support.strategies import Problem, integers_of_shape, problems

FAR = 2**40


@examples(60)
@given(problems())
def test_an_empty_batch(problem: Problem) -> None:
    spec, size = problem.spec, problem.input_size
    x, grad = (np.zeros((0, *shape[1:]), np.float32) for shape in (problem.input_shape, problem.output_shape))
    weight = np.ones(spec.weight_shape, np.float32)
    check_same(fl.conv(spec, x, weight), grad)
    check_same(fl.conv_input_grad(spec, grad, weight, size), x)
    check_same(fl.conv_weight_grad(spec, x, grad), np.zeros(spec.weight_shape, np.float32))


@pytest.mark.parametrize("dtype", ["float32", "int8", "complex64", "float16"])
def test_axes_of_no_cells(dtype: str) -> None:
    def zeros(*shape: int) -> np.ndarray:
        return np.zeros(shape, dtype)

    result = np.result_type(dtype) if dtype != "int8" else np.dtype(np.int64)
    weight, bias = np.ones((3, 4, 2, 2), dtype), np.arange(3).astype(dtype)
    check_same(fl.conv2d(zeros(2, 4, 0, 8), weight), zeros(2, 3, 0, 7).astype(result))
    check_same(fl.conv2d(zeros(2, 4, 0, 0), weight), zeros(2, 3, 0, 0).astype(result))
    check_same(fl.conv_transpose2d(zeros(2, 3, 0, 8), weight), zeros(2, 4, 0, 9).astype(result))
    padded = np.broadcast_to(np.arange(3).reshape(3, 1, 1), (2, 3, 1, 9)).astype(result)  # nothing but padding: the bias is left
    check_same(fl.conv2d(zeros(2, 4, 0, 8), weight, bias, padding=1), padded)
    spec = fl.ConvSpec(4, 3, 2, padding=1, ndim=2)
    check_same(fl.conv_input_grad(spec, np.ones((2, 3, 1, 9), dtype), weight, (0, 8)), zeros(2, 4, 0, 8).astype(result))
    check_same(fl.conv_weight_grad(spec, zeros(2, 4, 0, 8), np.ones((2, 3, 1, 9), dtype)), zeros(3, 4, 2, 2).astype(result))


@pytest.mark.parametrize(
    "text", ["conv1d(2, 3, 1, stride=2)", "conv_transpose1d(2, 3, 1, stride=3)", "conv_transpose2d(2, 3, 1, stride=(3, 1))"]
)
@pytest.mark.parametrize("has_bias", [True, False])
def test_cells_that_receive_nothing(text: str, has_bias: bool) -> None:
    """A kernel smaller than its stride leaves gaps: in the output of a transposed convolution, in the input's gradient."""
    spec = fl.ConvSpec.parse(text)
    x, weight = integers_of_shape((2, 2, *(4,) * spec.ndim), 5, "float32"), integers_of_shape(spec.weight_shape, 6, "float32")
    bias = integers_of_shape((3,), 7, "float32") if has_bias else None
    check_all_directions(spec, x, weight, bias, integers_of_shape(spec.output_shape(x.shape), 8, "float32"))


def test_an_output_that_receives_nothing_at_all() -> None:
    """Dilation 3 and stride 3 write every third cell; cropped to a cell between them."""
    spec = fl.ConvSpec(1, 1, 2, stride=3, dilation=3, padding=((1, 4),), transposed=True, ndim=1)
    x, weight, bias = np.ones((1, 1, 2)), np.ones((1, 1, 2)), np.array([5.0])
    check_same(fl.conv(spec, x, weight, bias), np.array([[[5.0, 5.0]]]))
    check_same(fl.conv(spec, x, weight), np.array([[[0.0, 0.0]]]))
    check_same(fl.conv_input_grad(spec, np.ones((1, 1, 2)), weight, 2), np.zeros((1, 1, 2)))
    check_same(fl.conv_weight_grad(spec, x, np.ones((1, 1, 2))), np.zeros((1, 1, 2)))
    assert fl.plan(spec, x.shape).workspace_bytes >= 0


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_astronomic_padding_and_dilation(dtype: str) -> None:
    """Three taps, 2**40 cells apart: only the middle one ever lies inside."""
    x, weight = np.arange(5).astype(dtype)[None, None], np.array([[[2, 3, 4]]], dtype)
    spec = fl.ConvSpec(1, 1, 3, padding=FAR, dilation=FAR, ndim=1, bias=False)
    check_same(fl.conv(spec, x, weight), 3 * x)
    check_same(fl.conv_input_grad(spec, x, weight, 5), 3 * x)
    check_same(fl.conv_weight_grad(spec, x, x), np.array([[[0, 30, 0]]], dtype))
    turned = fl.ConvSpec(1, 1, 3, padding=FAR, dilation=FAR, ndim=1, bias=False, transposed=True)
    check_same(fl.conv(turned, x, weight), 3 * x)
    check_same(fl.conv_input_grad(turned, x, weight, 5), 3 * x)
    check_same(fl.conv_weight_grad(turned, x, x), np.array([[[0, 30, 0]]], dtype))


@pytest.mark.parametrize(
    ("mode", "cells"), [("circular", [1, 0, 4]), ("replicate", [0, 0, 4]), ("reflect", [0, 0, 0]), ("symmetric", [1, 0, 0])]
)
def test_astronomic_padding_that_wraps(mode: str, cells: list[int]) -> None:
    """The taps for output 0 lie 2**40 cells before, on, and 2**40 behind cell 0; which cells are there is counted here."""
    before = {"circular": -FAR % 5, "replicate": 0, "reflect": reflected(-FAR, 5), "symmetric": symmetric(-FAR, 5)}[mode]
    behind = {"circular": FAR % 5, "replicate": 4, "reflect": reflected(FAR, 5), "symmetric": symmetric(FAR, 5)}[mode]
    x, weight = np.array([[[1, 10, 100, 1000, 10000]]]), np.array([[[2, 3, 4]]])
    y = fl.conv1d(x, weight, padding=FAR, dilation=FAR, padding_mode=mode)
    assert y.shape == (1, 1, 5)
    assert y[0, 0, 0] == 2 * 10**before + 3 + 4 * 10**behind


def reflected(position: int, size: int) -> int:
    """Walk along …, 2, 1, 0, 1, 2, …, size-1, …, 1, 0, … whose period is 2*(size - 1)."""
    lap = [*range(size), *range(size - 2, 0, -1)]
    return lap[position % len(lap)]


def symmetric(position: int, size: int) -> int:
    lap = [*range(size), *range(size - 1, -1, -1)]
    return lap[position % len(lap)]


def test_astronomic_stride_and_cropping() -> None:
    x = np.arange(1.0, 6.0)[None, None]
    check_same(fl.conv1d(x, np.ones((1, 1, 2)), stride=FAR), np.array([[[3.0]]]))
    check_same(fl.conv1d(x, np.ones((1, 1, 1)), stride=FAR, padding=((0, FAR),)), np.array([[[1.0, 0.0]]]))
    check_same(fl.conv1d(x, np.ones((1, 1, 1)), padding=((-4, FAR),), stride=FAR), np.array([[[5.0, 0.0]]]))
    check_same(fl.conv_transpose1d(x[..., :2], np.ones((1, 1, 1)), stride=FAR, padding=((FAR, -3),)), np.array([[[2.0, 0.0, 0.0, 0.0]]]))


UNALLOCATABLE: dict[str, Callable[[], object]] = {
    "forward": lambda: fl.conv1d(np.ones((1, 1, 5)), np.ones((1, 1, 1)), padding=2**50),
    "forward, in half precision": lambda: fl.conv1d(np.ones((1, 1, 5), np.float16), np.ones((1, 1, 1), np.float16), padding=2**50),
    "forward, circular": lambda: fl.conv1d(np.ones((1, 1, 5)), np.ones((1, 1, 1)), padding=2**50, padding_mode="circular"),
    "forward, 2**64 cells": lambda: fl.conv2d(np.ones((1, 5, 5)), np.ones((1, 1, 1, 1)), padding=2**40),
    "transposed": lambda: fl.conv_transpose1d(np.ones((1, 1, 5)), np.ones((1, 1, 1)), stride=2**50),
    "input gradient": lambda: fl.conv_input_grad(fl.ConvSpec(1, 1, 1, 2**50, ndim=1), np.ones((1, 2)), np.ones((1, 1, 1)), 2**50 + 1),
    "input conversion": lambda: fl.conv1d(np.broadcast_to(np.int8(1), (1, 1, 2**50)), np.ones((1, 1, 1), np.int8), stride=2**50),
    "weight conversion": lambda: fl.conv1d(np.broadcast_to(np.int8(1), (1, 2**50)), np.broadcast_to(np.int8(1), (1, 1, 2**50))),
    "weight packing": lambda: fl.conv1d(np.broadcast_to(1.0, (1, 2**50)), np.broadcast_to(1.0, (1, 1, 2**50))),
    "weight gradient": lambda: fl.conv_weight_grad(
        fl.ConvSpec(1, 1, 2**50, padding=2**50, ndim=1), np.ones((1, 1)), np.broadcast_to(1.0, (1, 2**50 + 2))
    ),
    "weight mask": lambda: fl.conv_input_grad(fl.ConvSpec(2**50, 8, 2, ndim=1), np.ones((8, 2)), np.broadcast_to(1.0, (8, 2**50, 2)), 3),
    "weights past 64 bits": lambda: fl.plan(fl.ConvSpec(2**59, 8, 2, ndim=1), (2**59, 3)),
    "unfold": lambda: fl.unfold(np.ones((1, 5, 5)), 1, padding=2**50),
    "fold": lambda: fl.fold(np.broadcast_to(1.0, (1, 1)), (2**50, 1), 1, stride=2**50),
    "correlate": lambda: fl.correlate(np.ones(5), np.broadcast_to(1.0, (2**50,)), mode="full"),
    "separable": lambda: fl.separable_conv2d(np.ones((1, 5, 5)), np.ones(1), np.ones(1), padding=2**50),
}


@pytest.mark.parametrize("what", UNALLOCATABLE)
def test_what_no_machine_holds_is_an_error(what: str) -> None:
    with pytest.raises(fl.ConvError, match="cannot be allocated"):
        UNALLOCATABLE[what]()


def test_the_error_counts_the_bytes() -> None:
    check_error(
        lambda: fl.conv1d(np.ones((1, 1, 5), np.float32), np.ones((1, 1, 1), np.float32), padding=2**50),
        fl.ConvShapeError,
        "the result of shape (1, 1, 2251799813685253) in float32 needs 9007199254741012 bytes, which cannot be allocated.\n"
        "  Use a smaller batch or input, or convolve it in parts.",
    )


def test_positions_past_64_bits_are_an_error() -> None:
    with pytest.raises(fl.ConvSpecError, match=r"more than 4611686018427387903 = 2\*\*62 - 1"):
        fl.conv1d(np.ones((1, 1, 5)), np.ones((1, 1, 3)), padding=2**62)
    with pytest.raises(fl.ConvError, match=r"2\*\*62 - 1"):
        fl.conv_transpose1d(np.ones((1, 1, 5)), np.ones((1, 1, 3)), stride=2**61)
    with pytest.raises(fl.ConvError, match="bits"):
        fl.conv1d(np.ones((1, 1, 5)), np.ones((1, 1, 3)), dilation=2**80)


@pytest.mark.parametrize("mode", ["circular", "reflect", "symmetric"])
def test_a_gradient_that_wraps_around_too_often(mode: str) -> None:
    spec = fl.ConvSpec(1, 1, 1, stride=FAR, padding=FAR, padding_mode=mode, ndim=1)
    with pytest.raises(fl.ConvPlanError, match="Use a smaller stride or padding"):
        fl.conv_input_grad(spec, np.ones((1, 3)), np.ones((1, 1, 1)), 5)


def test_wrapping_around_often_is_right() -> None:
    for mode in ("circular", "reflect", "replicate", "symmetric"):
        for size in (1, 2, 3):
            spec = fl.ConvSpec(1, 1, 3, padding=((17, 20),), padding_mode=mode, ndim=1, bias=False)
            x, weight = integers_of_shape((1, 1, size), 5), integers_of_shape((1, 1, 3), 6)
            with labelled((mode, size)):
                check_all_directions(spec, x, weight, None, integers_of_shape(spec.output_shape(x.shape), 7))


def test_one_cell_of_everything() -> None:
    for ndim in (1, 2, 3, 6, 20):
        ones = np.full((1, 1, *(1,) * ndim), 3)
        spec = fl.ConvSpec(1, 1, 1, ndim=ndim)
        check_same(fl.conv(spec, ones, ones, np.array([2])), np.full(ones.shape, 11))
        check_same(fl.conv_input_grad(spec, ones, ones, (1,) * ndim), np.full(ones.shape, 9))
        check_same(fl.conv_weight_grad(spec, ones, ones), np.full(ones.shape, 9))


def test_as_many_axes_as_numpy_has() -> None:
    """64 axes, less what the engine adds: an answer or a `ConvError`, never another exception."""
    for ndim in range(55, 63):
        shape = (1, 1, *(1,) * ndim)
        spec = fl.ConvSpec(1, 1, (1,) * ndim)
        try:
            y = fl.conv(spec, np.full(shape, 3.0), np.full(shape, 2.0))
        except fl.ConvError:
            assert ndim > 60
        else:
            check_same(y, np.full(shape, 6.0))


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32", "complex64"])
def test_preparing_for_an_output_without_cells(dtype: str) -> None:
    """There is no kernel then; the bias used to be refused."""
    spec = fl.ConvSpec.parse("conv_transpose2d(10, 20, (5, 2), stride=(2, 1), padding='same_upper', dilation=(3, 2), groups=5, flip=True)")
    x, weight, bias = np.ones((1, 10, 0, 1), dtype), np.ones(spec.weight_shape, dtype), np.ones(20, dtype)
    check_same(fl.plan(spec, x.shape, dtype).prepare(weight, bias)(x), fl.conv(spec, x, weight, bias))


def test_strides_past_64_bits() -> None:
    spec = fl.ConvSpec(1, 1, 1, stride=2**62 + 1, ndim=1)
    x, grad = np.ones((1, 1, 5)), np.ones((1, 1, 1))
    with pytest.raises(fl.ConvShapeError, match=r"2\*\*62"):
        fl.conv_weight_grad(spec, x, grad)
    with pytest.raises(fl.ConvShapeError, match=r"2\*\*62"):
        fl.conv(spec, x, grad)


def test_any_number_of_samples_without_cells() -> None:
    x = np.broadcast_to(np.float16(1), (2**50, 2, 4, 0))
    y = fl.conv2d(x, np.ones((3, 2, 2, 1), np.float16))
    assert y.shape == (2**50, 3, 3, 0)


def test_more_blocks_than_are_worth_listing() -> None:
    """For Fourier transforms of an output that no machine holds: there is a plan at once, and the call says so."""
    assert fl.plan(fl.ConvSpec(1, 1, 4096, padding=2**45, ndim=1), (1, 1, 5)).algorithm != "fft"
    with pytest.raises(fl.ConvError, match="cannot be allocated"):
        fl.conv1d(np.ones((1, 1, 5)), np.ones((1, 1, 4096)), padding=2**45)


SIZES_OF_FILTERS: dict[str, Callable[[], object]] = {
    "a mean of more cells than are counted": lambda: ndimage.uniform_filter1d(np.ones(5), 2**41),
    "a mean of 2**63 cells": lambda: ndimage.uniform_filter(np.ones((5, 5)), 2**63),
    "an infinite sigma": lambda: ndimage.gaussian_filter(np.ones(5), np.inf),
    "a sigma that is no number": lambda: ndimage.gaussian_filter1d(np.ones(5), np.nan),
    "a radius past 64 bits": lambda: ndimage.gaussian_filter1d(np.ones(5), 1.0, radius=2**63),
    "more taps than are counted": lambda: ndimage.correlate1d(np.ones(5), np.broadcast_to(1.0, (2**59,))),
    "more lags than there is memory for": lambda: signal.correlation_lags(2**60, 3),
    "lags past 64 bits": lambda: signal.correlation_lags(2**62, 2**62),
}


@pytest.mark.parametrize("what", SIZES_OF_FILTERS)
def test_filters_of_sizes_that_no_machine_holds(what: str) -> None:
    with pytest.raises(fl.ConvError):
        SIZES_OF_FILTERS[what]()


def test_weights_of_a_filter_at_an_odd_address() -> None:
    weights = np.ndarray(3, np.float64, bytearray(25), 1)
    weights[:] = 1, 2, 3
    x = np.arange(5.0)
    check_same(ndimage.correlate1d(x, weights), ndimage.correlate1d(x, weights.copy()))
    check_same(ndimage.correlate(x, weights), ndimage.correlate(x, weights.copy()))
