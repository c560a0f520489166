"""Each frame of the stacked picture, against the step of the scene that it shows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from faltung.errors import ConvSpecError
from faltung.spec import ConvSpec
from faltung.viz.numbers import Number
from faltung.viz.pictures.drawing import Drawing, Line, Point, Polygon, Text
from faltung.viz.pictures.palette import palette
from faltung.viz.pictures.parts import number_text
from faltung.viz.pictures.stacked import draw_stacked
from faltung.viz.pictures.svg import animated_svg
from faltung.viz.scene import Grid, Scene, Stage, scene
from faltung.viz.windows import Index
from tests.support.strategies import Problem, problems
from tests.viz.drawings import check_drawing, check_texts_apart

_CELLS = {"input", "output", "red", "green", "blue", "blank", "zero", "wrapped", "mirrored", "repeated", "inserted", "cropped"}
Place = tuple[str, int, Index]
"""Of a cell: its grid, its channel, its position."""


def drawn(problem: Problem, reading: str = "auto") -> tuple[Stage, Drawing]:
    x, weight, bias = problem.arrays()
    shown = scene(problem.spec, None, x[0], weight, bias, reading=reading)  # type: ignore[arg-type]
    return shown.stages[0], draw_stacked(shown)


def cells_of(stage: Stage, drawing: Drawing) -> dict[tuple[Point, ...], Place]:
    """Which cell each outline is: planes are drawn from the lowest up, cells in the scene's order."""
    outlines = dict.fromkeys(shape.points for shape in drawing.shapes if isinstance(shape, Polygon) and shape.role in _CELLS)
    places: list[Place] = []
    for grid in (stage.input, stage.output):
        depths = sorted({cell.position[0] for cell in grid.cells}) if len(grid.size) == 3 else [None]
        for channel in reversed(range(grid.channels)):
            for depth in reversed(depths):
                places += [(grid.name, channel, cell.position) for cell in grid.cells if depth is None or cell.position[0] == depth]
    kernels = stage.output.channels * len(stage.steps[0].window)
    assert len(places) <= len(outlines) <= len(places) + kernels * stage.input.channels
    return dict(zip(outlines, places, strict=False))


def attended(drawing: Drawing, frame: int, cells: dict[tuple[Point, ...], Place]) -> set[Place]:
    """The cells that attention is on."""
    return {
        cells[shape.points]
        for shape in drawing.visible(frame)
        if isinstance(shape, Polygon) and (shape.role.endswith("-strong") or shape.role == "shadow")
    }


def _rounded(point: Point) -> Point:
    # Equal up to rounding; the offset keeps such points off the boundary between two roundings.
    return round(point[0] + 0.000123, 3), round(point[1] + 0.000123, 3)


def written(drawing: Drawing, frame: int, cells: dict[tuple[Point, ...], Place]) -> dict[Place, str]:
    """The numbers in the cells of planes."""
    middles = {_rounded((sum(x for x, _ in points) / 4, sum(y for _, y in points) / 4)): place for points, place in cells.items()}
    found = [(middles.get(_rounded(shape.at)), shape.text) for shape in drawing.visible(frame) if isinstance(shape, Text)]
    return {place: text for place, text in found if place}


def held(grid: Grid, values: list[list[Number | None]]) -> Iterator[tuple[Place, str]]:
    """What each cell of a grid is to show, borders included."""
    sizes = grid.size
    for channel, numbers in enumerate(values):
        for cell in grid.cells:
            if cell.source is None:
                if cell.origin != "cropped":
                    yield (grid.name, channel, cell.position), "0"
                continue
            at = 0
            for entry, extent in zip(cell.source, sizes, strict=True):
                at = at * extent + entry
            value = numbers[at]
            if value is not None:
                yield (grid.name, channel, cell.position), number_text(value)


