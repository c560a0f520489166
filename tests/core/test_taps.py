"""Taps and cells of one axis against the definition, for every small axis there is."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from faltung.borders import PADDING_MODES, images
from faltung.errors import ConvShapeError
from faltung.geometry import PADDING_RULES
from faltung.reference import meetings, source
from faltung.spec import ConvSpec
from faltung.taps import AxisTaps, copies, home


@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize("size", range(1, 6))
def test_home_is_where_walking_back_arrives(mode: str, size: int) -> None:
    walked = {position: source(position, size, mode) for position in range(-20, size + 20)}
    assert {position: home(position, size, mode) for position in walked} == walked


@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize("size", range(1, 6))
def test_home_agrees_with_the_runs_of_geometry(mode: str, size: int) -> None:
    for image in images(size, 11, 9, mode):
        assert [home(image.start + j, size, mode) for j in range(image.length)] == [
            image.target + image.step * j for j in range(image.length)
        ]


@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize("size", range(1, 5))
def test_copies_are_the_positions_whose_home_is_the_cell(mode: str, size: int) -> None:
    for first, last, cell in itertools.product(range(-7, 4), range(-5, size + 7), range(size)):
        expected = [position for position in range(first, last + 1) if home(position, size, mode) == cell]
        assert list(copies(cell, size, mode, first, last)) == expected


def test_an_empty_axis_has_only_zeros_around_it() -> None:
    assert home(0, 0, "zeros") is None
    with pytest.raises(ConvShapeError, match="no cell to repeat on an empty axis"):
        home(0, 0, "circular")


def axes(mode: str, transposed: bool) -> list[tuple[ConvSpec, int]]:
    """Every small axis with an output."""
    found = []
    paddings = [*PADDING_RULES, *(((before, after),) for before in (-1, 0, 2) for after in (-2, 0, 1, 3))]
    for kernel, stride, dilation, padding, size in itertools.product((1, 2, 3), (1, 2, 3), (1, 2), paddings, (1, 2, 4)):
        output_paddings = range(max(stride, dilation)) if transposed and not str(padding).startswith("same") else (0,)
        if padding == "same" and stride != 1:
            continue
        for output_padding in output_paddings:
            spec = ConvSpec(
                1, 1, kernel, stride, padding, dilation, padding_mode=mode, transposed=transposed, output_padding=output_padding, ndim=1
            )
            try:
                outputs = meetings(spec, 0, size)[1]
            except ConvShapeError:  # the whole output is cropped, which leaves nothing to wrap onto
                continue
            if outputs > 0:
                found.append((spec, size))
    return found


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("mode", PADDING_MODES)
def test_all_directions_are_the_meetings_of_the_definition(mode: str, transposed: bool) -> None:
    cases = axes(mode, transposed)
    assert len(cases) > 300
    for spec, size in cases:
        listed, output_size = meetings(spec, 0, size)
        expected = Counter((small, tap, large) if transposed else (large, tap, small) for small, tap, large in listed)
        taps = AxisTaps(spec.axes[0], size, mode)
        assert taps.output_size == output_size
        by_tap = [meeting for tap in range(spec.kernel_size[0]) for meeting in taps.of_tap(tap)]
        by_output = [meeting for output in range(output_size) for meeting in taps.of_output(output)]
        by_input = [meeting for cell in range(size) for meeting in taps.of_input(cell)]
        assert Counter((meeting.input, meeting.tap, meeting.output) for meeting in by_tap) == expected, spec
        assert Counter(by_output) == Counter(meeting for meeting in by_tap if meeting.output is not None), spec
        assert Counter(by_input) == Counter(meeting for meeting in by_tap if meeting.input is not None), spec
        larger = output_size if transposed else size
        for cell in range(larger):
            stands = {m.position for m in (taps.of_output(cell) if transposed else taps.of_input(cell))}
            assert len(stands) <= taps.most_copies, spec
        if transposed:
            for output in range(output_size):
                gathered = Counter((cell.input, cell.tap) for cell in taps.gather(output) if cell.input is not None)
                assert gathered == Counter((meeting.input, meeting.tap) for meeting in taps.of_output(output)), spec


def test_the_window_over_the_zero_inserted_input_is_whole() -> None:
    spec = ConvSpec(1, 1, 3, stride=2, padding=1, transposed=True, ndim=1)
    taps = AxisTaps(spec.axes[0], 3, "zeros")
    assert [(cell.position, cell.tap, cell.input, cell.is_inserted) for cell in taps.gather(0)] == [
        (-1, 2, None, False),
        (0, 1, 0, False),
        (1, 0, None, True),
    ]


def test_enormous_axes_cost_nothing_until_asked() -> None:
    taps = AxisTaps(ConvSpec(1, 1, 3, padding=2**40, padding_mode="circular", ndim=1).axes[0], 2**41, "circular")
    assert [meeting.input for meeting in taps.of_output(0)] == [2**40, 2**40 + 1, 2**40 + 2]
    assert len(list(taps.of_input(0))) == 6
