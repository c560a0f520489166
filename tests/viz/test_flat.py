"""Flat pictures show exactly what the scene says, legibly: replayed frame by frame from the steps alone."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faltung.errors import ConvSpecError
from faltung.spec import ConvSpec
from faltung.viz.pictures.drawing import Drawing, Polygon, Text
from faltung.viz.pictures.flat import Page, arrange, draw_flat
from faltung.viz.pictures.palette import ROLES
from faltung.viz.pictures.panel import Panel
from faltung.viz.pictures.parts import number_text, starts, text_width
from faltung.viz.scene import Scene, scene
from tests.support.strategies import problems

Rectangle = tuple[float, float, float, float]

CASES = {
    "plain": ("conv2d(1, 1, 3)", {"input_size": (5, 5)}),
    "image": ("conv2d(3, 1, 3)", {"input_size": (5, 5)}),
    "grouped": ("conv2d(4, 4, 3, groups=2)", {"input_size": (5, 5)}),
    "separable": (["conv2d(3, 3, 3, groups=3)", "conv2d(3, 4, 1)"], {"input_size": (5, 5)}),
    "columns, rows": (["conv2d(1, 1, (3, 1), padding=(1, 0))", "conv2d(1, 1, (1, 3), padding=(0, 1))"], {"input_size": (4, 4)}),
    "regrouped": (["conv2d(3, 4, 1, bias=True)", "conv2d(4, 2, 1, groups=2)"], {"input_size": (2, 2), "bias": [(1, 2, 3, 4), None]}),
    "a line": ("conv1d(1, 1, 3, padding=1)", {"input_size": 16}),
    "lines": ("conv1d(4, 4, 3, groups=4, bias=True)", {"input_size": 8, "bias": [1, -2, 0, 300]}),
    "lines in stages": (["conv1d(1, 2, 3)", "conv1d(2, 1, 3)"], {"input_size": 10}),
    "large": ("conv2d(1, 1, 3)", {"input_size": (16, 16)}),
    "large kernel": ("conv2d(1, 1, 7, padding=3, padding_mode='reflect')", {"input_size": (7, 7)}),
    "one cell": ("conv2d(1, 1, 1)", {"input_size": (1, 1)}),
    "many channels": ("conv2d(8, 8, 3)", {"input_size": (5, 5)}),
    "wraps twice": ("conv2d(1, 1, 3, padding=((2, 5), (0, 4)), padding_mode='symmetric')", {"input_size": (2, 3)}),
    "holes": ("conv2d(1, 1, 3, dilation=2)", {"input_size": (7, 7)}),
    "stamps": ("conv_transpose2d(2, 2, 3, stride=2, padding=1)", {"input_size": (3, 3)}),
    "inserted": ("conv_transpose2d(1, 1, 3, stride=2, padding=1)", {"input_size": (3, 3), "reading": "gather"}),
    "slices": ("conv3d(2, 2, 2, padding=1, bias=True)", {"input_size": (1, 2, 3), "bias": [-2, 1]}),
    "numbers": ("conv2d(1, 1, 2)", {"x": [[[-1234.5, 1e-7, math.nan], [math.inf, 2.5, 3.0], [1.0, 2.0, 123456789.0]]]}),
    "complex": ("conv2d(1, 1, 2, bias=True)", {"x": [[[1 + 2j, 1e-7, 3], [-1.25 - 2.75j, 2.5, 3]]], "bias": [-1.25e-7 + 3.5e8j]}),
}  # fmt: skip


@pytest.fixture(scope="module", params=CASES)
def shown(request) -> Scene:
    spec, given_ = CASES[request.param]
    return scene(spec, **given_)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    problem = draw(problems(max_axes=3, max_groups=2, max_channels=2))
    x, weight, bias = problem.arrays()
    reading = draw(st.sampled_from(["scatter", "gather"])) if problem.spec.transposed else "auto"
    return scene(problem.spec, x=x[0], weight=weight, bias=bias, reading=reading)


# -- what the picture says -----------------------------------------------------------------------


def inside(panel: Panel, position, point) -> bool:
    (left, top), _, (right, bottom), _ = panel.box(position)
    return left < point[0] < right and top < point[1] < bottom


def covers(panel: Panel, point) -> bool:
    return panel.x < point[0] < panel.x + panel.width and panel.y < point[1] < panel.y + panel.height


def check_outputs(shown: Scene, drawing: Drawing, page: Page) -> None:
    """In every frame the outputs hold the numbers written up to then."""
    firsts = starts(shown)
    by_place: dict[tuple[float, float], list[Text]] = {}
    for shape in drawing.shapes:
        if isinstance(shape, Text):
            by_place.setdefault(shape.at, []).append(shape)
    for number, (stage, block) in enumerate(zip(shown.stages, page.blocks, strict=True)):
        cells = [cell.position for cell in stage.output.cells if cell.origin == "output"]
        at: dict[tuple[int, tuple[int, ...]], list[Text]] = {}
        for channel, panel in block.outputs.items():
            at.update({(channel, cell): [] for cell in cells})
            middles = {cell.position: panel.middle(cell.position) for cell in stage.output.cells}
            for point, texts in by_place.items():
                if covers(panel, point):
                    cell = min(middles, key=lambda place: math.dist(middles[place], point))
                    at.setdefault((channel, cell), []).extend(texts)
        values = {key: stage.output.value(*key) for key in at if key[1] in cells}
        for frame in range(drawing.frames):
            if firsts[number] <= frame < firsts[number + 1]:
                for write in stage.steps[frame - firsts[number]].writes:
                    values[write.channel, write.cell] = write.value
            for key in values:
                texts = [text for text in at[key] if text.frames is None or text.frames[0] <= frame < text.frames[1]]
                texts = [text.text for text in sorted(texts, key=lambda text: text.at[1])]
                value = None if frame < firsts[number] else values[key]
                expected = [] if value is None else [number_text(value, page.look.digits)]
                assert texts[-1:] == expected, (key, frame)
                assert len(texts) < 2 or (stage.reading == "scatter" and len(texts) == 2)


def check_windows(shown: Scene, drawing: Drawing, page: Page) -> None:
    """In every frame the window's outline holds its taps and nothing else."""
    firsts = starts(shown)
    lines = [shape for shape in drawing.shapes if isinstance(shape, Polygon) and shape.role.endswith("-line")]
    for number, (stage, block) in enumerate(zip(shown.stages, page.blocks, strict=True)):
        grid = stage.under_window
        panels = block.outputs if grid is stage.output else block.inputs
        middles = [{cell.position: panel.middle(cell.position) for cell in grid.cells} for panel in panels.values()]
        for at, step in enumerate(stage.steps, firsts[number]):
            outlines = [line for line in lines if line.frames[0] <= at < line.frames[1]]
            taps = {tap.position for tap in step.window}
            for points in middles:
                assert {place for place, point in points.items() if any(encloses(line, point) for line in outlines)} == taps