def check_frames(stage: Stage, drawing: Drawing) -> None:
    check_drawing(drawing)
    assert drawing.frames == len(stage.steps)
    cells = cells_of(stage, drawing)
    window_grid, focus_grid = (stage.input, stage.output) if stage.reading == "gather" else (stage.output, stage.input)
    values = [list(channel) for channel in stage.output.values]
    has_numbers = bool(written(drawing, 0, cells))
    for frame, step in enumerate(stage.steps):
        window = {(window_grid.name, channel, tap.position) for tap in step.window for channel in range(window_grid.channels)}
        focus = {(focus_grid.name, channel, step.focus) for channel in range(focus_grid.channels)}
        assert attended(drawing, frame, cells) == window | focus
        for write in step.writes:
            at = [cell.position for cell in stage.output.cells if cell.origin == "output"].index(write.cell)
            values[write.channel][at] = write.value
        if has_numbers:
            expected = dict(held(stage.input, [list(channel) for channel in stage.input.values])) | dict(held(stage.output, values))
            assert written(drawing, frame, cells) == expected


@settings(max_examples=40, deadline=None)
@given(problems(max_axes=3, max_batch=1, max_groups=1, max_channels=2))
def test_frames_show_window_focus_and_values_so_far(problem: Problem) -> None:
    check_frames(*drawn(problem))


@settings(max_examples=20, deadline=None)
@given(problems(max_axes=2, max_batch=1, max_groups=1, max_channels=2, transposed=True))
def test_so_do_those_of_a_transposed_convolution_that_is_gathered(problem: Problem) -> None:
    check_frames(*drawn(problem, "gather"))


def stacked(spec: str | list[str], size: tuple[int, ...], **options: object) -> tuple[Scene, Drawing]:
    shown = scene(spec, size, **options)  # type: ignore[arg-type]
    drawing = draw_stacked(shown)
    check_drawing(drawing)
    return shown, drawing


def roles(drawing: Drawing, frame: int) -> list[str]:
    return [shape.role for shape in drawing.visible(frame)]


def test_numbers_are_in_the_cells_where_they_fit() -> None:
    shown, drawing = stacked("conv2d(1, 1, 3)", (5, 5))
    assert len(written(drawing, 8, cells_of(shown.stages[0], drawing))) == 25 + 9
    shown, drawing = stacked("conv2d(1, 1, 3)", (20, 20))
    assert not written(drawing, 8, cells_of(shown.stages[0], drawing))
    without = draw_stacked(scene("conv2d(1, 1, 3)", (5, 5)), numbers=False)
    assert {shape.text for shape in without.shapes if isinstance(shape, Text)} == {"input 5×5", "kernel 3×3", "output 3×3"}


def test_it_reads_well_small() -> None:
    _, drawing = stacked("conv2d(1, 1, 3)", (5, 5))
    assert drawing.width <= 360
    assert drawing.height <= 360
    assert min(shape.size for shape in drawing.shapes if isinstance(shape, Text)) >= 11
    assert len(animated_svg(drawing, palette("tol"), "auto", seconds=0.7, still=8)) < 100_000


def test_lines_lead_from_the_window_to_the_output() -> None:
    shown, drawing = stacked("conv2d(1, 1, 3)", (5, 5))
    cells = cells_of(shown.stages[0], drawing)
    corners = {place: points for points, place in cells.items()}
    for frame, step in enumerate(shown.stages[0].steps):
        lines = {shape.points for shape in drawing.visible(frame) if isinstance(shape, Line) and shape.role == "arrow"}
        ends = [min, max]
        row, column = ([tap.position[axis] for tap in step.window] for axis in (0, 1))
        expected = set()
        for number, (low, high) in enumerate([(0, 0), (0, 1), (1, 1), (1, 0)]):
            start = corners["input", 0, (ends[low](row), ends[high](column))][number]
            expected.add((start, corners["output", 0, step.focus][number]))
        assert {tuple(map(_rounded, line)) for line in lines} == {tuple(map(_rounded, line)) for line in expected}


def test_each_group_has_its_colour_and_its_own_lines() -> None:
    _, drawing = stacked("conv2d(4, 4, 3, groups=2)", (5, 5))
    found = roles(drawing, 0)
    for group in (0, 1):
        # Two inputs under the window, two outputs at the focus.
        assert found.count(f"group-{group}-strong") == 2 * 9 + 2
        assert found.count(f"group-{group}-line") == 2
    assert not any(role.startswith("group-2") for role in found)
    # A group: four lines up, four between its inputs, four between its outputs.
    assert found.count("arrow") == 2 * 12


