"""Phases of strides by Winograd's filtering on every instruction set: right at the edges of tiles, within the bound, the same bits."""

from __future__ import annotations

import functools
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import faltung as fl
from faltung.engine.lowering import lower
from faltung.engine.native import Correlation, available_isas, native_problem
from faltung.engine.problem import Problem
from faltung.engine.winograd import form_of as form_by_three_taps
from faltung.engine.winograd import transforms
from faltung.engine.winograd_phases import POINTS, error_growth, form_of, refusal
from faltung.engine.winograd_phases_cost import cycles, packing_cycles
from tests.support import problems
from tests.support.check import check_same
from tests.support.problems import arrays_of, check_any_strides, check_growth, check_nothing_elsewhere, check_same_bits

DTYPES = ["float32", "float64"]

run = functools.partial(problems.run, algorithm="winograd")


def phases_of(text: str, *size: int) -> Problem:
    """All phases of a transposed layer as one problem."""
    spec = fl.ConvSpec.parse(text)
    problem = lower(spec, size, backward=False, bundles_phases=True).main.steps[0].problem
    assert problem.phases
    return problem


def of_gradient(text: str, *size: int) -> Problem:
    """The same of the input gradient of a strided layer for an input of `size`."""
    return lower(fl.ConvSpec.parse(text), size, backward=True, bundles_phases=True).main.steps[0].problem


def forward(text: str, *size: int) -> Problem:
    """A layer whose phases are those of its input, and pieces of them."""
    problem = lower(fl.ConvSpec.parse(text), size, backward=False).main.steps[0].problem
    assert not problem.phases
    return problem


def check_rounding(problem: Problem, isa: str, dtype: str, batch: int = 1) -> None:
    """Random numbers within the bound."""
    check_bound(problem, isa, *arrays_of(problem, batch, dtype))


def check_bound(problem: Problem, isa: str, x: np.ndarray, weight: np.ndarray, bias: np.ndarray, y: np.ndarray) -> None:
    check_growth(problem, isa, "winograd", error_growth(problem, x.dtype.name), x, weight, bias, y)


