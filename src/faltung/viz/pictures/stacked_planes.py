"""What the planes of a stacked picture hold over the frames, and the lines between them.

Owns cells, numbers, windows, and the lines from a window to what is computed; `stacked_floors` says where planes lie.
Standard library only.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from faltung.viz.pictures.drawing import Line, Polygon, Shape, Text
from faltung.viz.pictures.flat_grids import Story
from faltung.viz.pictures.parts import Interval, cell_role, emphasis, hatch, number_text
from faltung.viz.pictures.stacked_floors import Corners, Floor, Key, Sizes
from faltung.viz.pictures.timeline import Move
from faltung.viz.scene.model import Cell
from faltung.viz.windows import Index

__all__ = ["Sight", "beam_shapes", "floor_shapes", "top_numbers"]

_LINKS = 6
"""Lines from the padding drawn at a time on a plane: more of them hide what they lead to."""
_LINKED = 3
"""Planes above one another up to which each has them; of more the topmost."""


@dataclass(frozen=True)
class Sight:
    """What is to be seen on a floor.

    Attributes
    ----------
    floor : Floor
    made : Story or None
        Of the stage whose output it is.
    given : Story or None
        Of the stage whose input it is.
    roles : tuple of str
        Of its channels.
    """

    floor: Floor
    made: Story | None
    given: Story | None
    roles: tuple[str, ...]

    @property
    def stories(self) -> Iterator[tuple[Story, bool]]:
        """The stories, and whether they count the floor's own cells, not places of a zero-inserted input."""
        if self.made:
            yield self.made, True
        if self.given:
            yield self.given, False

    def attention(self, channel: int) -> list[tuple[Cell, Index, tuple[Interval, ...]]]:
        """Cells of a channel with where they stand and the frames in which a window, or the focus, lies on them."""
        found = []
        for story, is_made in self.stories:
            frames = story.attention(channel)
            found += [
                (cell, self.floor.spot(cell.position, is_cell=is_made), tuple(frames[cell.position]))
                for cell in story.grid.cells
                if cell.position in frames
            ]
        return found

    @functools.cached_property
    def cells(self) -> list[tuple[Story, Cell, Index, Interval | None]]:
        """Every cell with the story that it belongs to, where it stands, and its frames: of a border those of its stage."""
        return list(self._cells())

    def _cells(self) -> Iterator[tuple[Story, Cell, Index, Interval | None]]:
        for story, is_made in self.stories:
            for cell in story.grid.cells:
                is_own = cell.origin == story.grid.name
                if is_own and not is_made and self.made:
                    continue
                during = story.during
                yield story, cell, self.floor.spot(cell.position, is_cell=is_made), None if is_own or during == (0, story.total) else during


def _plane(sight: Sight, key: Key) -> Iterator[Shape]:
    """One plane with its windows, from back to front."""
    channel, depth = key
    role = sight.roles[channel]
    cells = [one for one in sight.cells if one[2][0] == depth]
    plane = sight.floor.planes[key]

    def outline(spot: Index) -> Corners:
        return plane.corners((spot[2], spot[1], spot[2] + 1, spot[1] + 1))

    for story, cell, spot, frames in cells:
        is_own = cell.origin == story.grid.name
        shown = story.shown(channel, cell)
        is_blank = is_own and not shown[0].is_written
        yield Polygon(outline(spot), "blank" if is_blank else cell_role(cell, role), frames)
        written = next((one.frames[0] for one in shown if one.is_written), None)
        if is_blank and written is not None:
            yield Polygon(outline(spot), role, (written, story.total))
    for cell, spot, intervals in sight.attention(channel):
        if spot[0] == depth:
            for during in intervals:
                yield Polygon(outline(spot), emphasis(cell_role(cell, role)), during)
        # Only what is stamped and lost is crossed out, when it is.
        if cell.origin == "cropped" and spot[0] == depth:
            yield from itertools.chain.from_iterable(hatch("cropped", outline(spot), during) for during in intervals)
    for _, cell, spot, frames in cells:
        if cell.origin != "cropped":
            yield from hatch(cell.origin, outline(spot), frames)
    for story, is_made in sight.stories:
        yield from _windows(sight, key, story, is_made, role)


def _values(sight: Sight, key: Key, sizes: Sizes) -> Iterator[Text]:
    """The values on a plane, as they change."""
    if not sizes.font:
        return
    for story, cell, spot, frames in sight.cells:
        if spot[0] == key[1]:
            yield from _numbers(story, cell, sight.floor.middle(key, spot), key[0], frames, sizes.font)


def _numbers(story: Story, cell: Cell, at: tuple[float, float], channel: int, frames: Interval | None, font: float) -> Iterator[Text]:
    is_own = cell.origin == story.grid.name
    begin, end = frames or (0, story.total)
    for one in story.shown(channel, cell):
        during = (max(begin, one.frames[0]), min(end, one.frames[1]))
        if one.value is None or during[0] >= during[1]:
            continue
        role = "text" if is_own and one.is_written else "muted"
        yield Text(at, number_text(one.value), role, font, frames=None if during == (0, story.total) else during)