def encloses(polygon: Polygon, point) -> bool:
    xs, ys = zip(*polygon.points, strict=True)
    return min(xs) < point[0] < max(xs) and min(ys) < point[1] < max(ys)


def check_page(shown: Scene, drawing: Drawing) -> None:
    """Nothing is cut, every role has colours, every frame has words."""
    assert drawing.frames == len(drawing.captions) == starts(shown)[-1]
    assert drawing.title == shown.title
    for shape in drawing.shapes:
        assert shape.role in ROLES
        assert shape.frames is None or 0 <= shape.frames[0] < shape.frames[1] <= drawing.frames
        left, top, right, bottom = bounds(shape)
        assert 0 <= left <= right <= drawing.width, shape
        assert 0 <= top <= bottom <= drawing.height, shape


def bounds(shape) -> Rectangle:
    if isinstance(shape, Text):
        width = text_width(shape.text, shape.size, bold=shape.role == "strong")
        left = shape.at[0] - {"start": 0, "middle": width / 2, "end": width}[shape.anchor]
        return left, shape.at[1] - 0.4 * shape.size, left + width, shape.at[1] + 0.4 * shape.size
    xs, ys = zip(*shape.points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] - 1e-6 and other[0] < one[2] - 1e-6 and one[1] < other[3] - 1e-6 and other[1] < one[3] - 1e-6


def check_legible(drawing: Drawing, page: Page, frame: int) -> None:
    """No text meets another one, none leaves its cell, and words stand beside the panels."""
    texts = sorted((bounds(text), text) for text in drawing.visible(frame) if isinstance(text, Text) and text.text)
    for number, (box, text) in enumerate(texts):
        for other, second in itertools.takewhile(lambda pair, right=box[2]: pair[0][0] < right, texts[number + 1 :]):
            assert not overlap(box, other), (text, second)
    panels = {id(panel): panel for block in page.blocks for held in (block.inputs, block.kernels, block.outputs) for panel in held.values()}
    around = [(panel.x, panel.y, panel.x + panel.width, panel.y + panel.height, panel.side) for panel in panels.values()]
    for one, other in itertools.combinations(around, 2):
        assert not overlap(one[:4], other[:4])
    for box, text in texts:
        for left, top, right, bottom, side in around:
            if left < text.at[0] < right and top < text.at[1] < bottom:
                assert box[2] - box[0] <= side, text
                assert box[3] - box[1] <= side, text
            else:
                assert not overlap(box, (left, top, right, bottom)), text


@settings(max_examples=60)
@given(scenes())
def test_random_scenes_are_shown_as_they_are(shown):
    drawing, page = draw_flat(shown), arrange(shown)
    check_page(shown, drawing)
    check_outputs(shown, drawing, page)
    check_windows(shown, drawing, page)
    check_legible(drawing, page, drawing.frames - 1)


