"""Taps, phases and what they reach, counted cell by cell; what is advised where no window fits."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from faltung.errors import ConvShapeError
from faltung.geometry import Axis, Phase, reach_of


def test_outputs_inside_are_those_whose_tap_meets_a_cell() -> None:
    for stride, dilation, before, tap, small, large in itertools.product((1, 2, 3), (1, 2), range(-2, 5), (0, 1, 2), (0, 1, 4), (0, 1, 5)):
        found = Axis(0, 3, stride, dilation).outputs_inside(tap, small, large, before)
        expected = [o for o in range(small) if 0 <= o * stride + tap * dilation - before < large]
        assert list(found) == expected
        assert found.start >= 0


def test_an_output_range_begins_with_the_first_output_inside() -> None:
    assert Axis(0, 3).outputs_inside(0, 6, 6, 2) == range(2, 6)


def test_phases_are_ints_have_outputs_and_slice_their_taps() -> None:
    for kernel, stride, dilation, outputs, before in itertools.product((1, 2, 3, 5), (1, 2, 3, 4), (1, 2, 3), (1, 2, 5), (0, 1, 3)):
        axis = Axis(0, kernel, stride, dilation, transposed=True)
        for phase in axis.phases(outputs, before):
            assert {type(value) for value in dataclasses.astuple(phase)} == {int}
            assert phase.count > 0
            assert list(range(kernel))[phase.kernel_slice] == [phase.tap + t * phase.tap_step for t in range(phase.taps)][::-1]


@pytest.mark.parametrize(("tap", "taps"), [(0, [2, 0]), (1, [3, 1]), (2, [4, 2]), (3, [5, 3])])
def test_a_slice_of_taps_ends_with_the_phases_first(tap: int, taps: list[int]) -> None:
    assert list(range(9))[Phase(0, 4, tap, 2, 2, 1, 1).kernel_slice] == taps


def test_reach_is_that_of_phases_with_taps() -> None:
    assert reach_of([]) == (0, 0)
    assert reach_of([Phase(0, 4, 0, 2, 0, 1, 5)]) == (0, 0)
    assert reach_of([Phase(0, 4, 0, 2, 2, 1, 1)]) == (-1, 0)
    assert reach_of([Phase(0, 4, 0, 2, 3, 2, -2), Phase(0, 4, 0, 2, 0, 1, 9)]) == (2, 6)


@pytest.mark.parametrize(
    ("axis", "size", "remedy"),
    [
        (Axis(0, 2), 1, "Input plus padding must be at least 2, it is 1. Add 1 of padding, or use a kernel of 1."),
        (Axis(0, 3), 2, "Input plus padding must be at least 3, it is 2. Add 1 of padding, or use a kernel of 2 or less."),
        (Axis(0, 2, dilation=5), 3, "Input plus padding must be at least 6, it is 3. Add 3 of padding, or use dilation 2 or less."),
        (Axis(0, 3, dilation=2), 4, "Input plus padding must be at least 5, it is 4. Add 1 of padding, or use dilation 1 or less."),
        (Axis(0, 3, dilation=3), 3, "Input plus padding must be at least 7, it is 3. Add 4 of padding, or use dilation 1 or less."),
        (Axis(0, 4, dilation=2), 3, "Input plus padding must be at least 7, it is 3. Add 4 of padding, or use a kernel of 2 or less."),
        (Axis(0, 1, dilation=2, padding=(-2, -2)), 3, "Input plus padding must be at least 1, it is -1. Add 2 of padding."),
    ],
)
def test_what_is_advised_where_no_window_fits_makes_one_fit(axis: Axis, size: int, remedy: str) -> None:
    with pytest.raises(ConvShapeError) as caught:
        axis.output_size(size)
    assert caught.value.remedy == remedy
    before, after = axis.sides(size)
    missing = axis.extent - size - before - after
    assert dataclasses.replace(axis, padding=(before, after + missing)).output_size(size) == 1
    with pytest.raises(ConvShapeError, match="Add 1 of padding"):
        dataclasses.replace(axis, padding=(before, after + missing - 1)).output_size(size)
