"""What the layouts share says what the scene says: roles, numbers, words, time, marks."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltung.viz.pictures.palette import ROLES
from faltung.viz.pictures.parts import (
    Timeline,
    arithmetic,
    captions,
    cell_role,
    contents,
    emphasis,
    factor,
    fitting_size,
    frames_of,
    grid_title,
    hatch,
    is_flipped,
    kernel_title,
    number_text,
    runs,
    stage_roles,
    stage_title,
    starts,
    text_width,
    touched,
    weight_place,
)
from faltung.viz.scene import Scene, scene
from tests.support.strategies import Problem, problems

SMALL = problems(max_axes=3, max_groups=2, max_channels=2)


def drawn(problem: Problem, reading: str = "auto") -> Scene:
    x, weight, bias = problem.arrays()
    return scene(problem.spec, x=x[0], weight=weight, bias=bias, reading=reading)


def readings(problem: Problem) -> list[str]:
    return ["scatter", "gather"] if problem.spec.transposed else ["gather"]


# -- numbers -------------------------------------------------------------------------------------


@given(st.floats() | st.integers(-(10**400), 10**400) | st.complex_numbers())
def test_numbers_are_short_and_have_real_minus_signs(value):
    text = number_text(value)
    assert "-" not in text
    assert len(text) <= (24 if isinstance(value, complex) else 10)


@given(st.floats(-1e300, 1e300) | st.integers(-(10**300), 10**300))
def test_numbers_are_right_to_three_digits(value):
    read = float(number_text(value).replace("−", "-"))
    assert math.isclose(read, value, rel_tol=0.0051, abs_tol=0)


@given(st.integers(-9999, 9999))
def test_whole_numbers_that_fit_are_exact(value):
    assert number_text(value) == number_text(float(value)) == str(value).replace("-", "−")


def test_factors_have_parentheses_where_a_product_needs_them():
    assert [factor(value) for value in (2, -2, -0.5, 1 + 1j, -math.inf)] == ["2", "(−2)", "(−0.5)", "(1+1i)", "(−∞)"]


@given(st.lists(st.sampled_from(["0", "−12", "1e−7", "NaN", "−∞", "1.5−2i"]), min_size=1), st.floats(8, 80))
def test_texts_fit_at_their_fitting_size(texts, width):
    size = fitting_size(texts, width)
    assert 0 < size <= 14
    assert all(text_width(text, size) <= width + 1e-9 for text in texts)


@pytest.mark.parametrize("bold", [False, True])
def test_widths_are_no_less_than_those_of_dejavu_sans(bold):
    raster = pytest.importorskip("faltung.viz.pictures.raster")
    pytest.importorskip("matplotlib")
    font = raster.font(1000, bold)
    texts = ["input 5×5, 3 channels", "output[0, 1, 2] = 3·(−1) + … = ∞", "stage 1: depthwise separable convolution", "padding mirrored"]
    for text in [*texts, *(chr(code) for code in range(32, 127))]:
        assert font.getlength(text) / 1000 <= text_width(text, bold=bold) * (1.06 if bold else 1) + 1e-9, text


# -- time ----------------------------------------------------------------------------------------


@given(st.sets(st.integers(0, 30)))
def test_runs_hold_exactly_these_frames(numbers):
    found = runs(sorted(numbers))
    assert {frame for first, end in found for frame in range(first, end)} == numbers
    assert all(before[1] < after[0] for before, after in itertools.pairwise(found))


@given(SMALL, st.data())
def test_cells_show_what_was_written_last(problem, data):
    shown = drawn(problem, data.draw(st.sampled_from(readings(problem))))
    stage = shown.stages[0]
    found = contents(shown, 0)
    now = {(channel, place): value for (channel, place) in found for value in [stage.output.value(channel, place)]}
    assert len(now) == sum(map(len, stage.output.values))
    for frame in frames_of(shown):
        for write in frame.step.writes:
            now[write.channel, write.cell] = write.value
        for key, runs_of in found.items():
            (one,) = [one for one in runs_of if one.frames[0] <= frame.number < one.frames[1]]
            assert one.value == now[key]


def test_a_later_stage_waits_and_an_earlier_one_stays():
    shown = scene(["conv_transpose1d(1, 1, 2)", "conv_transpose1d(1, 1, 2)"], 2)
    assert starts(shown) == (0, 2, 5)
    assert [frame.stage for frame in frames_of(shown)] == [0, 0, 1, 1, 1]
    for stage, first in ((0, 0), (1, 2)):
        for one in contents(shown, stage).values():
            assert one[-1].frames[1] == 5
            assert all((show.value is None) == (show.frames[1] <= first) for show in one)


@given(SMALL)
def test_windows_are_where_the_steps_say(problem):
    shown = drawn(problem)
    found = touched(Timeline(shown).moves(0))
    for number, step in enumerate(shown.stages[0].steps):
        here = {place for place, intervals in found.items() if any(first <= number < end for first, end in intervals)}
        assert here == {tap.position for tap in step.window}


# -- roles ---------------------------------------------------------------------------------------


@given(SMALL)
def test_every_role_has_colours(problem):
    shown = drawn(problem)
    (roles,), stage = stage_roles(shown), shown.stages[0]
    assert (len(roles.input), len(roles.output)) == (stage.input.channels, stage.output.channels)
    for grid, own in ((stage.input, roles.input), (stage.output, roles.output)):
        used = {cell_role(cell, role) for cell in grid.cells for role in own}
        assert used | {emphasis(role) for role in used} | {f"{role}-line" for role in own} <= set(ROLES)
    assert {roles.kernel(channel) for channel in range(stage.input.channels)} <= set(ROLES)


def test_colours_tell_groups_and_the_channels_of_an_image():
    (image,) = stage_roles(scene("conv2d(3, 1, 1)", (1, 1)))
    assert (image.input, image.output, image.kernel(2)) == (("red", "green", "blue"), ("output",), "blue")
    (grouped,) = stage_roles(scene("conv2d(4, 2, 1, groups=2)", (1, 1)))
    assert (grouped.input, grouped.output) == (("group-0", "group-0", "group-1", "group-1"), ("group-0", "group-1"))
    (many,) = stage_roles(scene("conv1d(8, 8, 1, groups=8)", 1))
    assert many.input[6:] == ("group-0", "group-1")
    first, second = stage_roles(scene(["conv2d(3, 3, 1, groups=3)", "conv2d(3, 4, 1)"], (1, 1)))
    assert second.input == first.output == ("group-0", "group-1", "group-2")
    assert second.output == ("output",) * 4


@given(problems(max_axes=1, max_groups=3, max_channels=3))
def test_weights_between_two_channels_are_those_of_the_terms(problem):
    stage = drawn(problem).stages[0]
    for step in stage.steps:
        for term in step.terms:
            assert weight_place(stage, term.input_channel, term.output_channel) == term.weight_index[:2]
    pairs = [(ic, oc) for ic in range(stage.input.channels) for oc in range(stage.output.channels)]
    met = [pair for pair in pairs if weight_place(stage, *pair) is not None]
    assert len(met) * problem.spec.groups == len(pairs)


# -- words ---------------------------------------------------------------------------------------


@given(SMALL, st.data())
def test_a_caption_for_each_frame_names_what_is_written(problem, data):
    shown = drawn(problem, data.draw(st.sampled_from(readings(problem))))
    frames = frames_of(shown)
    said = captions(shown, frames)
    assert len(said) == len(frames)
    for frame, caption in zip(frames, said, strict=True):
        assert caption.startswith(f"Step {frame.number + 1} of {len(frames)}: ")
        for write in frame.step.writes[:8]:
            assert f"] = {number_text(write.value)}" in caption


@given(SMALL, st.floats(20, 90), st.data())
def test_arithmetic_fits_and_ends_in_the_result(problem, room, data):
    stage = drawn(problem, data.draw(st.sampled_from(readings(problem)))).stages[0]
    for step in stage.steps[:4]:
        for write in step.writes:
            line = arithmetic(stage, step, room, write.channel)
            assert text_width(line) <= room
            assert stage.reading == "scatter" or line.endswith(f"= {number_text(write.value)}")


def test_arithmetic_is_worked_out_in_full_where_there_is_room():
    stage = scene("conv1d(1, 1, 3, bias=True)", x=[[1, 2, -3]], weight=[[[1, 10, 2]]], bias=[-4]).stages[0]
    assert arithmetic(stage, stage.steps[0], 90) == "output[0, 0] = 1·1 + 2·10 + (−3)·2 + (−4) (bias) = 11"
    stage = scene("conv1d(2, 1, 2)", x=[[1, 2], [3, 4]], weight=[[[1, 1], [2, 0]]]).stages[0]
    assert arithmetic(stage, stage.steps[0], 90) == "output[0, 0] = 3 (channel 0) + 6 (channel 1) = 9"
    assert arithmetic(stage, stage.steps[0], 16) == "output[0, 0] = 3 + 6 = 9"
    stage = scene("conv1d(2, 1, 1)", x=[[1], [3]], weight=[[[1], [2]]]).stages[0]
    assert arithmetic(stage, stage.steps[0], 90) == "output[0, 0] = 1·1 + 3·2 = 7"


def test_arithmetic_of_a_stamp_shows_an_overlap():
    stage = scene("conv_transpose1d(1, 1, 3)", x=[[1, 2]], weight=[[[1, 1, 3]]]).stages[0]
    assert arithmetic(stage, stage.steps[1], 90) == "output[0, 1] = 1 + 2·1 = 3, and 2 more"
    cropped = scene("conv_transpose1d(1, 1, 1, padding=1)", x=[[1, 2, 3]], weight=[[[1]]]).stages[0]
    assert arithmetic(cropped, cropped.steps[0], 90) == "input[0]: all that it stamps is cropped"


def test_titles_say_sizes_and_what_the_border_holds():
    stage = scene("conv2d(2, 1, (3, 2), padding=1, dilation=(1, 2), padding_mode='reflect', flip=True)", (4, 5)).stages[0]
    assert grid_title(stage.input) == "input 4×5, 2 channels, padding mirrored"
    assert kernel_title(stage) == "kernel 3×2, dilation 1×2, flipped"
    stage = scene("conv_transpose2d(1, 1, 2, padding=1)", (3, 3)).stages[0]
    assert (grid_title(stage.output), is_flipped(stage)) == ("output 2×2, border cropped", False)
    both = scene(["conv1d(1, 1, 1)", "conv1d(1, 1, 1)"], 2)
    assert stage_title(both, 1) == "stage 2: pointwise convolution"


# -- marks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["wrapped", "mirrored", "repeated", "cropped"])
def test_marks_stay_inside_and_differ(origin):
    outline = ((10.0, 20.0), (30.0, 20.0), (20.0, 40.0), (0.0, 40.0))
    lines = hatch(origin, outline, (1, 2))
    assert lines
    for line in lines:
        assert (line.role, line.frames) == ("hatch", (1, 2))
        for x, y in line.points:
            assert 20 <= y <= 40
            assert 10 - (y - 20) / 2 - 1e-9 <= x <= 30 - (y - 20) / 2 + 1e-9
    others = [hatch(other, outline) for other in ("wrapped", "mirrored", "repeated", "cropped") if other != origin]
    assert hatch(origin, outline) not in others


def test_cells_without_a_mode_have_no_marks():
    square = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    assert [hatch(origin, square) for origin in ("input", "output", "zero", "inserted")] == [()] * 4
