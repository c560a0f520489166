"""Every algorithm on every instruction set of this machine equals the reference, at and around the edges of its tiles.

Each case is computed once by the reference; then it must come out of every algorithm, instruction set and
element type. Whole numbers, so that equality is exact.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

import numpy as np
import pytest

import faltung as fl
from faltung.engine.catalog import ALGORITHMS, BY_NAME
from faltung.engine.native import Correlation, available_isas, native_problem
from faltung.engine.problem import Problem
from tests.support.check import check_same
from tests.support.engine import expected_forward, forced_isa, labelled, num_threads
from tests.support.strategies import integers_of_shape

DTYPES = ["float32", "float64", "int64"]
OUT_CHANNELS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 64, 65]
COLUMNS = [*range(1, 18), 23, 24, 25, 31, 32, 33, 47, 48, 49, 63, 64, 65]
NAMES = [entry.name for entry in ALGORITHMS if entry.is_direct]  # the others round
# Those that take some problems or instruction sets alone have tests of their own.
MANY_CHANNELS = [name for name in NAMES if name not in ("depthwise", "channelwise", "grouped")]


@functools.cache
def case(text: str, shape: tuple[int, ...]) -> tuple[fl.ConvSpec, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Spec, input, weight, bias, and the reference's output."""
    spec = fl.ConvSpec.parse(text)
    x, weight, bias = (integers_of_shape(one, 5 + which) for which, one in enumerate((shape, spec.weight_shape, (spec.out_channels,))))
    return spec, x, weight, bias, expected_forward(spec, x, weight, bias)


def check_case(text: str, shape: tuple[int, ...], algorithm: str, dtypes: Sequence[str] = DTYPES) -> int:
    """Compare the element types where `algorithm` serves; how many did."""
    spec, x, weight, bias, expected = case(text, shape)
    served = 0
    for dtype in dtypes:
        try:
            plan = fl.plan(spec, shape, dtype, algorithm=algorithm)
        except fl.ConvPlanError:
            continue
        served += 1
        with labelled((text, shape, dtype)):
            check_same(plan(x.astype(dtype), weight.astype(dtype), bias.astype(dtype)), expected.astype(dtype))
    return served


@pytest.fixture(params=available_isas())
def isa(request: pytest.FixtureRequest) -> object:
    with forced_isa(request.param):
        yield request.param


def test_there_are_instruction_sets_and_algorithms() -> None:
    assert available_isas()[0] in ("baseline", "neon")
    assert {"pointwise", "direct", "filter", "general"} <= set(NAMES)


def check_kernel(in_channels: int, out_channels: int, taps: int, columns: int, algorithm: str, isa: str) -> int:
    """As `check_case` of one row, without a plan, which takes longer than the kernel."""
    size, family = columns + taps - 1, BY_NAME[algorithm]
    _, x, weight, bias, expected = case(f"conv1d({in_channels}, {out_channels}, {taps})", (1, in_channels, size))
    problem = Problem(1, in_channels, out_channels, (size,), (columns,), (taps,), (1,), (1,), (0,), "zeros")
    served = 0
    for dtype in DTYPES:
        native = "uint64" if dtype == "int64" else dtype
        if family.refusal(problem, native) is not None:
            continue
        served += 1
        kernel = Correlation(algorithm, native, isa, native_problem(problem))
        y = np.full((1, *expected.shape), 77, dtype)
        with labelled((in_channels, out_channels, taps, columns, dtype)):
            kernel.run(x.astype(dtype)[None], kernel.pack(weight.astype(dtype)[None]), bias.astype(dtype), y, False, 1)
            check_same(y[0], expected.astype(dtype))
    return served


@pytest.mark.parametrize("algorithm", MANY_CHANNELS)
def test_out_channels_by_columns(isa: str, algorithm: str) -> None:
    served = 0
    for out in OUT_CHANNELS:
        for index, columns in enumerate(COLUMNS):
            inside = 1 + (index + out) % 4
            served += check_kernel(inside, out, 3, columns, algorithm, isa)
            served += check_kernel(inside, out, 1, columns, algorithm, isa)
    assert served >= len(DTYPES) * len(OUT_CHANNELS) * len(COLUMNS)


@pytest.mark.parametrize("algorithm", MANY_CHANNELS)
def test_rows(isa: str, algorithm: str) -> None:
    """Few rows and more than any block holds, with columns that do not fill their tile."""
    served = 0
    for rows in (1, 2, 3, 15, 16, 17, 33):
        for out, columns in ((1, 3), (9, 5), (33, 9)):
            served += check_case(f"conv2d(2, {out}, 3, padding=1)", (1, 2, rows, columns), algorithm)
            served += check_case(f"conv2d(2, {out}, 2, stride=2, padding=1)", (1, 2, rows, columns), algorithm)
            served += check_case(f"conv2d(2, {out}, 1)", (1, 2, rows, columns), algorithm)
    assert served


