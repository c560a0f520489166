"""Winograd's filtering on every instruction set: right at the edges of its tiles, within its bound, the same bits always."""

from __future__ import annotations

import functools
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import faltung as fl
from faltung.engine.native import Correlation, available_isas, native_problem
from faltung.engine.problem import Problem
from faltung.engine.winograd import cycles, error_growth, form_of, packing_cycles, refusal, transforms
from faltung.engine.winograd_phases import form_of as form_by_phases
from tests.support import problems
from tests.support.check import check_same, check_within
from tests.support.engine import labelled
from tests.support.layouts import channels_last
from tests.support.problems import arrays_of, check_growth, check_same_bits, flipped, largest_sum, problem_of, swapped

DTYPES = ["float32", "float64"]
MODES = ["zeros", "absent", "circular", "reflect", "replicate", "symmetric"]

run = functools.partial(problems.run, algorithm="winograd")


def check_rounding(problem: Problem, isa: str, dtype: str, batch: int = 1, *, by_six: bool = False) -> None:
    """Random numbers within the bound."""
    growth = error_growth(problem, dtype, by_six=by_six)
    check_growth(problem, isa, "winograd6" if by_six else "winograd", growth, *arrays_of(problem, batch, dtype))


@pytest.fixture(params=available_isas())
def isa(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tile_edges(isa: str, dtype: str) -> None:
    """Every size from one output to more than a vector of tiles, with and without padding."""
    for rows, columns in [(r, c) for r in (1, 2, 3, 4, 5, 9) for c in (4, 5, 7, 8, 9, 13)] + [(3, 29), (5, 36), (4, 65), (2, 130), (70, 6)]:
        check_rounding(problem_of(2, 3, (rows + 2, columns + 2), before=(0, 0)), isa, dtype)
        check_rounding(problem_of(2, 3, (rows, columns)), isa, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_five_taps(isa: str, dtype: str) -> None:
    """By 2 and by 4 outputs, along one axis and two, beside other kernels, dilated, with every border."""
    for rows, columns in [(r, c) for r in (1, 2, 4, 5, 9) for c in (4, 5, 8, 9, 17)] + [(30, 37), (5, 70), (70, 6)]:
        check_rounding(problem_of(2, 3, (rows, columns), (5, 5)), isa, dtype)
        check_rounding(problem_of(2, 3, (rows + 4, columns + 4), (5, 5), (0, 0)), isa, dtype)
    for size, kernel, dilation in (
        ((40,), (5,), (1,)), ((41,), (5,), (3,)), ((37, 12), (5, 1), (1, 1)), ((17, 19), (3, 5), (1, 1)), ((20, 19), (5, 3), (1, 1)),
        ((24, 33), (5, 5), (2, 3)), ((5, 16, 15), (3, 5, 5), (1, 1, 1)),
    ):  # fmt: skip
        for mode in MODES if len(size) < 3 else ("zeros",):
            check_rounding(problem_of(5, 17, size, kernel, groups=2, mode=mode, dilation=dilation), isa, dtype, batch=2)
    for channels in (33, 65):
        check_rounding(problem_of(40, channels, (28, 28), (5, 5)), isa, dtype, batch=2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_six_outputs(isa: str, dtype: str) -> None:
    for rows, columns in [(r, c) for r in (1, 5, 6, 7, 12) for c in (4, 6, 7, 13)] + [(30, 37), (5, 130)]:
        check_rounding(problem_of(2, 3, (rows, columns)), isa, dtype, by_six=True)
    for mode in MODES:
        check_rounding(problem_of(20, 33, (14, 17), groups=2, mode=mode), isa, dtype, batch=2, by_six=True)
    check_rounding(problem_of(3, 5, (24, 33), dilation=(2, 3)), isa, dtype, by_six=True)
    check_rounding(problem_of(9, 12, (6, 12, 12), (3, 3, 3)), isa, dtype, by_six=True)


def test_six_outputs_are_taken_only_where_asked_for() -> None:
    spec, shape = "conv2d(64, 64, 3, padding=1)", (1, 64, 48, 48)
    plan = fl.plan(spec, shape)
    listed = {decision.algorithm: decision for decision in plan.why}
    assert plan.algorithm == "winograd"
    assert listed["winograd6"].fits
    assert "only where it is asked for: its error bound" in listed["winograd6"].reason
    asked = fl.plan(spec, shape, algorithm="winograd6")
    assert asked.algorithm == "winograd6"
    assert asked.error_bound > 2 * plan.error_bound


@pytest.mark.parametrize("dtype", DTYPES)
def test_channels(isa: str, dtype: str) -> None:
    for in_channels, out_channels in itertools.product((1, 2, 5), (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65)):
        check_rounding(problem_of(in_channels, out_channels, (9, 10)), isa, dtype)
        check_rounding(problem_of(in_channels, out_channels, (7, 7)), isa, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", MODES)
def test_borders_groups_and_axes(isa: str, dtype: str, mode: str) -> None:
    shapes = [
        ((9, 11), (3, 3), (2, 1)), ((14, 14), (3, 3), (1, 1)), ((6, 130), (3, 3), (5, 2)), ((40,), (3,), (1,)), ((6,), (3,), (4,)),
        ((37, 12), (3, 1), (1, 0)), ((7, 19), (1, 3), (0, 1)), ((5, 6, 9), (3, 3, 3), (1, 1, 1)), ((4, 9, 9), (2, 1, 3), (1, 0, 2)),
        ((9, 9), (5, 3), (2, 1)), ((12, 2), (3, 3), (1, 1)), ((9, 8), (3, 3), (-1, 2)),
    ]  # fmt: skip
    for size, kernel, before in shapes:
        for groups in (1, 3):
            check_rounding(problem_of(3, 5, size, kernel, before, groups=groups, mode=mode), isa, dtype, batch=2)
    check_rounding(problem_of(3, 5, (9, 12), (3, 3), stride=(2, 1), mode=mode), isa, dtype)
    check_rounding(problem_of(3, 5, (8, 9), (3, 3), (0, 4), after=3, mode=mode), isa, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", MODES)
def test_dilated(isa: str, dtype: str, mode: str) -> None:
    """Every number of outputs of a phase around a tile, phases of unlike size, more phases than outputs, one axis dilated alone."""
    shapes = [
        ((9, 11), (3, 3), (2, 2)), ((33, 33), (3, 3), (6, 6)), ((28, 26), (3, 3), (2, 3)), ((5, 7), (3, 3), (12, 9)),
        ((14, 40), (3, 3), (1, 5)), ((40, 14), (3, 3), (5, 1)), ((41,), (3,), (4,)), ((6,), (3,), (7,)),
        ((37, 12), (3, 1), (3, 2)), ((7, 39), (1, 3), (5, 3)), ((5, 16, 9), (3, 3, 3), (2, 2, 1)),
        ((12, 3), (3, 3), (2, 2)), ((17, 18), (5, 3), (2, 2)),
    ]  # fmt: skip
    for size, kernel, dilation in shapes:
        for groups in (1, 2):
            check_rounding(problem_of(3, 5, size, kernel, groups=groups, mode=mode, dilation=dilation), isa, dtype, batch=2)
    for rows in range(5, 15):
        check_rounding(problem_of(2, 3, (rows, 20 - rows), before=(0, 1), mode=mode, dilation=(2, 2), after=2), isa, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_several_blocks(isa: str, dtype: str) -> None:
    """More tiles, channels and samples than one block holds."""
    for problem, batch in (
        (problem_of(70, 40, (30, 30)), 1), (problem_of(300, 70, (9, 17)), 2), (problem_of(8, 130, (7, 7)), 9),
        (problem_of(70, 40, (30, 30), dilation=(2, 3)), 2),
        (problem_of(6, 33, (120, 120)), 1), (problem_of(40, 20, (300,), (3,)), 3), (problem_of(9, 12, (6, 12, 12), (3, 3, 3)), 2),
    ):  # fmt: skip
        check_rounding(problem, isa, dtype, batch)


@pytest.mark.parametrize("dtype", DTYPES)
def test_few_terms(isa: str, dtype: str) -> None:
    """Products taken where they are transformed back: whole lines and parts of them, several blocks, samples, groups and axes."""
    for in_channels, (out_channels, columns) in itertools.product((1, 2, 3, 4, 5), ((16, 16), (17, 33), (15, 47), (65, 24), (33, 65))):
        check_rounding(problem_of(in_channels, out_channels, (9, columns)), isa, dtype, batch=2)
    check_rounding(problem_of(6, 80, (70, 75), groups=2), isa, dtype)
    check_rounding(problem_of(3, 40, (7, 33)), isa, dtype, batch=9)
    check_rounding(problem_of(1, 33, (6, 12, 40), (3, 3, 3)), isa, dtype)
    check_rounding(problem_of(3, 20, (20, 80), dilation=(1, 2)), isa, dtype, batch=2)


def test_small_integers_are_exact_by_two(isa: str) -> None:
    """Tiles of 2 by 2 need no number but halves."""
    for size, dilation in (((7, 7), (1, 1)), ((2, 6), (1, 1)), ((1, 5), (1, 1)), ((14, 13), (7, 7)), ((5, 8), (3, 1))):
        problem = problem_of(20, 33, size, dilation=dilation)
        form = form_of(problem)
        assert form is not None
        assert (form.rows, form.columns) == (2, 2)
        x, weight, bias, y = arrays_of(problem, 3, "float32", whole=True)
        check_same(run(problem, isa, x, weight, bias, y), run(problem, isa, x, weight, bias, y, algorithm="direct"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits(isa: str, dtype: str) -> None:
    for problem in (
        problem_of(24, 72, (20, 22)), problem_of(40, 33, (7, 7)), problem_of(5, 9, (60, 70), groups=2), problem_of(7, 40, (90,), (3,)),
        problem_of(4, 20, (5, 12, 13), (3, 3, 3), mode="circular"), problem_of(30, 65, (13, 14), mode="reflect"),
        problem_of(24, 72, (21, 22), dilation=(2, 3)), problem_of(3, 40, (30, 50)), problem_of(2, 33, (12, 20)),
    ):  # fmt: skip
        check_same_bits(problem, isa, "winograd", dtype)


def test_any_strides(isa: str) -> None:
    """Channels last, reversed, every second cell; read and written."""
    for mode, dilation in itertools.product(("zeros", "circular"), ((1, 1), (2, 3))):
        problem = problem_of(5, 20, (11, 14), groups=2, mode=mode, dilation=dilation)
        x, weight, bias, y = arrays_of(problem, 2, "float32")
        expected = run(problem, isa, x, weight, bias, y)
        kernel = Correlation("winograd", "float32", isa, native_problem(problem))
        for change in (lambda a: channels_last(a, 2), lambda a: np.repeat(a, 2, -1)[..., ::2], flipped):
            own = change(y)
            kernel.run(change(x), kernel.pack(change(weight)), bias, own, True, 2)
            check_same(np.ascontiguousarray(own), expected, bits=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_read_where_they_lie(isa: str, dtype: str) -> None:
    """The bits of packed weights, of any strides, whether they are transformed once or for every block of tiles."""
    for problem in (
        problem_of(70, 40, (12, 12)), problem_of(37, 19, (7, 7), groups=2), problem_of(9, 33, (80, 81)), problem_of(5, 7, (300,), (3,)),
        problem_of(200, 9, (9, 9)), problem_of(6, 33, (4, 9, 9), (3, 3, 3)), problem_of(11, 18, (37, 12), (3, 1)),
    ):  # fmt: skip
        x, weight, bias, y = arrays_of(problem, 3, dtype)
        kernel = Correlation("winograd", dtype, isa, native_problem(problem))
        expected = run(problem, isa, x, weight, bias, y)
        for change in (np.copy, swapped, flipped, lambda a: swapped(flipped(a)), lambda a: np.repeat(a, 2, -1)[..., ::2]):
            borrowed = kernel.pack(change(weight), 2, borrows=True)
            assert borrowed.nbytes < 1000
            with labelled(problem):
                for batch, threads in ((3, 1), (1, 2), (3, 3)):
                    result = y[:batch].copy()
                    kernel.run(x[:batch], borrowed, bias, result, True, threads)
                    check_same(result, expected[:batch].copy(), bits=True)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_a_result_written_over_its_weights(dtype: str) -> None:
    """Weights that are read where they lie may not be written while they are."""
    rng = np.random.default_rng(7)
    x, weight = (rng.standard_normal(shape).astype(dtype) for shape in ((1, 64, 24, 24), (64, 64, 3, 3)))
    assert fl.plan("conv2d(64, 64, 3, padding=1)", x.shape).algorithm == "winograd"
    expected = fl.conv2d(x, weight, padding=1)
    out = weight.reshape(expected.shape)
    assert fl.conv2d(x, weight, padding=1, out=out) is out
    check_same(out, expected, bits=True)


@pytest.mark.parametrize(("in_channels", "columns"), [(3, 9), (3, 39), (9, 39)])
def test_nothing_is_written_elsewhere(isa: str, in_channels: int, columns: int) -> None:
    problem = problem_of(in_channels, 19, (7, columns))
    x, weight, bias, _ = arrays_of(problem, 2, "float32")
    around = np.full((2, 1, 23, 11, columns + 4), 7, np.float32)
    inner = around[:, :, 2:-2, 2:-2, 2:-2]
    kernel = Correlation("winograd", "float32", isa, native_problem(problem))
    kernel.run(x, kernel.pack(weight), bias, inner, False, 2)
    check_same(inner.copy(), run(problem, isa, x, weight, bias), bits=True)
    inner[...] = 7
    assert (around == 7).all()


def test_reads_nothing_beyond_the_input(isa: str) -> None:
    """NaN around the input of every border."""
    for mode in MODES:
        problem = problem_of(3, 5, (6, 18), mode=mode)
        x, weight, _, _ = arrays_of(problem, 1, "float32")
        around = np.full((1, 1, 5, 10, 22), np.nan, np.float32)
        inner = around[:, :, 1:-1, 2:-2, 2:-2]
        inner[...] = x
        check_same(run(problem, isa, inner, weight), run(problem, isa, x, weight), bits=True)


REFUSED = [
    (problem_of(4, 4, (9, 9), (7, 7)), "5 taps"),
    (problem_of(4, 4, (9, 9), (3, 3), stride=(1, 2)), "stride 1×2"),
    (problem_of(4, 4, (9, 9), (1, 1)), "5 taps"),
    (problem_of(4, 4, (9, 9), (3, 7)), "5 taps"),
    (problem_of(0, 4, (9, 9)), "nothing"),
    (problem_of(60_000, 1, (9, 9)), "bytes"),
]


@pytest.mark.parametrize(("problem", "reason"), REFUSED)
def test_refusals(problem: Problem, reason: str) -> None:
    assert reason in str(refusal(problem, "float32"))
    assert math.isinf(cycles(problem, 16)) == (form_of(problem) is None)


def test_refuses_integers() -> None:
    assert "exact" in str(refusal(problem_of(4, 4, (9, 9)), "uint64"))
    with pytest.raises(ValueError, match=r"winograd.*exact"):
        Correlation("winograd", "uint64", available_isas()[-1], native_problem(problem_of(4, 4, (9, 9))))


def test_plan_and_engine_serve_the_same_problems() -> None:
    """Sizes around those where axes are dropped or exchanged; kernels with 3 taps on any axis or none."""
    served = 0
    for size in itertools.product((1, 2, 5), (1, 3, 4), (1, 3, 6)):
        for kernel in itertools.product((1, 2), (1, 3), (1, 3)):
            for stride in ((1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2)):
                problem = problem_of(2, 3, size, kernel, (1, 1, 1), stride=stride)
                reason, form = refusal(problem, "float32"), form_of(problem)
                if reason is not None or form is None:
                    if form_by_phases(problem) is not None:
                        continue  # served in another way
                    with pytest.raises(ValueError, match="winograd"):
                        Correlation("winograd", "float32", available_isas()[-1], native_problem(problem))
                    continue
                made = Correlation("winograd", "float32", available_isas()[-1], native_problem(problem))
                assert made.packed_bytes >= 4 * form.points * form.terms * 3
                assert 0 < cycles(problem, 16) < math.inf
                assert 0 < packing_cycles(problem, 16) < math.inf
                served += 1
    assert served > 100


def test_workspace_stays_in_its_limit() -> None:
    for problem in (problem_of(64, 64, (224, 224)), problem_of(512, 512, (14, 14)), problem_of(20_000, 8, (9, 9))):
        made = Correlation("winograd", "float32", available_isas()[-1], native_problem(problem))
        cells = problem.in_channels * math.prod(problem.in_size) + problem.out_channels * math.prod(problem.out_size)
        weights = problem.in_channels * problem.out_channels * 9
        for threads in (1, 2, 7, 256):
            assert 0 < made.workspace_bytes(threads) <= max(64 * 2**20, (cells + weights))


@pytest.mark.parametrize(("outputs", "taps"), [(2, 3), (4, 3), (6, 3), (2, 5), (4, 5)])
def test_the_transforms_compute_a_correlation(outputs: int, taps: int) -> None:
    to_outputs, weights, inputs = transforms(outputs, taps)
    points = outputs + taps - 1
    for a, b in itertools.product(range(points), range(taps)):
        for o in range(outputs):
            found = sum((to_outputs[o][p] * inputs[p][a] * weights[p][b] for p in range(points)), Fraction(0))
            assert found == (a == o + b)


@pytest.mark.parametrize("dtype", DTYPES)
def test_bound_holds_for_hostile_numbers(isa: str, dtype: str) -> None:
    """Magnitudes over twelve decades from cell to cell and tap to tap, a weight's largest taps where its largest cells are not."""
    rng = np.random.default_rng(5)
    for mode, before, dilation in (
        ("zeros", (2, 2), (1, 1)),
        ("circular", (1, 1), (1, 1)),
        ("zeros", (4, 4), (2, 2)),
        ("zeros", (0, 0), (1, 1)),
    ):
        problem = problem_of(4, 5, (13, 14), (3, 3), before, mode=mode, dilation=dilation)
        x, weight, _, _ = arrays_of(problem, 1, dtype)
        x, weight = (array * (10 ** rng.uniform(-6, 6, array.shape)).astype(dtype) for array in (x, weight))
        if before == (0, 0):  # the outputs meet all cells of every window that a tile sees
            x[..., :2, :], x[..., -2:, :], x[..., :2], x[..., -2:] = 0, 0, 0, 0
        check_hostile(problem, isa, x, weight)
        x[..., 5, 6], weight[..., 1, 1] = 1e9, 1e-9
        check_hostile(problem, isa, x, weight)


def test_cells_that_no_output_meets_do_not_matter(isa: str) -> None:
    """Where outputs are cropped, a tile reaches past them; on both sides of both axes, and between the phases of a dilation."""
    for before, out, dilation in (((-3, -5), (21, 18), (1, 1)), ((0, -4), (17, 22), (1, 1)), ((-2, -3), (23, 22), (2, 3))):
        for mode in ("zeros", "reflect"):
            problem = Problem(1, 3, 4, (40, 41), out, (3, 3), (1, 1), dilation, before, mode)
            x, weight, _, _ = arrays_of(problem, 1, "float32")
            hostile = np.full_like(x, 1e9)
            met = tuple(slice(-b, -b + o + 2 * d) for b, o, d in zip(before, out, dilation, strict=True))
            hostile[(..., *met)] = x[(..., *met)]
            check_same(run(problem, isa, hostile, weight), run(problem, isa, x, weight), bits=True)
            check_hostile(problem, isa, hostile, weight)


def check_hostile(problem: Problem, isa: str, x: np.ndarray, weight: np.ndarray) -> None:
    unit = float(np.finfo(x.dtype).eps) / 2
    expected = run(problem, isa, x.astype(float), weight.astype(float), algorithm="direct")
    bound = (error_growth(problem, x.dtype.name) + 1) * (problem.terms + 1) * unit * largest_sum(problem, x, weight)
    with labelled((problem, x.dtype)):
        check_within(run(problem, isa, x, weight), expected, bound, dtype=x.dtype)


def test_rounds_little_more_than_direct_summation() -> None:
    """Root mean square over a layer; by points 0, 1, -1, 2, -2 it would be four times."""
    problem = problem_of(64, 32, (32, 32))
    x, weight, _, _ = arrays_of(problem, 1, "float32")
    isa = available_isas()[-1]
    expected = run(problem, isa, x.astype(float), weight.astype(float), algorithm="direct")
    errors = {name: np.sqrt(np.mean((run(problem, isa, x, weight, algorithm=name) - expected) ** 2)) for name in ("winograd", "direct")}
    assert errors["winograd"] < 3.2 * errors["direct"]


def test_five_taps_round_little_more_than_direct_summation() -> None:
    problem = problem_of(64, 32, (32, 32), (5, 5))
    x, weight, _, _ = arrays_of(problem, 1, "float32")
    isa = available_isas()[-1]
    expected = run(problem, isa, x.astype(float), weight.astype(float), algorithm="direct")
    errors = {name: np.sqrt(np.mean((run(problem, isa, x, weight, algorithm=name) - expected) ** 2)) for name in ("winograd", "direct")}
    assert errors["winograd"] < 6 * errors["direct"]
