"""Depthwise kernels at the edges of their tiles: rows and columns around a vector, pairs of channels, ways to read the input.

What every algorithm must do is in test_tiles; here is what only these kernels can get wrong.
"""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fl
from faltung.engine import depthwise
from faltung.engine.native import Correlation, available_isas, native_problem
from faltung.engine.problem import Problem
from tests.support.check import check_same
from tests.support.one_channel import arrays, check_case, problem, run
from tests.support.strategies import integers_of_shape


@pytest.fixture(params=available_isas())
def isa(request: pytest.FixtureRequest) -> str:
    return str(request.param)


COLUMNS = [1, 2, 4, 5, 7, 8, 9, 15, 16, 17, 23, 24, 25, 32, 40]


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_columns(isa: str, stride: int) -> None:
    """Vectors full, half full (two channels share one), and with one lane more; an odd channel remains."""
    for columns in COLUMNS:
        for kernel in (1, 2, 3, 5):
            check_case("depthwise", isa, problem(3, 1, (5, columns), (3, kernel), stride, short=kernel // 2))


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_rows(isa: str, stride: int) -> None:
    for rows in (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33):
        for kernel in (1, 2, 3, 4, 5, 6, 7, 11):
            check_case("depthwise", isa, problem(2, 1, (rows, 6), (kernel, 3), stride, short=kernel // 2))


def test_several_outputs_of_a_channel(isa: str) -> None:
    for groups, out_channels in ((1, 2), (1, 5), (3, 2), (2, 3)):
        for columns in (6, 16, 20):
            check_case("depthwise", isa, problem(groups, out_channels, (9, columns), (3, 3), short=1), batch=2)


@pytest.mark.parametrize("kernel", [16, 17, 31, 47, 48, 64, 65, 100, 200])
def test_long_rows(isa: str, kernel: int) -> None:
    """One row: taps a vector apart share what is loaded."""
    for stride, dilation in ((1, 1), (2, 1), (1, 2), (1, 3), (3, 2)):
        check_case("depthwise", isa, problem(2, 1, (300,), (kernel,), stride, dilation, short=kernel // 2))
    check_case("depthwise", isa, problem(1, 2, (3, 90), (1, kernel)))


def test_blocks_of_rows_and_columns(isa: str) -> None:
    check_case("depthwise", isa, problem(1, 1, (40, 2100), (3, 3)))
    check_case("depthwise", isa, problem(2, 1, (260, 300), (3, 3), mode="reflect"))
    check_case("depthwise", isa, problem(1, 1, (9000,), (5,), mode="circular"))


def test_written_is_only_what_belongs_to_it(isa: str) -> None:
    """Every second column of a larger array, added to what is there."""
    for columns in (7, 16, 21):
        case = problem(3, 1, (9, columns), (3, 3), short=1)
        x, weight, bias = arrays(case, 2, "float32")
        expected = run("general", isa, case, x, weight, bias) + 5
        held = np.full((2, 3, 1, 9, 2 * columns), 5, np.float32)
        operation = Correlation("depthwise", "float32", isa, native_problem(case))
        operation.run(x, operation.pack(weight), bias, held[..., ::2], True, 1)
        check_same(held[..., ::2], expected)
        assert (held[..., 1::2] == 5).all()


def test_refusals() -> None:
    several = Problem(2, 3, 1, (5, 5), (3, 3), (3, 3), (1, 1), (1, 1), (0, 0), "zeros")
    assert "3 input channels" in str(depthwise.refusal(several, "float32"))
    with pytest.raises(ValueError, match="several input channels"):
        Correlation("depthwise", "float32", available_isas()[-1], native_problem(several))
    far = problem(1, 1, (2, 2), (2, 2), dilation=2**30)
    assert "bytes a thread" in str(depthwise.refusal(far, "float32"))
    assert depthwise.refusal(problem(4, 2, (9, 9), (3, 3)), "float32") is None


def test_cost_grows_with_the_work() -> None:
    small, large = problem(8, 1, (28, 28), (3, 3)), problem(8, 1, (28, 28), (7, 7))
    assert 0 < depthwise.cycles(small, 16) < depthwise.cycles(large, 16)
    assert depthwise.cycles(small, 16) < depthwise.cycles(problem(8, 1, (28, 28), (3, 3), mode="reflect"), 16)
    assert depthwise.cycles(small, 16) < depthwise.cycles(small, 4)


def test_depthwise_layers_by_the_functions() -> None:
    """The same through the package, whichever algorithm it takes."""
    x, weight = integers_of_shape((2, 6, 15, 14), 1).astype(np.float32), integers_of_shape((6, 1, 3, 3), 2).astype(np.float32)
    spec = fl.ConvSpec(6, 6, 3, padding=1, groups=6, ndim=2)
    case = Problem(6, 1, 1, (15, 14), (15, 14), (3, 3), (1, 1), (1, 1), (1, 1), "zeros")
    y = run("depthwise", available_isas()[-1], case, x[:, :, None], weight[:, :, None], None)
    check_same(y[:, :, 0], fl.conv(spec, x, weight))
