"""`draw_stacked`: the input below, the output above it, both seen at a slant, with the window between them.

Owns the page of this layout: how large cells are, what is drawn over what, the words beside it. The view is that of Dumoulin & Visin, "A
guide to convolution arithmetic for deep learning", 2018. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from faltung.errors import ConvShapeError
from faltung.viz.pictures.arithmetic_lines import Lettering, arithmetic_lines
from faltung.viz.pictures.drawing import Drawing, Shape, Text
from faltung.viz.pictures.flat_grids import Story
from faltung.viz.pictures.parts import LEAST_FONT, captions, fitting_size, number_text, stage_roles, text_width
from faltung.viz.pictures.stacked_floors import Floor, Sizes, floors_of, place_floors
from faltung.viz.pictures.stacked_planes import Sight, beam_shapes, floor_shapes, top_numbers
from faltung.viz.pictures.stacked_words import labels, side_column
from faltung.viz.pictures.timeline import Timeline
from faltung.viz.scene.model import Scene

__all__ = ["draw_stacked"]

_MARGIN = 12.0
_ARITHMETIC = Lettering(size=13.0, row=19.0, most=3)
_LEAST_WIDTH = 320.0
"""With numbers: the arithmetic needs it."""
_FLATNESS, _SLANT = 0.52, 0.45
_LARGEST, _SMALLEST = 32.0, 7.0
"""Cells, in pixels across."""
_WIDTH, _WIDE = 340.0, 560.0
"""What the planes of one column, and of several, may take up across before their cells become smaller."""
_HEIGHT = 460.0
"""The same from the top to the bottom."""
_NUMBERED, _NUMBERED_WIDE = 12.0, 640.0
"""Least height of cells that hold a number, and what they may take up across."""


def draw_stacked(scene: Scene, *, numbers: bool = True, timeline: Timeline | None = None) -> Drawing:
    """A scene as planes above one another, the first input lowest.

    Channels are planes one above the other; groups stand side by side, each below the outputs that it makes. Lines lead from the window
    to the output that is computed, of a scatter from the input to what it stamps.

    Parameters
    ----------
    scene : Scene
        Of one, two or three spatial axes; three are shown as a plane for each slice.
    numbers : bool
        Whether values are written: into cells where they are large enough for it, beside the planes the kernel, below the arithmetic.
    timeline : Timeline, optional
        What the frames show; without it a frame for each step of each stage. What is computed stays.

    Returns
    -------
    Drawing

    Raises
    ------
    ConvSpecError
        The scene has four spatial axes or more.
    ConvShapeError
        It has no steps.

    Examples
    --------
    >>> from faltung.viz.scene import scene
    >>> drawing = draw_stacked(scene("conv2d(1, 1, 3)", (5, 5)))
    >>> drawing.frames, drawing.captions[0]
    (9, 'Step 1 of 9: the window lies on rows 0 to 2, columns 0 to 2 of the input. output[0, 0, 0] = 4.')
    """
    timeline = timeline or Timeline(scene)
    if not timeline.total:
        raise ConvShapeError("the scene has no steps: there is nothing to show.", "Give a larger input.")
    floors = floors_of(scene)
    sizes = _sizes(scene, floors, numbers)
    place_floors(floors, sizes, _MARGIN, _MARGIN)
    # Once more, with room for what stands to the left of the planes.
    left = min([_MARGIN, *(text.at[0] - text_width(text.text, text.size) for text in labels(scene, floors))])
    right, bottom = place_floors(floors, sizes, 2 * _MARGIN - left, _MARGIN)
    words: list[Shape] = [*labels(scene, floors), *side_column(scene, floors, right + _MARGIN, _MARGIN, numbers=numbers)]
    width = max(max(map(_right, words)) + _MARGIN, _LEAST_WIDTH if numbers else 0.0)
    bottom = max([bottom, *map(_bottom, words)])
    lines = list(arithmetic_lines(timeline, _MARGIN, bottom + 20, width - 2 * _MARGIN, _ARITHMETIC)) if numbers else []
    height = max([bottom, *map(_bottom, lines)]) + _MARGIN
    shapes = (*_stack(timeline, floors, sizes), *words, *lines)
    return Drawing(
        math.ceil(width), math.ceil(height), shapes, timeline.total, scene.title, timeline.captions or captions(scene, timeline.frames)
    )


def _right(shape: Shape) -> float:
    if isinstance(shape, Text):
        return shape.at[0] + (text_width(shape.text, shape.size, bold=shape.role == "strong") if shape.anchor == "start" else 0)
    return max(x for x, _ in shape.points)


def _bottom(shape: Shape) -> float:
    return shape.at[1] + shape.size / 2 if isinstance(shape, Text) else max(y for _, y in shape.points)


# -- sizes ---------------------------------------------------------------------------------------


def _sizes(scene: Scene, floors: Sequence[Floor], numbers: bool) -> Sizes:
    """Cells as large as usual, if there are few; numbers where they can be read."""
    units = max(len(floor.columns) * (floor.shown[2] + _SLANT * floor.shown[1]) for floor in floors)
    wide = _WIDE if max(len(floor.columns) for floor in floors) > 1 else _WIDTH
    lines = sum(max(map(len, floor.stacks())) * floor.shown[1] for floor in floors)
    across = max(_SMALLEST, min(_LARGEST, wide / units))
    down = max(0.4 * _FLATNESS * across, min(_FLATNESS * across, _HEIGHT / lines))
    texts = list(_texts(scene)) if numbers else []
    needed = max((text_width(text, LEAST_FONT) for text in texts), default=0.0) + 8
    larger = max(across, needed, 25.0)
    if numbers and larger * units <= _NUMBERED_WIDE and lines * _NUMBERED <= _HEIGHT:
        down = max(_NUMBERED, min(_FLATNESS * larger, _FLATNESS * _LARGEST, _HEIGHT / lines))
        return Sizes(larger, down, _SLANT * larger, min(fitting_size(texts, larger - 6), 0.85 * down))
    return Sizes(across, down, _SLANT * across, 0.0)


def _texts(scene: Scene) -> Iterator[str]:
    for stage in scene.stages:
        for grid in (stage.input, stage.output):
            yield from {number_text(value) for channel in grid.values for value in channel if value is not None}
        yield from {number_text(write.value) for step in stage.steps for write in step.writes}


# -- the planes ----------------------------------------------------------------------------------


def _stack(timeline: Timeline, floors: Sequence[Floor], sizes: Sizes) -> Iterator[Shape]:
    """Floor after floor from the lowest up, so that what is above hides what is below."""
    below: Sight | None = None
    for sight in _sights(timeline, floors):
        if below:
            yield from beam_shapes(below, sight)
            yield from top_numbers(below, sizes)
        yield from floor_shapes(sight, sizes)
        below = sight
    if below:
        yield from top_numbers(below, sizes)


def _sights(timeline: Timeline, floors: Sequence[Floor]) -> Iterator[Sight]:
    scene = timeline.scene
    roles = stage_roles(scene)
    made: Story | None = None
    for number, floor in enumerate(floors):
        if number == len(scene.stages):
            yield Sight(floor, made, None, roles[-1].output)
            return
        stage = scene.stages[number]
        given = Story(scene, number, stage.input, made.contents if made else {}, timeline)
        yield Sight(floor, made, given, roles[number].input)
        made = Story(scene, number, stage.output, timeline.contents(number), timeline)