DEEP = [
    ("conv2d(300, 9, 3, padding=1)", (1, 300, 4, 5)),
    ("conv2d(700, 33, (1, 3))", (1, 700, 3, 9)),
    ("conv1d(1030, 17, 1)", (1, 1030, 33)),
    ("conv1d(2100, 17, 1)", (1, 2100, 35)),
    ("conv1d(4100, 5, 1)", (3, 4100, 2)),
    ("conv1d(2100, 3, 2, dilation=3)", (1, 2100, 11)),
    ("conv3d(70, 10, 2)", (1, 70, 3, 3, 4)),
    ("conv2d(520, 4, 3, stride=2, padding=1, padding_mode='circular')", (2, 520, 5, 6)),
    ("conv_transpose2d(300, 9, 4, stride=2, padding=1)", (1, 300, 3, 4)),
]


@pytest.mark.parametrize("algorithm", MANY_CHANNELS)
def test_input_channels_in_several_blocks(isa: str, algorithm: str) -> None:
    """So many that sums are left in the output and taken up again."""
    served = sum(check_case(text, shape, algorithm) for text, shape in DEEP)
    assert served or algorithm == "planes"  # which takes few alone


WIDE = [
    ("conv1d(1, 2, 2)", (1, 1, 8200)),  # longer than a block of columns
    ("conv1d(3, 20, 2, stride=3)", (1, 3, 1600)),
    ("conv2d(1, 1, 2)", (1, 1, 3, 1100)),
    ("conv2d(2, 1, 1)", (1, 2, 3, 1100)),
]


@pytest.mark.parametrize("algorithm", NAMES)
def test_long_rows(isa: str, algorithm: str) -> None:
    served = sum(check_case(text, shape, algorithm) for text, shape in WIDE)
    assert served or algorithm == "channelwise" or (algorithm == "grouped" and isa != "avx512")  # the former is for small maps


FEATURES = [
    (f"conv2d(4, {oc}, {k}, {s}, {p}, {d}, {g}, padding_mode='{mode}')", size)
    for oc, g in ((4, 4), (8, 4), (16, 1), (34, 2))
    for k, s, p, d, size in (
        (3, 1, 1, 1, (5, 7)),
        ((3, 2), (2, 3), 2, 1, (6, 9)),
        ((2, 5), (1, 2), 4, (3, 1), (6, 6)),
        ((1, 3), (3, 1), "'same_lower'", 2, (7, 19)),
        ((1, 1), (2, 2), 1, 1, (5, 6)),
        ((1, 1), (1, 1), 0, 1, (5, 7)),
    )
    for mode in ("zeros", "circular", "reflect", "replicate", "symmetric")
]
TRANSPOSED = [
    (f"conv_transpose2d(4, {oc}, {k}, {s}, {p}, dilation={d}, groups={g}, padding_mode='{mode}')", size)
    for oc, g in ((4, 4), (34, 2))
    for k, s, p, d, size in ((3, 1, 1, 1, (4, 5)), ((4, 3), (2, 3), 2, 1, (3, 9)), ((2, 3), (3, 2), 1, (1, 3), (3, 3)))
    for mode in ("zeros", "circular", "replicate")
]


@pytest.mark.parametrize("algorithm", NAMES)
def test_strides_dilations_groups_and_borders(isa: str, algorithm: str) -> None:
    """Numbers of 64 bits fill vectors alike, whether they are whole or not: these take turns."""
    turns = itertools.cycle([("float32", "float64"), ("float32", "int64")])
    cases = zip((*FEATURES, *TRANSPOSED), turns, strict=False)
    served = sum(check_case(text, (2, 4, *size), algorithm, dtypes) for (text, size), dtypes in cases)
    assert served or (algorithm == "grouped" and isa != "avx512")


@pytest.mark.parametrize("algorithm", MANY_CHANNELS)
def test_batches_and_threads(isa: str, algorithm: str) -> None:
    """More samples than threads, fewer, and tasks that share no output."""
    for batch in (1, 2, 5):
        for threads in (1, 2, 3):
            with num_threads(threads):
                for text, size in FEATURES[:35:6]:
                    check_case(text, (batch, 4, *size), algorithm)
                assert check_case("conv2d(3, 40, 1)", (batch, 3, 9, 9), algorithm)


@pytest.mark.parametrize("algorithm", MANY_CHANNELS)
def test_batches_of_a_few_positions(isa: str, algorithm: str) -> None:
    """So few that samples share a block; channels that fill several blocks and the rest of one."""
    for positions in range(1, 10):
        for batch in (1, 2, 8, 9):
            for out in (3, 8, 21, 70):
                with num_threads(1 + batch % 2):
                    assert check_case(f"conv1d(5, {out}, 1)", (batch, 5, positions), algorithm)


def test_many_channels_shared_out_between_threads(isa: str) -> None:
    """Large enough that rows and channels are shared out, each way that the estimate may choose."""
    for threads in (2, 3):
        with num_threads(threads):
            for algorithm in ("direct", "filter", "pointwise"):
                for text, shape in (
                    ("conv2d(40, 200, 3, stride=2, padding=1)", (1, 40, 6, 9)),
                    ("conv2d(24, 9, 5, padding=2)", (1, 24, 23, 11)),
                    ("conv2d(64, 300, 1)", (1, 64, 7, 7)),
                    ("conv2d(30, 90, 1, stride=2)", (2, 30, 15, 15)),
                ):
                    check_case(text, shape, algorithm)
