"""Spans that repeat, against windows followed cell by cell."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltung.errors import ConvShapeError
from faltung.geometry import Axis
from faltung.reach import Reach, of_axis, of_resize, of_shift
from faltung.taps import AxisTaps

axes = st.builds(
    lambda kernel, stride, dilation, before, transposed: Axis(
        0, kernel, stride, dilation, padding=(before, 40), output_padding=0, transposed=transposed
    )
    if not transposed
    else Axis(0, kernel, stride, dilation, padding=(before, 0), transposed=True),
    st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(0, 3), st.booleans(),
)  # fmt: skip


def seen_by(chain: list[Axis], size: int, output: int) -> tuple[int, int] | None:
    """First and last cell that an output sees, tap by tap from the output back."""
    sizes = [size]
    for axis in chain:
        sizes.append(axis.output_size(sizes[-1]))
    cells = {output}
    for axis, before in zip(reversed(chain), reversed(sizes[:-1]), strict=True):
        taps = AxisTaps(axis, before, "zeros")
        cells = {meeting.input for cell in cells for meeting in taps.of_output(cell) if meeting.input is not None}
    return (min(cells), max(cells)) if cells else None


@given(st.lists(axes, min_size=1, max_size=3))
def test_chains(chain: list[Axis]) -> None:
    size = 90
    total, sizes = Reach.itself(), [size]
    for axis in chain:
        total = of_axis(axis, sizes[-1]).over(total)
        sizes.append(axis.output_size(sizes[-1]))
    inside = [place for place in range(sizes[-1]) if (span := total.at(place)) is None or (span[0] >= 30 and span[1] < 50)]
    for output in inside[:40]:
        assert total.at(output) == seen_by(chain, size, output)


def test_a_stack_of_small_kernels() -> None:
    total = Reach.itself()
    for _ in range(4):
        total = of_axis(Axis(0, 3, padding=(1, 1)), 100).over(total)
    assert (total.size, total.stride, total.offset, total.centre) == (9, 1, -4, 0)


def test_phases_that_see_different_cells() -> None:
    up = of_axis(Axis(0, kernel=3, stride=2, transposed=True), 8)
    assert (up.sizes, up.stride) == ((2, 1), Fraction(1, 2))
    assert up.at(4) == (1, 2)
    assert up.at(-1) == (-1, -1)
    gaps = of_axis(Axis(0, kernel=1, stride=3, transposed=True), 8)
    assert gaps.sizes == (1, 0, 0)
    assert of_axis(Axis(0, kernel=3, stride=3), 8).over(gaps).at(0) == (0, 0)


def test_down_and_up_again_repeats_with_the_stride() -> None:
    down, up = of_axis(Axis(0, 2, 2), 16), of_axis(Axis(0, 2, 2, transposed=True), 8)
    there = up.over(down)
    assert (there.period, there.advance, there.spans) == (2, 2, ((0, 1), (0, 1)))
    assert there.stride == 1
    assert there.centres == (Fraction(1, 2), Fraction(-1, 2))


def test_branches() -> None:
    wide, narrow = of_axis(Axis(0, 5, padding=(2, 2)), 9), of_axis(Axis(0, 3, padding=(0, 2)), 9)
    both = wide.beside(narrow)
    assert both.spans == ((-2, 2),)
    assert narrow.centre - wide.centre == 1
    with pytest.raises(ConvShapeError, match="branches of stride 1 and 2 meet"):
        wide.beside(of_axis(Axis(0, 1, 2), 9))
    with pytest.raises(ConvShapeError, match="repeats only after"):
        of_axis(Axis(0, 2, 8191, transposed=True), 9)


def test_shifts_and_interpolation() -> None:
    assert of_axis(Axis(0, 3), 9).over(of_shift(1)) == of_axis(Axis(0, 3, padding=(1, 1)), 9)
    assert of_shift(-2).at(0) == (2, 2)
    nearest = of_resize(4, 6, "nearest")
    assert [nearest.at(place) for place in range(6)] == [(cell, cell) for cell in (0, 0, 1, 2, 2, 3)]
    linear = of_resize(8, 16, "linear")
    assert linear.sizes == (2, 2)
