"""Few channels a group where they lie equal the reference: edges of tiles and of planes, whatever lies around them, other layouts."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

import faltung as fl
from faltung.engine.native import available_isas
from tests.support.check import check_same
from tests.support.engine import check_planes, expected_forward, forced_isa, num_threads
from tests.support.strategies import integers_of_shape

pytestmark = pytest.mark.skipif("avx512" not in available_isas(), reason="only AVX-512 has these kernels")

check_case = functools.partial(check_planes, algorithm="grouped")


@pytest.mark.parametrize("stride", [1, 2])
def test_out_channels_by_columns(stride: int) -> None:
    for out, columns in itertools.product((2, 3, 4, 5, 7, 8, 9, 12, 17), (1, 2, 7, 15, 16, 17, 31, 33, 48, 95, 97, 130)):
        check_case(f"conv1d(6, {2 * out}, 3, padding=1, stride={stride}, groups=2)", (columns,))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "complex64"])
def test_planes(stride: int, dtype: str) -> None:
    for rows, columns in [(1, 1), (1, 20), (7, 7), (14, 14), (13, 5), (9, 31), (20, 33), (8, 64), (3, 70)]:
        for out in (2, 4, 8):
            check_case(f"conv2d(6, {2 * out}, 3, padding=1, stride={stride}, groups=2)", (rows, columns), dtype=dtype, batch=2)


def test_kernels_borders_and_axes() -> None:
    for text, size in [
        ("conv2d(64, 40, 1, groups=2)", (9, 9)),
        ("conv2d(8, 12, (2, 5), groups=2, dilation=(2, 3))", (9, 40)),
        ("conv2d(8, 12, 3, padding=4, groups=2)", (5, 20)),
        ("conv2d(8, 12, 3, padding=-1, groups=2)", (9, 20)),
        ("conv2d(8, 12, 3, padding=(9, 40), groups=2, dilation=(3, 5))", (2, 3)),
        ("conv2d(8, 12, 4, padding='same', groups=2)", (9, 20)),
        ("conv2d(8, 12, 3, stride=(3, 2), padding=1, groups=2)", (17, 37)),
        ("conv2d(8, 12, 3, stride=(3, 1), padding=1, groups=2)", (17, 37)),
        ("conv3d(4, 6, 3, padding=1, groups=2)", (4, 5, 6)),
        ("conv3d(4, 6, (2, 3, 3), stride=(2, 3, 2), padding=1, groups=2)", (4, 5, 40)),
        ("conv1d(8, 8, 7, padding='causal', groups=2)", (50,)),
    ]:
        check_case(text, size, batch=2)


def test_cells_outside_meet_infinite_weights() -> None:
    """Zeros of the padding take part in the sums, so that infinity times zero is NaN."""
    spec = fl.ConvSpec.parse("conv2d(8, 8, 3, padding=1, groups=2, bias=False)")
    x, weight = integers_of_shape((1, 8, 9, 9), 1).astype("float32"), integers_of_shape(spec.weight_shape, 2).astype("float32")
    weight[1, 2, 0, 0] = np.inf
    x[0, 2, 4, 4] = np.nan
    check_same(fl.plan(spec, x.shape, algorithm="grouped")(x, weight), expected_forward(spec, x, weight))


def test_same_bits_for_any_number_of_threads_and_samples() -> None:
    rng = np.random.default_rng(0)
    for text in ("conv2d(32, 32, 3, padding=1, groups=4)", "conv2d(32, 32, 3, stride=2, padding=1, groups=4)"):
        spec = fl.ConvSpec.parse(text)
        x, weight = rng.normal(size=(3, 32, 30, 31)).astype("float32"), rng.normal(size=spec.weight_shape).astype("float32")
        plan = fl.plan(spec, x.shape, algorithm="grouped")
        with num_threads(1):
            one = plan(x, weight)
        for threads in (2, 5):
            with num_threads(threads):
                check_same(plan(x, weight), one)
                check_same(np.concatenate([plan(sample[None], weight) for sample in x]), one)


def test_what_it_refuses() -> None:
    for text, reason in [
        ("conv2d(4, 4, 3, groups=4)", "two or more"),
        ("conv2d(4, 8, 3, groups=2, padding=1, padding_mode='circular')", "circular"),
        ("conv2d(4, 8, 3, groups=2, stride=3)", "stride 3"),
        ("conv2d(66, 8, 3, groups=2)", "33 input channels"),
    ]:
        with pytest.raises(fl.ConvPlanError, match=reason):
            fl.plan(text, (1, 66 if "66" in text else 4, 9, 9), algorithm="grouped")
    with forced_isa(available_isas()[0]), pytest.raises(fl.ConvPlanError, match="AVX-512"):
        fl.plan("conv2d(4, 8, 3, groups=2)", (1, 4, 9, 9), algorithm="grouped")
