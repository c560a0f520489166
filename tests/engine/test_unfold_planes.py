"""Planes unfolded where they lie equal the reference: edges of tiles, strides, borders; other layouts give the same bits."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

import faltung as fl
from faltung.engine.native import available_isas
from tests.support.check import check_same
from tests.support.engine import check_planes, expected_forward, forced_isa, labelled, num_threads
from tests.support.strategies import integers_of_shape

check_case = functools.partial(check_planes, algorithm="unfold")


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5, 7, 8, 14, 16, 19])
def test_strides_by_columns(stride: int) -> None:
    for columns, kernel in itertools.product((1, 2, 15, 16, 17, 31, 33, 48, 49, 56), (1, 2, 3, stride, stride + 1)):
        check_case(f"conv1d(2, 9, {kernel}, padding={kernel // 2}, stride={stride})", (columns * stride,))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "complex64"])
def test_planes(dtype: str) -> None:
    for rows, columns in [(1, 20), (7, 7), (14, 14), (13, 5), (9, 31), (20, 33), (3, 70)]:
        for stride, kernel in [(1, 3), (2, 3), (2, 2), (4, 4), (3, 3), (7, 5)]:
            check_case(f"conv2d(3, 10, {kernel}, padding={kernel // 2}, stride={stride})", (rows, columns), dtype=dtype, batch=2)


def test_kernels_borders_and_axes() -> None:
    for text, size in [
        ("conv2d(8, 12, (2, 5), groups=2, dilation=(2, 3))", (9, 40)),
        ("conv2d(8, 12, 3, padding=4)", (5, 20)),
        ("conv2d(8, 12, 3, padding=-1, stride=2)", (9, 40)),
        ("conv2d(8, 12, 3, padding=(9, 40), dilation=(3, 5))", (2, 3)),
        ("conv2d(8, 12, 3, stride=2, padding=(4, 6), dilation=(1, 3))", (9, 40)),
        ("conv2d(8, 12, 3, stride=(3, 2), padding=1)", (17, 37)),
        ("conv2d(3, 5, 11, stride=4, padding=2)", (31, 45)),
        ("conv2d(3, 5, 7, stride=2, padding=3, padding_mode='circular')", (31, 45)),
        ("conv1d(2, 3, 66, padding=40)", (90,)),  # more taps than a row of masks
        ("conv3d(4, 6, 3, padding=1, stride=2)", (4, 5, 6)),
        ("conv3d(4, 6, (2, 3, 3), stride=(2, 3, 2), padding=1)", (4, 5, 40)),
        ("conv3d(4, 6, (1, 3, 1), padding=(0, 1, 0))", (3, 9, 2)),  # rows and columns change places
    ]:
        check_case(text, size, batch=2)


def test_taps_of_leading_axes_alone() -> None:
    """Trailing axes without taps are one; long ones are taken row after row of the leading axes."""
    for text, size in [
        ("conv3d(5, 9, (3, 1, 1), padding=(1, 0, 0))", (4, 5, 9)),
        ("conv3d(5, 9, (3, 1, 1), padding=(1, 0, 0))", (3, 20, 20)),
        ("conv3d(5, 9, (3, 1, 1), padding=(2, 0, 0), dilation=(2, 1, 1), stride=(2, 1, 1))", (6, 19, 21)),
        ("conv2d(5, 9, (3, 1), padding=(1, 0))", (6, 400)),
        ("conv2d(5, 9, (3, 1), padding=(1, 1))", (6, 400)),
        ("conv2d(5, 9, (5, 1), padding=(2, 0), stride=(2, 1))", (9, 50)),
    ]:
        for dtype in ("float32", "float64"):
            check_case(text, size, dtype=dtype, batch=2)


def test_more_terms_than_are_unfolded_at_once() -> None:
    check_case("conv2d(300, 3, 3, stride=2, padding=1)", (9, 21))
    check_case("conv2d(700, 3, (3, 1), padding=(1, 0))", (3, 51))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_position_behind_the_last_tile(dtype: str) -> None:
    """Weights as they lie and prepared, whole blocks of channels and not, several passes over the input channels."""
    for algorithm, text, size in [
        ("pointwise", "conv2d(5, 8, 1)", (7, 7)),
        ("pointwise", "conv2d(6, 9, 1, groups=3)", (5, 5)),
        ("pointwise", "conv1d(4, 31, 1)", (49,)),
        ("pointwise", "conv2d(4, 18, 1)", (17, 17)),
        ("pointwise", "conv1d(2100, 15, 1)", (49,)),
        ("unfold", "conv2d(5, 15, 3, padding=1)", (7, 7)),
        ("unfold", "conv2d(4, 20, 2, stride=2, groups=2)", (14, 14)),
        ("unfold", "conv3d(3, 10, (3, 1, 1), padding=(1, 0, 0))", (1, 7, 7)),
        ("unfold", "conv2d(700, 9, (3, 1), padding=(1, 0))", (1, 97)),
    ]:
        check_planes(text, size, algorithm, dtype, batch=2)
        spec = fl.ConvSpec.parse(text)
        shape = (2, spec.in_channels, *size)
        x, weight, residual = (integers_of_shape(one, 3).astype(dtype) for one in (shape, spec.weight_shape, spec.output_shape(shape)))
        layer = fl.plan(spec, shape, dtype, algorithm=algorithm).prepare(weight)
        expected = expected_forward(spec, x, weight, None)
        with labelled((text, dtype)):
            check_same(layer(x), expected)
            check_same(layer(x, residual=residual), expected + residual)


def test_cells_outside_meet_infinite_weights() -> None:
    """Zeros of the padding take part in the sums, so that infinity times zero is NaN."""
    for kernel, stride, padding in [("3", 2, "1"), ("(3, 1)", 1, "(1, 0)")]:
        spec = fl.ConvSpec.parse(f"conv2d(8, 9, {kernel}, stride={stride}, padding={padding}, bias=False)")
        x, weight = integers_of_shape((1, 8, 9, 50), 1).astype("float32"), integers_of_shape(spec.weight_shape, 2).astype("float32")
        weight[1, 2, 0, 0] = np.inf
        x[0, 2, 4, 4] = np.nan
        check_same(fl.plan(spec, x.shape, algorithm="unfold")(x, weight), expected_forward(spec, x, weight))


@pytest.mark.parametrize("isa", available_isas())
def test_same_bits_for_any_layout_threads_and_samples(isa: str) -> None:
    rng = np.random.default_rng(0)
    with forced_isa(isa):
        for text, size in [
            ("conv2d(70, 40, 3, stride=2, padding=1)", (30, 31)),
            ("conv2d(3, 40, 4, stride=4)", (64, 68)),
            ("conv3d(40, 24, (3, 1, 1), padding=(1, 0, 0))", (5, 20, 21)),
            ("conv1d(40, 24, 5, padding=2)", (500,)),
        ]:
            spec = fl.ConvSpec.parse(text)
            x, weight = (
                rng.normal(size=(3, spec.in_channels, *size)).astype("float32"),
                rng.normal(size=spec.weight_shape).astype("float32"),
            )
            plan = fl.plan(spec, x.shape, algorithm="unfold")
            with num_threads(1), labelled(text):
                one = plan(x, weight)
                check_same(plan(np.asfortranarray(x), weight), one)
                check_same(plan(x, weight, out=np.zeros(one.shape[::-1], one.dtype).T), one)
            for threads in (2, 5):
                with num_threads(threads), labelled(text):
                    check_same(plan(x, weight), one)
                    check_same(np.concatenate([plan(sample[None], weight) for sample in x]), one)