@pytest.fixture(params=available_isas())
def isa(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tile_edges(isa: str, dtype: str) -> None:
    """Every size from one cell to more than a vector of tiles, for each number of taps."""
    sizes = [(r, c) for r in (1, 3, 4, 5, 8, 9) for c in (3, 4, 5, 8, 9, 13)] + [(3, 29), (5, 36), (4, 65), (2, 130), (70, 6)]
    for (rows, columns), (kernel, padding) in itertools.product(sizes, ((3, 1), (4, 1), (5, 2), (6, 2))):
        check_rounding(phases_of(f"conv_transpose2d(2, 3, {kernel}, stride=2, padding={padding})", rows + 1, columns + 1), isa, dtype)
        check_rounding(forward(f"conv2d(2, 3, {kernel}, stride=2, padding={padding})", 2 * rows, 2 * columns + 1), isa, dtype)
    for columns in range(4, 20):
        check_rounding(phases_of("conv_transpose1d(2, 3, 4, stride=2, padding=1)", columns), isa, dtype)
        check_rounding(forward("conv1d(2, 3, 4, stride=2, padding=1)", columns), isa, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_channels(isa: str, dtype: str) -> None:
    for in_channels, out_channels in itertools.product((1, 2, 5), (1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65)):
        for size in ((9, 10), (13, 13)):
            check_rounding(phases_of(f"conv_transpose2d({in_channels}, {out_channels}, 4, stride=2, padding=1)", *size), isa, dtype)


LAYERS = [
    phases_of("conv_transpose2d(6, 10, 4, stride=2, padding=1, groups=2)", 9, 7),
    phases_of("conv_transpose2d(4, 6, 3, stride=2, padding=1, output_padding=1)", 21, 33),
    phases_of("conv_transpose2d(4, 6, 3, stride=(1, 2), padding=(3, 0))", 9, 26),
    phases_of("conv_transpose2d(4, 6, 3, stride=(2, 1), padding=(0, 3))", 15, 16),
    phases_of("conv_transpose2d(4, 6, (4, 1), stride=(2, 1))", 15, 16),
    phases_of("conv_transpose2d(4, 6, (1, 5), stride=(1, 2))", 15, 16),
    phases_of("conv_transpose2d(4, 6, 8, stride=4, padding=2)", 15, 16),
    phases_of("conv_transpose2d(4, 6, 5, stride=3, padding=4)", 15, 16),
    phases_of("conv_transpose2d(4, 6, 7, stride=5, padding=-1)", 5, 6),
    phases_of("conv_transpose2d(4, 6, 4, stride=2, padding=7)", 19, 20),
    phases_of("conv_transpose2d(2, 3, 4, stride=2, padding=1)", 2, 300),
    phases_of("conv_transpose2d(2, 3, 4, stride=2, padding=1)", 300, 2),
    phases_of("conv_transpose2d(4, 6, 2, stride=(2, 1))", 1, 9),
    phases_of("conv_transpose1d(5, 6, 16, stride=8, padding=4)", 33),
    phases_of("conv_transpose1d(5, 6, 16, stride=4, padding=4)", 33),
    phases_of("conv_transpose2d(4, 6, 8, stride=2, padding=3)", 15, 16),
    phases_of("conv_transpose2d(4, 6, (7, 4), stride=2, padding=3)", 3, 26),
    phases_of("conv_transpose3d(3, 5, 4, stride=2, padding=1)", 5, 6, 7),
    phases_of("conv_transpose3d(3, 5, 3, stride=(1, 2, 2), padding=1)", 4, 6, 9),
    phases_of("conv_transpose3d(3, 5, (7, 4, 3), stride=(2, 2, 1))", 3, 6, 9),
    of_gradient("conv2d(6, 5, 3, stride=2, padding=1)", 28, 31),
    of_gradient("conv2d(6, 5, 5, stride=2, padding=2, groups=1)", 28, 31),
    of_gradient("conv2d(6, 40, 4, stride=(3, 2), padding=2)", 29, 40),
    forward("conv2d(6, 10, 4, stride=2, padding=1, groups=2)", 19, 17),
    forward("conv2d(4, 6, 3, stride=(1, 2), padding=(3, 0))", 9, 26),
    forward("conv2d(4, 6, (3, 2), stride=(1, 4), padding=-1)", 19, 20),
    forward("conv2d(4, 6, 5, stride=3, padding=4)", 33, 35),
    forward("conv2d(4, 6, 8, stride=4, padding=9)", 12, 14),
    forward("conv2d(4, 6, (2, 3))", 15, 16),
    forward("conv2d(4, 6, 3, stride=2, padding=5)", 3, 1),
    forward("conv1d(5, 6, 16, stride=8, padding=4)", 133),
    forward("conv3d(3, 5, 4, stride=2, padding=1)", 9, 10, 11),
    forward("conv3d(3, 5, (3, 4, 4), stride=(3, 2, 2), dilation=(2, 1, 1), padding=2)", 9, 10, 11),
    forward("conv2d(6, 10, 7, padding=3, groups=2)", 17, 19),
    forward("conv2d(6, 10, 4, padding=1)", 17, 19),
    forward("conv2d(6, 10, (8, 12), stride=(2, 1), padding=5)", 30, 19),
    forward("conv2d(4, 6, (1, 7), padding=(0, 3))", 17, 15),
    forward("conv2d(4, 6, (7, 1), padding=(3, 0))", 17, 15),
    forward("conv2d(4, 6, (9, 4), padding=(8, 0))", 5, 21),
    forward("conv2d(4, 6, 7, stride=(2, 1), padding=3)", 20, 33),
    forward("conv2d(4, 6, 11, stride=4, padding=-1)", 33, 35),
    forward("conv1d(5, 6, 10)", 61),
    forward("conv3d(3, 5, (3, 7, 4), padding=2)", 5, 9, 10),
    lower(fl.ConvSpec.parse("conv_transpose2d(5, 8, 4, stride=2, padding=1)"), (16, 16), backward=True).main.steps[0].problem,
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_layers(isa: str, dtype: str) -> None:
    for problem in LAYERS:
        assert refusal(problem, dtype) is None
        check_rounding(problem, isa, dtype, batch=2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_several_blocks(isa: str, dtype: str) -> None:
    """More tiles, channels and samples than one block holds; weights kept as taps."""
    for problem, batch in (
        (phases_of("conv_transpose2d(70, 40, 4, stride=2, padding=1)", 30, 30), 1),
        (phases_of("conv_transpose2d(300, 70, 4, stride=2, padding=1)", 9, 17), 2),
        (phases_of("conv_transpose2d(8, 130, 3, stride=2)", 7, 7), 9),
        (phases_of("conv_transpose1d(40, 20, 8, stride=4)", 300), 3),
        (phases_of("conv_transpose2d(160, 150, 5, stride=2, padding=2)", 6, 6), 1),
        (phases_of("conv_transpose2d(256, 128, 4, stride=2, padding=1)", 9, 9), 1),
        (forward("conv2d(70, 40, 3, stride=2, padding=1)", 60, 62), 2),
        (forward("conv2d(160, 150, 5, stride=2, padding=2)", 12, 12), 1),
        (forward("conv2d(70, 40, 7, padding=3)", 30, 31), 2),
        (forward("conv2d(160, 150, (1, 7))", 20, 22), 1),
    ):  # fmt: skip
        check_rounding(problem, isa, dtype, batch)


def test_small_integers_are_exact_by_two(isa: str) -> None:
    """Tiles of 2 by 2 need no fraction."""
    for size in ((7, 7), (3, 6), (2, 5), (8, 8)):
        problem = phases_of("conv_transpose2d(20, 33, 4, stride=2, padding=1)", *size)
        form = form_of(problem)
        assert form is not None
        assert (form.rows, form.columns) == (2, 2)
        x, weight, bias, y = arrays_of(problem, 3, "float32", whole=True)
        check_same(run(problem, isa, x, weight, bias, y), run(problem, isa, x, weight, bias, y, algorithm="direct"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits(isa: str, dtype: str) -> None:
    """Whether weights are packed, or read where they lie."""
    for problem in (
        phases_of("conv_transpose2d(24, 72, 4, stride=2, padding=1)", 20, 22),
        phases_of("conv_transpose2d(40, 33, 3, stride=2, padding=1)", 7, 7),
        phases_of("conv_transpose2d(10, 18, 5, stride=2, groups=2)", 60, 70),
        phases_of("conv_transpose1d(7, 40, 8, stride=4)", 90),
        phases_of("conv_transpose3d(4, 20, 4, stride=2)", 3, 7, 8),
        phases_of("conv_transpose2d(256, 128, 4, stride=2, padding=1)", 9, 9),
        forward("conv2d(30, 40, 3, stride=2, padding=1)", 29, 30),
        forward("conv2d(260, 66, 4, stride=2, padding=1, groups=2)", 18, 18),
        forward("conv2d(30, 40, 7, padding=3)", 19, 20),
        forward("conv2d(130, 36, (7, 1), padding=(3, 0))", 17, 17),
    ):
        check_same_bits(problem, isa, "winograd", dtype, borrows=(False, True))


def test_any_strides(isa: str) -> None:
    for problem in (
        phases_of("conv_transpose2d(10, 40, 4, stride=2, padding=1, groups=2)", 11, 14),
        phases_of("conv_transpose2d(160, 150, 5, stride=2, padding=2)", 6, 6),
        forward("conv2d(10, 40, 3, stride=2, padding=1, groups=2)", 21, 24),
        forward("conv2d(10, 40, 7, padding=3, groups=2)", 11, 14),
    ):
        check_any_strides(problem, isa, "winograd", borrows=(False, True))


def test_nothing_is_written_elsewhere_or_read_beyond(isa: str) -> None:
    of_input = forward("conv2d(6, 10, 4, stride=2, padding=1, groups=2)", 19, 17)
    in_pieces = forward("conv2d(6, 10, 7, padding=3, groups=2)", 17, 19)
    for problem in (LAYERS[0], LAYERS[1], LAYERS[6], LAYERS[-1], of_input, in_pieces):
        check_nothing_elsewhere(problem, isa, "winograd")


@pytest.mark.parametrize("dtype", DTYPES)
def test_bound_holds_for_hostile_numbers(isa: str, dtype: str) -> None:
    """Magnitudes over twelve decades from cell to cell and tap to tap; all windows that tiles see are outputs."""
    rng = np.random.default_rng(5)
    for text in (
        "conv_transpose2d(4, 5, 4, stride=2)",
        "conv_transpose2d(4, 5, 3, stride=2)",
        "conv_transpose2d(4, 5, 6, stride=2, padding=9)",
    ):
        problem = phases_of(text, 13, 14)
        x, weight, bias, y = arrays_of(problem, 1, dtype)
        x, weight = (array * (10 ** rng.uniform(-6, 6, array.shape)).astype(dtype) for array in (x, weight))
        if "padding=9" in text:  # what no output meets must not be heard
            x[..., :1, :], x[..., -1:, :], x[..., :1], x[..., -1:] = 1e12, 1e12, 1e12, 1e12
        check_bound(problem, isa, x, weight, bias, y)
        x[..., 5, 6], weight[..., 1, 1] = 1e9, 1e-9
        check_bound(problem, isa, x, weight, bias, y)


def test_a_plan_leaves_hostile_values_and_exactness_to_direct_summation() -> None:
    spec = fl.ConvSpec.parse("conv_transpose2d(64, 64, 4, stride=2, padding=1, bias=False)")
    x, weight = (np.random.default_rng(1).standard_normal(shape).astype("float32") for shape in ((2, 64, 20, 20), spec.weight_shape))
    plan = fl.plan(spec, x.shape)
    assert plan.algorithm == "phases+winograd"
    assert fl.plan(spec, x.shape, accuracy="exact").algorithm == "phases+direct"
    exact = fl.conv(spec, x, weight, accuracy="exact")
    assert float(np.abs(fl.conv(spec, x, weight) - exact).max()) < 5e-4
    x[1, 3, 4, 5] = np.inf
    mixed, direct = plan.prepare(weight)(x), fl.conv(spec, x, weight, accuracy="exact")
    check_same(mixed[1], direct[1], bits=True)
    check_same(mixed[0], plan.prepare(weight)(x[:1])[0], bits=True)


REFUSED = [
    (phases_of("conv_transpose2d(4, 4, 2, stride=2)", 9, 9), "taps"),
    (phases_of("conv_transpose2d(4, 4, 10, stride=2)", 9, 9), "kernel 10×10"),
    (phases_of("conv_transpose2d(4, 4, 3, stride=4, output_padding=3)", 9, 9), "taps"),
    (phases_of("conv_transpose2d(4, 4, 4, stride=2, dilation=3)", 9, 9), "taps"),
    (forward("conv2d(4, 4, 4, stride=2, dilation=2)", 19, 19), "taps"),
    (forward("conv2d(4, 4, 3, stride=3)", 19, 19), "taps"),
    (forward("conv2d(4, 4, (2000, 3))", 2000, 3), "kernel 2000×3"),
    (forward("conv2d(4, 4, 4, stride=2, padding=1, padding_mode='circular')", 20, 20), "zeros"),
    (phases_of("conv_transpose2d(6000, 1, 4, stride=2)", 40, 40), "bytes"),
]


@pytest.mark.parametrize(("problem", "reason"), REFUSED)
def test_refusals(problem: Problem, reason: str) -> None:
    assert reason in str(refusal(problem, "float32"))
    assert math.isinf(cycles(problem, 16)) == math.isinf(packing_cycles(problem, 16)) == (form_of(problem) is None)


def test_refuses_integers() -> None:
    assert "exact" in str(refusal(LAYERS[0], "uint64"))
    with pytest.raises(ValueError, match=r"winograd.*exact"):
        Correlation("winograd", "uint64", available_isas()[-1], native_problem(LAYERS[0]))


def test_plan_and_engine_serve_the_same_problems() -> None:
    """Sizes around those where axes are dropped or exchanged; their forms are the same where the packed weights are as large."""
    served = 0
    every = itertools.product(
        itertools.product((1, 3), (1, 2, 5), (1, 3, 6)), itertools.product((1, 3), (1, 4, 5), (2, 3)), ((2, 1, 1), (1, 2, 2), (1, 1, 3))
    )
    problems = [
        problem
        for size, kernel, stride in every
        for problem in (
            phases_of(f"conv_transpose3d(2, 3, {kernel}, stride={stride}, output_padding={tuple(s - 1 for s in stride)})", *size),
            forward(
                f"conv3d(2, 3, {kernel}, stride={stride}, padding=1)",
                *(n + k - 2 if k > 1 else n for n, k in zip(size, kernel, strict=True)),
            ),
        )
    ]
    for problem in problems:
        if not problem.phases and form_by_three_taps(problem) is not None:
            continue  # served in another way
        form = form_of(problem)
        if form is None:
            with pytest.raises(ValueError, match="winograd"):
                Correlation("winograd", "float32", available_isas()[-1], native_problem(problem))
            continue
        made = Correlation("winograd", "float32", available_isas()[-1], native_problem(problem))
        numbers = sum(member.weight_points for member in form.members) * problem.in_channels
        far = max(member.far_taps for member in form.members)
        assert 4 * 3 * numbers <= made.packed_bytes <= 4 * (32 * far + 16) * numbers + 256
        assert 0 < cycles(problem, 16) < math.inf
        assert 0 < packing_cycles(problem, 16) < math.inf
        served += 1
    assert served > 100


def test_workspace_stays_in_its_limit() -> None:
    for problem in (
        phases_of("conv_transpose2d(64, 64, 4, stride=2, padding=1)", 112, 112),
        phases_of("conv_transpose2d(512, 512, 5, stride=2)", 7, 7),
    ):
        made = Correlation("winograd", "float32", available_isas()[-1], native_problem(problem))
        cells = problem.in_channels * math.prod(problem.in_size) + problem.out_channels * math.prod(problem.out_size)
        weights = problem.in_channels * problem.out_channels * math.prod(problem.kernel_size)
        for threads in (1, 2, 7, 256):
            assert 0 < made.workspace_bytes(threads) <= max(64 * 2**20, cells + weights)


@pytest.mark.parametrize("outputs", [2, 4])
def test_the_transforms_compute_a_correlation(outputs: int) -> None:
    to_outputs, weights, inputs = transforms(outputs, 2, POINTS[outputs])
    for a, b, o in itertools.product(range(outputs + 1), range(2), range(outputs)):
        found = sum((to_outputs[o][p] * inputs[p][a] * weights[p][b] for p in range(outputs + 1)), Fraction(0))
        assert found == (a == o + b)


@pytest.mark.parametrize(
    "problem",
    [
        phases_of("conv_transpose2d(64, 32, 4, stride=2, padding=1)", 16, 16),
        forward("conv2d(64, 32, 4, stride=2, padding=1)", 32, 32),
        forward("conv2d(64, 32, 7, padding=3)", 20, 20),
    ],
)
def test_rounds_little_more_than_direct_summation(problem: Problem) -> None:
    """Root mean square over a layer; by points 0, 1, -1, 2 it would be four times."""
    x, weight, _, _ = arrays_of(problem, 1, "float32")
    isa = available_isas()[-1]
    expected = run(problem, isa, x.astype(float), weight.astype(float), algorithm="direct")
    errors = {name: np.sqrt(np.mean((run(problem, isa, x, weight, algorithm=name) - expected) ** 2)) for name in ("winograd", "direct")}
    assert errors["winograd"] < 3.2 * errors["direct"]