def _windows(sight: Sight, key: Key, story: Story, is_made: bool, role: str) -> Iterator[Shape]:
    """The outlines of the window on a plane, or of the focus; and the lines from the padding to what it copies."""
    floor = sight.floor
    for move in story.moves(key[0]):
        frames = _frames(story, move)
        if not story.has_window:
            for place in move.focus:
                focus = floor.corners(key, [floor.spot(place, is_cell=True)])
                if focus:
                    yield Polygon(focus, "focus", frames)
            continue
        corners = floor.corners(key, _marked(floor, story, move, is_made))
        if corners is None:
            continue
        yield Polygon(corners, f"{role}-line", frames)
        column = next(keys for keys in floor.stacks() if key in keys)
        if len(column) <= _LINKED or key == column[0]:
            yield from _links(floor, key, move, is_made, frames)


def _marked(floor: Floor, story: Story, move: Move, is_made: bool) -> list[Index]:
    """The places of the window, or of the focus, in a frame."""
    if story.has_window:
        return [floor.spot(tap.position, is_cell=is_made) for tap in move.window]
    return [floor.spot(place, is_cell=True) for place in move.focus]


def _links(floor: Floor, key: Key, move: Move, is_made: bool, frames: Interval | None) -> Iterator[Shape]:
    pairs = []
    for tap in move.window:
        if tap.origin in ("wrapped", "mirrored", "repeated") and tap.source is not None:
            ends = floor.spot(tap.position, is_cell=is_made), floor.spot(tap.source, is_cell=True)
            if {end[0] for end in ends} == {key[1]}:
                pairs.append(ends)
    kept = [pairs[len(pairs) * place // _LINKS] for place in range(_LINKS)] if len(pairs) > _LINKS else pairs
    for start, end in kept:
        yield Line((floor.middle(key, start), floor.middle(key, end)), "link", frames)


# -- lines between planes ------------------------------------------------------------------------


def floor_shapes(sight: Sight, sizes: Sizes) -> Iterator[Shape]:
    """A floor from its lowest planes up, with the edges of windows between planes that one sum goes over.

    Without the numbers of the topmost planes: lines that go up from there must not cross them.
    """
    for keys in sight.floor.stacks():
        for below, key in itertools.pairwise([None, *reversed(keys)]):
            assert key is not None
            if below:
                for story, is_made in sight.stories:
                    if story.grid.groups[below[0]] == story.grid.groups[key[0]]:
                        yield from _edges(sight.floor, below, key, story, is_made)
                yield from _values(sight, below, sizes)
            yield from _plane(sight, key)


def top_numbers(sight: Sight, sizes: Sizes) -> Iterator[Text]:
    """The numbers that `floor_shapes` leaves out."""
    for keys in sight.floor.stacks():
        yield from _values(sight, keys[0], sizes)


def _edges(floor: Floor, below: Key, above: Key, story: Story, is_made: bool) -> Iterator[Line]:
    for move in story.moves(below[0]):
        if move.means(story.grid.name, above[0]):
            spots = _marked(floor, story, move, is_made)
            yield from _beam(floor.corners(below, spots), floor.corners(above, spots), _frames(story, move))


def beam_shapes(below: Sight, above: Sight) -> Iterator[Line]:
    """From the window on one floor to what it makes on the next; of a scatter from the input to what it stamps."""
    given, made = below.given, above.made
    assert given is not None
    assert made is not None
    for move in given.moves():
        for group in dict.fromkeys(given.grid.groups):
            starts = _facing(below.floor, given, move, False, group, 0)
            ends = _facing(above.floor, made, move, True, group, -1)
            for start, end in itertools.product(starts, ends):
                yield from _beam(start, end, _frames(given, move))


def _facing(floor: Floor, story: Story, move: Move, is_made: bool, group: int, end: int) -> list[Corners]:
    """Of each column the topmost or the lowest of the planes of a group that hold something of a window."""
    found = []
    spots = _marked(floor, story, move, is_made)
    for keys in floor.stacks():
        own = [key for key in keys if story.grid.groups[key[0]] == group and move.means(story.grid.name, key[0])]
        boxes = [corners for key in own if (corners := floor.corners(key, spots))]
        if boxes:
            found.append(boxes[end])
    return found


def _beam(lower: Corners | None, upper: Corners | None, frames: Interval | None) -> Iterator[Line]:
    """Lines from the corners of one box to those of another above it."""
    if lower and upper:
        for ends in zip(lower, upper, strict=True):
            yield Line(ends, "arrow", frames)


def _frames(story: Story, move: Move) -> Interval | None:
    return None if story.total == 1 else (move.frame, move.frame + 1)
