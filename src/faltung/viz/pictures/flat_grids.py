"""The contents of panels: cells, the window on them, their numbers, lines from the padding to the cells that it copies.

Owns what a grid and a kernel look like over the frames; `flat_layout` says where they stand. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from faltung.viz.numbers import Number, sum_of
from faltung.viz.pictures.drawing import Line, Point, Polygon, Shape, Text
from faltung.viz.pictures.hatching import hatch
from faltung.viz.pictures.lettering import fitting_size, number_text
from faltung.viz.pictures.panel import Panel
from faltung.viz.pictures.roles import cell_role, emphasis
from faltung.viz.pictures.timeline import Interval, Move, Shown, Timeline, focused, touched
from faltung.viz.scene.model import Cell, Grid, Kernel, Scene, Stage
from faltung.viz.windows import Index

__all__ = ["Contents", "Look", "Story", "grid_shapes", "kernel_shapes", "tap_places"]

_LINKS = 5
"""Lines from the padding drawn at a time: more of them hide what they lead to."""

_LINKED = 3
"""Channels up to which each has these lines; of more the first alone has them."""

Contents = Mapping[tuple[int, Index], Sequence[Shown]]


@dataclass(frozen=True, slots=True)
class Look:
    """How large things are, for a whole picture.

    Attributes
    ----------
    side, kernel_side : float
        Of the cells of grids, and of kernels.
    font, kernel_font : float
    digits : int
        Of numbers in cells.
    has_numbers : bool
    """

    side: float
    kernel_side: float
    font: float
    kernel_font: float
    digits: int
    has_numbers: bool


@dataclass(frozen=True, slots=True)
class Story:
    """What happens on one grid of a stage.

    Attributes
    ----------
    scene : Scene
    stage : int
    grid : Grid
        Its input or its output.
    contents : mapping
        What its cells show when, by channel and cell; of cells that are not in it the grid's values, always.
    timeline : Timeline
    """

    scene: Scene
    stage: int
    grid: Grid
    contents: Contents
    timeline: Timeline

    @property
    def total(self) -> int:
        """Frames of the whole picture."""
        return self.timeline.total

    @property
    def during(self) -> Interval:
        """The frames of the stage."""
        return self.timeline.during(self.stage)

    def moves(self, channel: int | None = None) -> list[Move]:
        """What the frames of the stage draw attention to on a channel; without one on any."""
        return [move for move in self.timeline.moves(self.stage) if channel is None or move.means(self.grid.name, channel)]

    @property
    def has_window(self) -> bool:
        """Whether the window lies on this grid."""
        return self.scene.stages[self.stage].under_window is self.grid

    def shown(self, channel: int, cell: Cell) -> Sequence[Shown]:
        """What a cell of a channel shows over the frames."""
        if cell.source is None:
            value = None if cell.origin == "cropped" else 0
            return (Shown((0, self.total), value, True),)
        found = self.contents.get((channel, cell.source))
        return (Shown((0, self.total), self.grid.value(channel, cell.source), True),) if found is None else found

    def attention(self, channel: int) -> Mapping[Index, tuple[Interval, ...]]:
        """By position on a channel, the frames in which the window lies there, or which are about the cell."""
        # What a frame is about counts the grid's own cells, which zero insertion moves; but then the window lies on that grid.
        return (touched if self.has_window else focused)(self.moves(channel))


def grid_shapes(stories: Sequence[Story], panel: Panel, channel: int, role: str, look: Look) -> Iterator[Shape]:
    """A channel of a grid, from back to front, with its window or its focus.

    `stories` are two where the output of a stage is shown as the input of the next one, too: the cells are those of the first.
    """
    story = stories[0]
    cells = story.grid.cells
    for cell in cells:
        first = next(iter(story.shown(channel, cell)))
        yield Polygon(panel.box(cell.position), _first_role(cell, role, first))
    later = []
    for cell in cells:
        shown = story.shown(channel, cell)
        written = next((one.frames[0] for one in shown if one.is_written), None)
        if cell.origin in ("input", "output") and written is not None and not shown[0].is_written:
            later.append(Polygon(panel.box(cell.position), role, (written, story.total)))
    yield from _by_time(later)
    for one in stories:
        yield from _attention(one, panel, channel, role)
    for cell in cells:
        yield from hatch(cell.origin, panel.box(cell.position))
    if story.has_window and (channel == 0 or story.grid.channels <= _LINKED):
        yield from _links(story, panel, channel)
    if look.has_numbers:
        yield from _by_time(_numbers(story, panel, channel, look))
    for one in stories:
        yield from _outlines(one, panel, channel, role)


def _first_role(cell: Cell, role: str, first: Shown) -> str:
    return "blank" if cell.origin in ("input", "output") and not first.is_written else cell_role(cell, role)


def _by_time(shapes: Iterable[Shape]) -> list[Shape]:
    """Shapes that are visible together stand together: files become smaller."""
    return sorted(shapes, key=lambda shape: shape.frames or (0, 0))


def _attention(story: Story, panel: Panel, channel: int, role: str) -> list[Shape]:
    attention = story.attention(channel)
    return _by_time(
        Polygon(panel.box(cell.position), emphasis(cell_role(cell, role)), frames)
        for cell in story.grid.cells
        for frames in attention.get(cell.position, ())
    )


def _outlines(story: Story, panel: Panel, channel: int, role: str) -> Iterator[Shape]:
    for move in story.moves(channel):
        frames = (move.frame, move.frame + 1)
        if not story.has_window:
            for place in move.focus:
                yield Polygon(panel.box(place), "focus", frames)
            continue
        boxes = panel.outlines([tap.position for tap in move.window])
        if len(boxes) > 1 and len(panel.shown) < 3:
            xs, ys = ([point[axis] for box in boxes for point in box] for axis in (0, 1))
            around = ((min(xs), min(ys)), (max(xs), min(ys)), (max(xs), max(ys)), (min(xs), max(ys)))
            yield Line((*around, around[0]), "link", frames)
        for box in boxes:
            yield Polygon(box, f"{role}-line", frames)


def _links(story: Story, panel: Panel, channel: int) -> Iterator[Shape]:
    """From cells of the padding under the window to the cells that they copy."""
    own = {cell.source: cell.position for cell in story.grid.cells if cell.origin in ("input", "output")}
    for move in story.moves(channel):
        pairs = [(tap.position, own[tap.source]) for tap in move.window if tap.origin in ("wrapped", "mirrored", "repeated")]
        if len(pairs) > _LINKS:
            pairs = sorted(pairs, key=lambda pair: math.dist(*pair))[:_LINKS]
        for start, end in pairs:
            yield Line(
                _between(panel.middle(start), panel.middle(end), 0.34 * panel.side), "link", (move.frame, move.frame + 1), arrow=True
            )


def _between(start: Point, end: Point, margin: float) -> tuple[Point, Point]:
    """The line from one middle to the other without its ends, which would cross numbers."""
    length = math.dist(start, end)
    across, down = (end[0] - start[0]) / length * margin, (end[1] - start[1]) / length * margin
    return (start[0] + across, start[1] + down), (end[0] - across, end[1] - down)


# -- numbers -------------------------------------------------------------------------------------


def _numbers(story: Story, panel: Panel, channel: int, look: Look) -> Iterator[Text]:
    stamped = _sums(story, panel, channel, look)
    for cell in story.grid.cells:
        is_own = cell.origin in ("input", "output")
        x, y = panel.middle(cell.position)
        for one in story.shown(channel, cell):
            if one.value is None:
                continue
            role = "text" if cell.is_used and one.is_written and (is_own or cell.source is not None) else "muted"
            text = number_text(one.value, look.digits)
            sums = stamped.get((cell.position, one.frames[0])) if is_own else None
            first, end = one.frames
            if sums:
                yield Text((x, y - 0.24 * panel.side), sums, "text", 0.76 * look.font, frames=(first, first + 1))
                yield Text((x, y + 0.18 * panel.side), text, "strong", 0.88 * look.font, frames=(first, first + 1))
                first += 1
            if first < end:
                yield Text((x, y), text, role, look.font, frames=None if (first, end) == (0, story.total) else (first, end))


def _sums(story: Story, panel: Panel, channel: int, look: Look) -> dict[tuple[Index, int], str]:
    """Of outputs that are stamped, by cell and frame: what they had and what they get, where both fit into the cell."""
    found: dict[tuple[Index, int], str] = {}
    stage = story.scene.stages[story.stage]
    if stage.reading != "scatter" or story.grid is not stage.output:
        return found
    for move in story.moves(channel):
        step = move.step
        if step is None:
            continue
        added: dict[Index, list[Number]] = {}
        for term in step.terms:
            source = step.window[term.tap].source
            if term.output_channel == channel and source is not None:
                added.setdefault(source, []).append(term.product)
        for write in step.writes:
            if write.channel == channel and write.before is not None:
                after = number_text(sum_of(added[write.cell]), look.digits)
                text = f"{number_text(write.before, look.digits)}{after if after.startswith('−') else f'+{after}'}"
                if fitting_size([text], panel.side - 3) >= 0.76 * look.font:
                    found[write.cell, move.frame] = text
    return found


# -- kernels -------------------------------------------------------------------------------------


def tap_places(stage: Stage, is_spread: bool) -> dict[Index, Index]:
    """Where each tap stands in the picture of the kernel: as the window lies, with its holes if `is_spread`.

    >>> from faltung.viz.scene import scene
    >>> stage = scene("conv1d(1, 1, 3, dilation=2, flip=True)", (5,)).stages[0]
    >>> tap_places(stage, True), tap_places(stage, False)
    ({(2,): (0,), (1,): (2,), (0,): (4,)}, {(2,): (0,), (1,): (1,), (0,): (2,)})
    """
    window = stage.steps[0].window
    ndim = len(window[0].position)
    along = [sorted({tap.position[axis] for tap in window}) for axis in range(ndim)]
    if is_spread:
        return {tap.index: tuple(place - places[0] for place, places in zip(tap.position, along, strict=True)) for tap in window}
    return {tap.index: tuple(places.index(place) for place, places in zip(tap.position, along, strict=True)) for tap in window}


def kernel_shapes(
    kernel: Kernel, place: tuple[int, int], places: Mapping[Index, Index], panel: Panel, role: str, look: Look
) -> Iterator[Shape]:
    """The weights between two channels."""
    taps = kernel.values[place[0]][place[1]]
    has_holes = math.prod(panel.shown) > len(places)
    if has_holes and len(panel.shown) < 3:
        last = tuple(extent - 1 for extent in panel.shown)
        yield Polygon(panel.box((0,) * len(last), last), "faint")
    for value, (_, where) in zip(taps, sorted(places.items()), strict=True):
        yield Polygon(panel.box(where), role)
        if look.has_numbers:
            yield Text(panel.middle(where), number_text(value, look.digits), "text", look.kernel_font)
