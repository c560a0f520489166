"""`draw_flat`: grids side by side, the input with its border, the kernels, the output, step by step.

Owns the page: how large cells are, how stages follow one another, the arithmetic below. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from faltung.viz.pictures.arithmetic_lines import Lettering, arithmetic_lines
from faltung.viz.pictures.boxes import Box, at_least, beside, stacked
from faltung.viz.pictures.drawing import Drawing, Polygon, Shape, Text
from faltung.viz.pictures.flat_grids import Contents, Look, Story, grid_shapes, kernel_shapes
from faltung.viz.pictures.flat_layout import Block, across, down, down_arrow
from faltung.viz.pictures.lettering import LEAST_FONT, fitting_size, number_text, text_width
from faltung.viz.pictures.roles import StageRoles, stage_roles, weight_place
from faltung.viz.pictures.timeline import Move, Timeline
from faltung.viz.pictures.wording import captions, stage_title
from faltung.viz.scene.model import Scene, Stage

__all__ = ["Page", "arrange", "draw_flat"]

_MARGIN = 16.0
_LEAST_WIDTH = 420.0
"""The arithmetic needs some room, even of a single cell."""
_ARITHMETIC = Lettering(size=13.0, row=20.0, most=4)
"""Output channels whose arithmetic is shown."""
_WIDE = 840.0
"""Up to this width stages stand side by side."""
_ROOMY = 20
"""Cells across up to which numbers are as large as they should be; beyond, they may be smaller."""


def draw_flat(scene: Scene, *, numbers: bool = True, timeline: Timeline | None = None) -> Drawing:
    """A scene as flat grids: the input with its border, the kernels, the output.

    Parameters
    ----------
    scene : Scene
        Of one, two or three spatial axes; three are shown as slices side by side.
    numbers : bool
        Whether cells hold their values, with the arithmetic of each frame below.
    timeline : Timeline, optional
        What the frames show; without it a frame for each step of each stage. What is computed stays.

    Returns
    -------
    Drawing

    Raises
    ------
    ConvSpecError
        The scene has four spatial axes or more.

    Examples
    --------
    >>> from faltung.viz.scene import scene
    >>> drawing = draw_flat(scene("conv2d(1, 1, 3)", (5, 5)))
    >>> drawing.frames, drawing.captions[0]
    (9, 'Step 1 of 9: the window lies on rows 0 to 2, columns 0 to 2 of the input. output[0, 0, 0] = 4.')
    """
    timeline = timeline or Timeline(scene)
    page = arrange(scene, numbers=numbers)
    shapes = [*page.words, *_contents(scene, page, timeline)]
    height = page.height
    if numbers:
        shapes += arithmetic_lines(timeline, _MARGIN, height + 4, page.width - 2 * _MARGIN, _ARITHMETIC)
        height += _ARITHMETIC.row * max(_arithmetic_rows(scene)) + 4
    return Drawing(
        math.ceil(page.width),
        math.ceil(height),
        tuple(shapes),
        timeline.total,
        scene.title,
        timeline.captions or captions(scene, timeline.frames),
    )


@dataclass(frozen=True, slots=True)
class Page:
    """Where everything of a scene stands.

    Attributes
    ----------
    blocks : list of Block
        One a stage.
    look : Look
    words : list
        Headings, and arrows from stage to stage.
    width, height : float
        Margins included, the arithmetic not.
    """

    blocks: list[Block]
    look: Look
    words: list[Shape]
    width: float
    height: float


def arrange(scene: Scene, *, numbers: bool = True) -> Page:
    """The places of all panels of a scene."""
    look = _look(scene, numbers)
    blocks, box, words = _page(scene, look)
    width = max(box.width, _LEAST_WIDTH if numbers else 0.0)
    at_least(box, width=width).place(_MARGIN, _MARGIN)
    return Page(blocks, look, words, width + 2 * _MARGIN, box.height + 2 * _MARGIN)


# -- sizes ---------------------------------------------------------------------------------------


def _look(scene: Scene, numbers: bool) -> Look:
    cells = max(map(_cells_across, scene.stages))
    if not numbers:
        side = min(28.0, max(8.0, 440.0 / cells))
        return Look(side, _kernel_side(scene, side, 10.0), 0.0, 0.0, 3, False)
    is_roomy = cells <= _ROOMY
    digits, least = (3, LEAST_FONT) if is_roomy else (2, 9.0)
    grids, weights = list(_grid_texts(scene, digits)), list(_weight_texts(scene, digits))
    usual = 36.0 if any(stage.reading == "scatter" for stage in scene.stages) else 32.0
    side = _side(grids, least, usual, 440.0 / cells)
    kernel_side = _kernel_side(scene, max(side, _side(weights, least, usual, 0)), _side(weights, least, 18.0, 0))
    return Look(
        side,
        kernel_side,
        fitting_size(grids, side - 4, _largest(side)),
        fitting_size(weights, kernel_side - 4, _largest(kernel_side)),
        digits,
        True,
    )


def _largest(side: float) -> float:
    """The font at which short numbers leave their cells some air."""
    return min(0.55 * side, 14.5)


def _cells_across(stage: Stage) -> int:
    if len(stage.input.size) != 2:
        return max(
            math.prod(grid.shown_size) if len(grid.size) == 1 else grid.shown_size[0] * grid.shown_size[2]
            for grid in (stage.input, stage.output)
        )
    return stage.input.shown_size[1] + stage.output.shown_size[1] + stage.kernel.shape[3]


def _side(texts: Sequence[str], least: float, usual: float, wanted: float) -> float:
    """Of cells: what is usual, or less if they are many, or more if their numbers need it."""
    needed = max((text_width(text, least) for text in texts), default=0.0) + 4
    return min(max(min(usual, max(wanted, 20.0)), math.ceil(needed)), 72.0)


def _kernel_side(scene: Scene, side: float, small: float) -> float:
    """As large as other cells, smaller where there are many kernels."""
    across_, rows = 0, 0
    for stage in scene.stages:
        groups = len(set(stage.input.groups))
        across_ = max(across_, stage.input.channels // groups * stage.kernel.shape[-1])
        rows = max(rows, stage.output.channels // groups * stage.kernel.shape[-2 if len(stage.kernel.shape) > 3 else -1])
    if across_ > 9 or rows > 16:
        return min(side, small)
    return side if across_ <= 6 else min(side, max(small, 26.0))


def _grid_texts(scene: Scene, digits: int) -> Iterator[str]:
    for stage in scene.stages:
        for grid in (stage.input, stage.output):
            yield from {number_text(value, digits) for channel in grid.values for value in channel if value is not None}
        yield from {number_text(write.value, digits) for step in stage.steps for write in step.writes}


def _weight_texts(scene: Scene, digits: int) -> Iterator[str]:
    for stage in scene.stages:
        yield from {number_text(value, digits) for first in stage.kernel.values for taps in first for value in taps}


# -- the page ------------------------------------------------------------------------------------


def _page(scene: Scene, look: Look) -> tuple[list[Block], Box, list[Shape]]:
    """The stages one after the other: in a row where they fit, else one below the other."""
    words: list[Shape] = []
    is_flat = len(scene.stages[0].input.size) == 2
    for in_row in (True, False) if is_flat else (False,):
        blocks: list[Block] = []
        boxes: list[Box] = []
        for number, stage in enumerate(scene.stages):
            is_shared = number > 0 and (in_row or not is_flat) and _is_plain(stage)
            block, box = (across if is_flat else down)(stage, look, blocks[-1] if is_shared else None)
            blocks.append(block)
            boxes.append(box)
        headings = [_heading(scene, number, words) for number in range(len(scene.stages))]
        if len(boxes) == 1:
            page = boxes[0]
        elif in_row:
            tall = max(box.height for box in boxes)
            page = beside([stacked([heading, at_least(box, height=tall)]) for heading, box in zip(headings, boxes, strict=True)], 44.0)
        else:
            page = stacked([part for heading, box in zip(headings, boxes, strict=True) for part in (down_arrow(words), heading, box)][1:])
        if page.width <= _WIDE:
            break
    return blocks, page, words


def _is_plain(stage: Stage) -> bool:
    """Whether the input is shown as the stage before shows it: no border, nothing inserted, no groups to tell apart."""
    return stage.input.shown_size == stage.input.size and len(set(stage.input.groups)) == 1


def _heading(scene: Scene, number: int, words: list[Shape]) -> Box:
    text = stage_title(scene, number)
    width = text_width(text, 14, bold=True)
    return Box(width, 28, lambda x, y: words.append(Text((x + width / 2, y + 10), text, "strong", 14)))


def _contents(scene: Scene, page: Page, timeline: Timeline) -> Iterator[Shape]:
    blocks, look = page.blocks, page.look
    roles = stage_roles(scene)
    before: Contents = {}
    for number, (stage, block) in enumerate(zip(scene.stages, blocks, strict=True)):
        yield from block.words
        results = timeline.contents(number)
        if not _is_shared(blocks, number):
            given = Story(scene, number, stage.input, before, timeline)
            for channel, panel in block.inputs.items():
                yield from grid_shapes([given], panel, channel, roles[number].input[channel], look)
        yield from _kernels(stage, block, roles[number], look, timeline.moves(number))
        made = [Story(scene, number, stage.output, results, timeline)]
        if _is_shared(blocks, number + 1):
            made.append(Story(scene, number + 1, scene.stages[number + 1].input, results, timeline))
        for channel, panel in block.outputs.items():
            yield from grid_shapes(made, panel, channel, roles[number].output[channel], look)
        before = results


def _is_shared(blocks: Sequence[Block], number: int) -> bool:
    """Whether a stage's input is not drawn, being the output of the stage before."""
    return 0 < number < len(blocks) and blocks[number].inputs == blocks[number - 1].outputs


def _kernels(stage: Stage, block: Block, roles: StageRoles, look: Look, moves: Sequence[Move]) -> Iterator[Shape]:
    for (output, channel), panel in block.kernels.items():
        place = weight_place(stage, channel, output)
        assert place is not None
        yield from kernel_shapes(stage.kernel, place, block.places, panel, roles.kernel(channel), look)
        for move in moves:
            if move.weight and move.weight[:2] == place:
                yield Polygon(panel.box(block.places[move.weight[2:]]), "focus", (move.frame, move.frame + 1))


# -- the arithmetic ------------------------------------------------------------------------------


def _arithmetic_rows(scene: Scene) -> Iterator[int]:
    """Lines that each stage needs."""
    for stage in scene.stages:
        yield 1 if stage.reading == "scatter" else min(stage.output.channels, _ARITHMETIC.most)
