"""Channelwise kernels at the edges of their blocks: widths, shifts of taps, channels around a vector, ways to lay out the map.

What every algorithm must do is in test_tiles; here is what only these kernels can get wrong.
"""

from __future__ import annotations

import numpy as np
import pytest

from faltung.engine import channelwise, depthwise
from faltung.engine.depthwise import AxisProducts
from faltung.engine.native import Correlation, available_isas, native_problem
from faltung.engine.problem import Problem
from tests.support.check import check_same
from tests.support.one_channel import arrays, check_case, problem, run


@pytest.fixture(params=available_isas())
def isa(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_columns(isa: str, stride: int, dilation: int) -> None:
    """Every width of a block, whole and with a rest; taps that shift it by all there are."""
    for columns in (1, 3, 4, 5, 6, 7, 8, 9, 11, 14, 17):
        for kernel in (1, 2, 3, 7, 18):
            short = kernel * dilation // 2
            check_case("channelwise", isa, problem(3, 1, (3, columns), (3, kernel), stride, dilation, short=short))


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 5, 8, 15, 16, 17, 33])
def test_channels(isa: str, groups: int) -> None:
    for out_channels in (1, 2, 3):
        check_case("channelwise", isa, problem(groups, out_channels, (5, 7), (3, 3), short=1), batch=2)


def test_cropping(isa: str) -> None:
    """Cells before the first output that no tap meets."""
    check_case("channelwise", isa, Problem(3, 1, 1, (9, 10), (4, 5), (3, 3), (1, 1), (1, 1), (-2, -3), "zeros"))
    check_case("channelwise", isa, Problem(3, 1, 1, (9, 10), (4, 5), (3, 3), (1, 1), (1, 1), (-2, -3), "circular"))


def test_written_is_only_what_belongs_to_it(isa: str) -> None:
    """Every second column of a larger array, and channels last, added to what is there."""
    for groups, columns in ((3, 7), (17, 9)):
        case = problem(groups, 1, (9, columns), (3, 3), short=1)
        x, weight, bias = arrays(case, 2, "float32")
        expected = run("general", isa, case, x, weight, bias) + 5
        operation = Correlation("channelwise", "float32", isa, native_problem(case))
        held = np.full((2, groups, 1, 9, 2 * columns), 5, np.float32)
        operation.run(x, operation.pack(weight), bias, held[..., ::2], True, 1)
        check_same(held[..., ::2], expected)
        assert (held[..., 1::2] == 5).all()
        last = np.full((2, 9, columns, groups + 2, 1), 5, np.float32)
        operation.run(x, operation.pack(weight), bias, np.moveaxis(last[..., :groups, :], (-2, -1), (1, 2)), True, 1)
        check_same(np.moveaxis(last[..., :groups, :], (-2, -1), (1, 2)), expected)
        assert (last[..., groups:, :] == 5).all()


def test_refusals() -> None:
    several = Problem(2, 3, 1, (5, 5), (3, 3), (3, 3), (1, 1), (1, 1), (0, 0), "zeros")
    assert "3 input channels" in str(channelwise.refusal(several, "float32"))
    with pytest.raises(ValueError, match="several input channels"):
        Correlation("channelwise", "float32", available_isas()[-1], native_problem(several))
    assert "too large" in str(channelwise.refusal(problem(1, 1, (500, 500), (3, 3)), "float32"))
    assert "steps" in str(channelwise.refusal(problem(1, 1, (2, 2), (2, 2), dilation=2**30), "float32"))
    assert channelwise.refusal(problem(4, 2, (9, 9), (3, 3)), "float32") is None
    # The kernels would look through every meeting of a cell, an output and a tap, for minutes, before they are made.
    assert "longer than tiles" in str(channelwise.refusal(problem(1, 1, (10000,), (5000,)), "float32"))


@pytest.mark.parametrize(("stride", "dilation", "before"), [(1, 1, 0), (2, 3, 40), (3, 2, 300), (1, 1, 99)])
@pytest.mark.parametrize("taps", [64, 65, 100])
def test_products_are_counted_alike_for_few_taps_and_many(taps: int, stride: int, dilation: int, before: int) -> None:
    size = (before + 150 + before - (taps - 1) * dilation - 1) // stride + 1
    one = Problem(1, 1, 1, (150,), (max(1, size),), (taps,), (stride,), (dilation,), (before,), "zeros")
    axis = AxisProducts(one, 0)
    met = [sum(0 <= o * stride + k * dilation - before < 150 for o in range(one.out_size[0])) for k in range(taps)]
    assert axis.products == sum(met)


def test_cost_tells_small_maps_from_large() -> None:
    """Channels in the lanes where a row fills no vector and the kernel covers the map; positions elsewhere."""
    small, large = problem(512, 1, (7, 7), (13, 13), short=6), problem(32, 1, (112, 112), (3, 3), short=1)
    assert channelwise.cycles(small, 16) < depthwise.cycles(small, 16)
    assert channelwise.cycles(large, 16) > depthwise.cycles(large, 16)
    assert channelwise.cycles(small, 16) < channelwise.cycles(small, 4)
    assert channelwise.packing_cycles(small, 16) > channelwise.packing_cycles(large, 16)