def test_cases_are_shown_as_they_are(shown):
    drawing, page = draw_flat(shown), arrange(shown)
    check_page(shown, drawing)
    if len(drawing.shapes) < 2000:
        check_outputs(shown, drawing, page)
        check_windows(shown, drawing, page)
    for frame in {0, drawing.frames // 2, drawing.frames - 1}:
        check_legible(drawing, page, frame)


def test_without_numbers_cells_are_empty(shown):
    drawing, page = draw_flat(shown, numbers=False), arrange(shown, numbers=False)
    check_page(shown, drawing)
    if len(drawing.shapes) < 2000:
        check_windows(shown, drawing, page)
    check_legible(drawing, page, 0)
    panels = [panel for block in page.blocks for held in (block.inputs, block.kernels, block.outputs) for panel in held.values()]
    for text in drawing.shapes:
        if isinstance(text, Text):
            assert not any(
                panel.x < text.at[0] < panel.x + panel.width and panel.y < text.at[1] < panel.y + panel.height for panel in panels
            )


# -- particulars ---------------------------------------------------------------------------------


def test_a_small_picture_fits_a_page_and_reads_well():
    drawing = draw_flat(scene("conv2d(1, 1, 3)", (5, 5)))
    assert 420 <= drawing.width <= 560
    assert min(text.size for text in drawing.shapes if isinstance(text, Text)) >= 11


def test_lines_lead_from_the_padding_to_what_it_copies():
    shown = scene("conv1d(1, 1, 3, padding=1, padding_mode='circular')", 6)
    drawing, page = draw_flat(shown), arrange(shown)
    panel = page.blocks[0].inputs[0]
    links = [shape for shape in drawing.shapes if shape.role == "link"]
    assert [link.frames for link in links] == [(0, 1), (5, 6)]
    assert [
        (inside(panel, start, link.points[0]), inside(panel, end, link.points[1]))
        for link, start, end in zip(links, [(-1,), (6,)], [(5,), (0,)], strict=True)
    ] == [(True, True)] * 2


def test_modes_are_told_apart_without_colour():
    marks = []
    for mode in ("circular", "reflect", "replicate"):
        shown = scene(f"conv1d(1, 1, 3, padding=1, padding_mode='{mode}')", 4)
        corner = arrange(shown).blocks[0].inputs[0].corner((-1,))
        lines = [shape for shape in draw_flat(shown).shapes if shape.role == "hatch"]
        marks.append(
            {tuple((x - corner[0], y - corner[1]) for x, y in line.points) for line in lines if line.points[0][0] < corner[0] + 20}
        )
    assert all(marks)
    assert len({frozenset(mark) for mark in marks}) == 3


def test_stamped_cells_show_what_is_added():
    shown = scene("conv_transpose1d(1, 1, 2)", x=[[1, 2]], weight=[[[1, 3]]])
    seen = [text.text for text in draw_flat(shown).visible(1) if isinstance(text, Text) and text.size < 12 and "+" in text.text]
    assert seen == ["3+2", "0+6"]


def test_a_kernel_lies_as_its_window_does():
    shown = scene("conv1d(1, 1, 3, flip=True, dilation=2)", x=[[1, 2, 3, 4, 5]], weight=[[[7, 8, 9]]])
    drawing, panel = draw_flat(shown), arrange(shown).blocks[0].kernels[0, 0]
    texts = {text.text: text.at for text in drawing.shapes if isinstance(text, Text)}
    assert [inside(panel, place, texts[text]) for text, place in (("9", (0,)), ("8", (2,)), ("7", (4,)))] == [True] * 3


def test_stages_share_the_grid_between_them_where_it_has_no_border():
    plain = arrange(scene(["conv2d(1, 1, 2)", "conv2d(1, 1, 2)"], (4, 4)))
    assert plain.blocks[1].inputs == plain.blocks[0].outputs
    padded = arrange(scene(["conv2d(1, 1, 2)", "conv2d(1, 1, 2, padding=1)"], (4, 4)))
    assert padded.blocks[1].inputs != padded.blocks[0].outputs


def test_a_later_input_fills_up_as_it_is_computed():
    shown = scene(["conv1d(1, 1, 1)", "conv1d(1, 1, 3, padding=1, padding_mode='circular')"], x=[[5, 6]], weight=[[[[1]]], [[[1, 1, 1]]]])
    drawing, panel = draw_flat(shown), arrange(shown).blocks[1].inputs[0]

    def held(frame: int) -> list[str]:
        texts = [text for text in drawing.visible(frame) if isinstance(text, Text) and panel.y < text.at[1] < panel.y + panel.side]
        return [text.text for text in sorted(texts, key=lambda text: text.at)]

    assert [held(frame) for frame in range(4)] == [["5", "5"], ["6", "5", "6", "5"], ["6", "5", "6", "5"], ["6", "5", "6", "5"]]


def test_four_axes_are_refused():
    with pytest.raises(ConvSpecError, match="4 spatial axes cannot be drawn"):
        draw_flat(scene(ConvSpec(1, 1, (1, 1, 1, 1)), (1, 1, 1, 1)))
