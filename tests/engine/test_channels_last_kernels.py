"""Kernels for channels that lie side by side, at the edges of their tiles: pixels, channels, borders, orders of sums.

That they compute the same as on plain arrays for whole layers is in test_channels_last.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from faltung.engine.native import Correlation, available_isas, native_problem
from faltung.engine.problem import Problem
from tests.support.check import check_same
from tests.support.strategies import integers_of_shape

DTYPES = ["float32", "float64", "int64"]


@pytest.fixture(params=available_isas())
def isa(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def side_by_side(array: np.ndarray, wider: int = 0) -> np.ndarray:
    """(N, groups, channels, *size) as a view of (N, *size, groups, channels + wider), which is filled with 77."""
    held = np.full((array.shape[0], *array.shape[3:], array.shape[1], array.shape[2] + wider), 77, array.dtype)
    view = np.moveaxis(held[..., : array.shape[2]], (-2, -1), (1, 2))
    view[...] = array
    return view


def operation(algorithm: str, case: Problem, isa: str, dtype: str) -> Correlation:
    return Correlation(algorithm, "uint64" if dtype == "int64" else dtype, isa, native_problem(case))


def check_case(algorithm: str, isa: str, case: Problem, batch: int = 1, dtypes: list[str] = DTYPES) -> None:
    """Every pairing of orders gives what the general kernel gives on plain arrays, added to what is there too."""
    for dtype in dtypes:
        shape = (case.groups, case.out_channels, case.in_channels, *case.kernel_size)
        x = integers_of_shape((batch, case.groups, case.in_channels, *case.in_size), 3).astype(dtype)
        weight, bias = integers_of_shape(shape, 4).astype(dtype), integers_of_shape((case.groups * case.out_channels,), 5).astype(dtype)
        expected = np.full((batch, case.groups, case.out_channels, *case.out_size), 99, x.dtype)
        general, kernel = operation("general", case, isa, dtype), operation(algorithm, case, isa, dtype)
        general.run(x, general.pack(weight), bias, expected, False, 1)
        packed = kernel.pack(weight)
        for from_last, accumulate in itertools.product((True, False), (False, True)):
            y = side_by_side(np.full_like(expected, 5))
            kernel.run(side_by_side(x) if from_last else x, packed, bias, y, accumulate, 3)
            check_same(np.ascontiguousarray(y), expected + 5 if accumulate else expected)
        y = np.full_like(expected, 5)
        kernel.run(side_by_side(x), packed, bias, y, False, 3)
        check_same(y, expected)


def dense(in_channels: int, out_channels: int, out_size: tuple[int, ...], kernel: int, stride: int = 1, dilation: int = 1) -> Problem:
    axes = len(out_size)
    before = dilation * (kernel - 1) // 2
    in_size = tuple(max(1, (out - 1) * stride + (kernel - 1) * dilation + 1 - 2 * before) for out in out_size)
    every = ((kernel,) * axes, (stride,) * axes, (dilation,) * axes, (before,) * axes)
    return Problem(1, in_channels, out_channels, in_size, out_size, *every, "zeros")


@pytest.mark.parametrize("pixels", [1, 3, 4, 5, 6, 7, 11, 12, 13, 24, 25, 49])
def test_pixels_of_a_product(isa: str, pixels: int) -> None:
    check_case("pointwise", isa, dense(7, 20, (1, pixels), 1), batch=2)
    check_case("unfold", isa, dense(5, 20, (pixels,), 3, 2))


@pytest.mark.parametrize("channels", [3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 33, 40, 47, 65])
def test_output_channels_of_a_product(isa: str, channels: int) -> None:
    check_case("pointwise", isa, dense(6, channels, (3, 5), 1))
    check_case("unfold", isa, dense(3, channels, (4, 4), 3))


@pytest.mark.parametrize("mode", ["zeros", "absent", "circular", "reflect", "replicate", "symmetric"])
def test_borders_of_a_product(isa: str, mode: str) -> None:
    for size, kernel, stride, dilation in (((5, 7), 3, 1, 1), ((4, 6), 5, 2, 1), ((6, 5), 3, 1, 2), ((3, 4, 3), 3, 1, 1), ((13,), 4, 3, 2)):
        axes = len(size)
        before = tuple(min(dilation * (kernel - 1) // 2, extent - 1) for extent in size)
        out = tuple((extent + 2 * front - (kernel - 1) * dilation - 1) // stride + 1 for extent, front in zip(size, before, strict=True))
        every = ((kernel,) * axes, (stride,) * axes, (dilation,) * axes)
        check_case("unfold", isa, Problem(2, 3, 8, size, tuple(max(1, extent) for extent in out), *every, before, mode))


def test_groups_of_a_product(isa: str) -> None:
    every = ((1, 1), (1, 1), (1, 1), (0, 0))
    check_case("pointwise", isa, Problem(3, 5, 9, (4, 5), (4, 5), *every, "zeros"), batch=2)


def test_pixels_that_contend_for_the_cache_are_copied(isa: str) -> None:
    """Channels a power of two, so that pixels lie 4096 bytes apart."""
    check_case("pointwise", isa, dense(1024, 130, (1, 13), 1), dtypes=["float32"])
    check_case("pointwise", isa, dense(512, 130, (1, 7), 1), dtypes=["float64"])
    check_case("unfold", isa, dense(512, 128, (3, 5), 1, 2), dtypes=["float32"])


def test_copied_pixels_are_summed_in_passes(isa: str) -> None:
    check_case("pointwise", isa, dense(1024, 300, (1, 50), 1), batch=2, dtypes=["float32"])
    check_case("unfold", isa, dense(1024, 129, (3, 5), 3), dtypes=["float32"])


def test_weights_of_many_terms_are_arranged_in_passes(isa: str) -> None:
    check_case("pointwise", isa, dense(4100, 20, (1, 13), 1), dtypes=["float32"])
    check_case("pointwise", isa, dense(2100, 20, (1, 13), 1), dtypes=["float64"])
    check_case("unfold", isa, dense(600, 20, (3, 5), 3), dtypes=["float32"])


def test_threads_share_channels_or_pixels_of_a_product(isa: str) -> None:
    check_case("pointwise", isa, dense(64, 200, (7, 7), 1), batch=2, dtypes=["float32"])
    check_case("pointwise", isa, dense(64, 72, (20, 20), 1), dtypes=["float32"])


@pytest.mark.parametrize("columns", [11, 12, 13, 23, 24, 25, 26, 35, 36, 37, 47])
def test_ends_of_rows_of_a_product(isa: str, columns: int) -> None:
    """Tiles within a row, their cells where they lie or copied with what is beyond the border."""
    for kernel, stride in ((3, 1), (5, 2), (2, 2)):
        check_case("unfold", isa, dense(3, 20, (2, columns), kernel, stride), dtypes=["float32", "float64"])
    check_case("unfold", isa, dense(130, 9, (2, columns), 3), dtypes=["float32"])


@pytest.mark.parametrize("mode", ["zeros", "absent", "circular", "reflect", "replicate", "symmetric"])
def test_rows_with_their_border(isa: str, mode: str) -> None:
    for size, kernel, stride, dilation in (
        ((4, 27), 3, 1, 1),
        ((5, 55), 5, 2, 1),
        ((3, 30), 3, 1, 4),
        ((3, 2, 26), 3, 1, 1),
        ((75,), 4, 3, 2),
    ):
        axes = len(size)
        before = tuple(min(dilation * (kernel - 1) // 2, extent - 1) for extent in size)
        out = tuple((extent + 2 * front - (kernel - 1) * dilation - 1) // stride + 1 for extent, front in zip(size, before, strict=True))
        every = ((kernel,) * axes, (stride,) * axes, (dilation,) * axes)
        case = Problem(2, 3, 8, size, tuple(max(1, extent) for extent in out), *every, before, mode)
        check_case("unfold", isa, case, dtypes=["float32", "int64"])
        check_case("filter", isa, case, dtypes=["float32"])


@pytest.mark.parametrize("channels", [3, 4, 7, 8, 9, 15, 17, 33])
def test_weights_of_rows_turned_for_pixels(isa: str, channels: int) -> None:
    for algorithm in ("filter", "grouped") if isa == "avx512" else ("filter",):
        check_case(algorithm, isa, dense(3, channels, (6, 7), 3, 2))
        check_case(algorithm, isa, dense(2, channels, (5, 26), 5), batch=2)


def one_channel(
    groups: int, size: tuple[int, ...], kernel: tuple[int, ...], stride: int = 1, dilation: int = 1, mode: str = "zeros"
) -> Problem:
    before = tuple(dilation * (taps - 1) // 2 for taps in kernel)
    out = tuple(
        (extent + 2 * front - (taps - 1) * dilation - 1) // stride + 1 for extent, taps, front in zip(size, kernel, before, strict=True)
    )
    return Problem(groups, 1, 1, size, out, kernel, (stride,) * len(size), (dilation,) * len(size), before, mode)


@pytest.mark.parametrize("algorithm", ["depthwise", "channelwise"])
@pytest.mark.parametrize("groups", [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 48])
def test_channels_in_lanes(isa: str, algorithm: str, groups: int) -> None:
    check_case(algorithm, isa, one_channel(groups, (5, 9), (3, 3)), batch=2)


@pytest.mark.parametrize("algorithm", ["depthwise", "channelwise"])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (2, 3), (3, 2), (1, 3)])
def test_steps_of_channels_in_lanes(isa: str, algorithm: str, stride: int, dilation: int) -> None:
    for size, kernel in (
        ((9, 11), (3, 3)), ((12, 8), (5, 5)), ((14, 9), (7, 7)), ((8, 12), (1, 4)), ((16, 5), (6, 2)),
        ((12,), (4,)), ((4, 4, 5), (3, 2, 3)),
    ):  # fmt: skip
        check_case(algorithm, isa, one_channel(18, size, kernel, stride, dilation), dtypes=["float32"])


@pytest.mark.parametrize("algorithm", ["depthwise", "channelwise"])
@pytest.mark.parametrize("mode", ["zeros", "absent", "circular", "reflect", "replicate", "symmetric"])
def test_borders_of_channels_in_lanes(isa: str, algorithm: str, mode: str) -> None:
    check_case(algorithm, isa, one_channel(17, (6, 9), (5, 3), mode=mode))
    if mode in ("zeros", "absent"):
        check_case(algorithm, isa, one_channel(17, (3, 2), (9, 7), mode=mode))


@pytest.mark.parametrize(
    ("algorithm", "case"),
    [
        ("pointwise", dense(70, 40, (5, 6), 1)),
        ("unfold", dense(9, 40, (5, 6), 3, 2)),
        ("depthwise", one_channel(33, (18, 20), (3, 3))),
        ("depthwise", one_channel(33, (18, 20), (5, 5), 2)),
        ("depthwise", one_channel(33, (18, 41), (3, 3), 2)),
        ("depthwise", one_channel(33, (13, 14), (3, 3), 2)),
        ("depthwise", one_channel(33, (18, 20), (7, 7), 1, 2)),
        ("depthwise", one_channel(33, (40,), (9,))),
        ("channelwise", one_channel(33, (9, 7), (5, 5))),
        ("channelwise", one_channel(33, (9, 12), (5, 6), 2)),
        ("channelwise", one_channel(33, (9, 12), (3, 4), 2, 3)),
    ],
)
def test_same_bits_in_either_order(isa: str, algorithm: str, case: Problem) -> None:
    """Sums are taken in one order, however arrays lie and whatever number of threads takes them."""
    draw = np.random.default_rng(0)
    x = draw.standard_normal((2, case.groups, case.in_channels, *case.in_size)).astype(np.float32)
    weight = draw.standard_normal((case.groups, case.out_channels, case.in_channels, *case.kernel_size)).astype(np.float32)
    bias = draw.standard_normal(case.groups * case.out_channels).astype(np.float32)
    kernel = operation(algorithm, case, isa, "float32")
    packed = kernel.pack(weight)
    expected = np.empty((2, case.groups, case.out_channels, *case.out_size), np.float32)
    kernel.run(x, packed, bias, expected, False, 1)
    for threads in (1, 3):
        y = side_by_side(np.zeros_like(expected))
        kernel.run(side_by_side(x), packed, bias, y, False, threads)
        check_same(np.ascontiguousarray(y), expected, bits=True)
        kernel.run(side_by_side(x[1:]), packed, bias, y[:1], False, threads)
        check_same(np.ascontiguousarray(y[:1]), expected[1:], bits=True)


def test_written_is_only_what_belongs_to_it(isa: str) -> None:
    """The channels behind those of an output stay."""
    for algorithm, case in (("pointwise", dense(7, 21, (3, 5), 1)), ("unfold", dense(4, 21, (3, 5), 3))):
        x, weight = (
            integers_of_shape((1, 1, case.in_channels, *case.in_size), 3).astype("f4"),
            integers_of_shape((1, 21, case.in_channels, *case.kernel_size), 4).astype("f4"),
        )
        kernel = operation(algorithm, case, isa, "float32")
        expected = np.empty((1, 1, 21, 3, 5), np.float32)
        kernel.run(x, kernel.pack(weight), None, expected, False, 1)
        held = np.full((1, 3, 5, 1, 26), 77, np.float32)
        y = np.moveaxis(held[..., :21], (-2, -1), (1, 2))
        kernel.run(side_by_side(x, 3), kernel.pack(weight), None, y, False, 1)
        check_same(np.ascontiguousarray(y), expected)
        assert (held[..., 21:] == 77).all()


@pytest.mark.parametrize("algorithm", ["depthwise", "channelwise"])
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_weights_that_are_not_finite(isa: str, algorithm: str, value: float) -> None:
    """Zeros of the padding take part: zero times infinity is not a number."""
    case = one_channel(17, (6, 7), (3, 3))
    x = integers_of_shape((1, 17, 1, 6, 7), 3).astype("f4")
    weight = integers_of_shape((17, 1, 1, 3, 3), 4).astype("f4")
    weight[3, 0, 0, 0, 1] = value
    expected, y = np.empty((1, 17, 1, 6, 7), np.float32), side_by_side(np.zeros((1, 17, 1, 6, 7), np.float32))
    general, kernel = operation("general", case, isa, "float32"), operation(algorithm, case, isa, "float32")
    general.run(x, general.pack(weight), None, expected, False, 1)
    kernel.run(side_by_side(x), kernel.pack(weight), None, y, False, 1)
    check_same(np.ascontiguousarray(y), expected)
    assert np.isnan(y[0, 3, 0, 0]).all()