def test_a_pointwise_convolution_is_a_stick_through_all_channels() -> None:
    _, drawing = stacked("conv2d(8, 1, 1)", (3, 3))
    lines = [shape for shape in drawing.visible(4) if isinstance(shape, Line) and shape.role == "arrow"]
    assert len(lines) == 4 * 8
    assert len({round(x, 6) for line in lines for x, _ in line.points}) == 4


def test_an_image_has_its_colours() -> None:
    _, drawing = stacked("conv2d(3, 1, 3)", (5, 5))
    assert [roles(drawing, 0).count(f"{colour}-strong") for colour in ("red", "green", "blue")] == [9, 9, 9]


def test_stages_follow_one_another() -> None:
    shown, drawing = stacked(["conv2d(2, 2, 3, groups=2)", "conv2d(2, 1, 1)"], (4, 4))
    counts = [len(stage.steps) for stage in shown.stages]
    assert drawing.frames == sum(counts)
    # The first stage writes between the floors, the second on the topmost.
    assert "output-strong" not in roles(drawing, counts[0] - 1)
    assert roles(drawing, counts[0]).count("output-strong") == 1
    for frame in range(drawing.frames):
        assert roles(drawing, frame).count("focus") == (2 if frame < counts[0] else 1)


def test_padding_has_lines_to_what_it_copies_and_marks() -> None:
    _, drawing = stacked("conv2d(1, 1, 3, padding=1, padding_mode='circular')", (5, 5))
    assert roles(drawing, 0).count("link") == 5
    assert roles(drawing, 12).count("link") == 0
    assert "hatch" in roles(drawing, 12)


def test_the_border_of_a_later_stage_is_there_while_it_runs() -> None:
    _, drawing = stacked(["conv1d(1, 1, 3)", "conv1d(1, 1, 3, padding=1)"], (5,))
    assert "zero" not in roles(drawing, 0)
    assert roles(drawing, 3).count("zero") == 2


def test_three_axes_are_slices() -> None:
    _, drawing = stacked("conv3d(1, 1, 2)", (3, 3, 3))
    texts = {shape.text for shape in drawing.shapes if isinstance(shape, Text)}
    assert {"slice 0", "slice 1", "slice 2"} <= texts
    assert roles(drawing, 0).count("input-line") == 2


def test_four_axes_are_refused() -> None:
    with pytest.raises(ConvSpecError, match="4 spatial axes"):
        draw_stacked(scene(ConvSpec(1, 1, (1, 1, 1, 1)), (2, 2, 2, 2)))


@pytest.mark.parametrize(
    ("spec", "size"),
    [
        ("conv1d(1, 1, 3)", (16,)),
        ("conv2d(1, 1, 7, padding=3)", (16, 16)),
        ("conv2d(1, 1, 1)", (1, 1)),
        ("conv2d(8, 8, 3)", (5, 5)),
        ("conv2d(8, 8, 3, groups=8)", (5, 5)),
        ("conv2d(1, 1, 3, padding=((5, 0), (7, 1)), padding_mode='reflect')", (3, 3)),
        ("conv_transpose2d(2, 2, 3, stride=3, padding=2, output_padding=1)", (3, 3)),
        ("conv2d(1, 1, 3, padding=-1)", (6, 6)),
    ],
)
def test_nothing_is_cut_off_and_no_texts_meet(spec: str, size: tuple[int, ...]) -> None:
    _, drawing = stacked(spec, size)
    for frame in (0, drawing.frames // 2, drawing.frames - 1):
        check_texts_apart(drawing, frame)


def test_no_texts_of_several_stages_meet() -> None:
    for specs in (["conv2d(3, 3, 3, groups=3)", "conv2d(3, 4, 1)"], ["conv2d(1, 1, (3, 1))", "conv2d(1, 1, (1, 3))", "conv2d(1, 2, 2)"]):
        _, drawing = stacked(specs, (5, 5))
        check_texts_apart(drawing, drawing.frames - 1)


def test_numbers_of_any_kind_fit() -> None:
    values = [[[-1234.5, 1e-7, float("nan")], [float("inf"), 2 - 3j, 10**30]]]
    drawing = draw_stacked(scene("conv2d(1, 1, 2)", x=values))
    check_drawing(drawing)
    check_texts_apart(drawing, 1)
    texts = {shape.text for shape in drawing.shapes if isinstance(shape, Text)}
    assert {"−1234", "1e−7", "NaN", "∞", "2−3i", "1e30"} <= texts
