"""Where the planes of a stacked picture lie: a floor for each layer, the first input lowest, a plane for each channel.

Owns the arrangement and the size of cells. Three axes are slices, each a plane of its own. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from faltung.viz.pictures.drawing import Point
from faltung.viz.pictures.oblique import Plane
from faltung.viz.scene.model import Grid, Scene
from faltung.viz.windows import Index

__all__ = ["Corners", "Floor", "Key", "Sizes", "floors_of", "place_floors"]

Key = tuple[int, int]
"""Of a plane: its channel, and along the first of three axes its place."""

Corners = tuple[Point, Point, Point, Point]

PLANE_GAP, COLUMN_GAP, FLOOR_GAP = 14.0, 26.0, 84.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of a cell: how wide it is, how much lower and further left than the one behind it; and the font of its number, 0 for none."""

    across: float
    down: float
    slant: float
    font: float


@dataclass(slots=True)
class Floor:
    """One layer: the input of a stage, the output of the one before, or both.

    Attributes
    ----------
    first, last : tuple of int
        The corners of what is shown, borders of both stages included: slice, row and column.
    base, apart : tuple of int
        Where the layer's cell 0 stands, and how far it is to the next: more than 1 where zeros are inserted.
    size : tuple of int
        Its own cells.
    columns : tuple of tuple of int
        The channels of each column from top to bottom.
    planes : dict
        Filled by `place_floors`.
    """

    first: Index
    last: Index
    base: Index
    apart: Index
    size: Index
    columns: tuple[tuple[int, ...], ...]
    planes: dict[Key, Plane]

    @property
    def shown(self) -> Index:
        """Slices, rows and columns."""
        return tuple(last - first + 1 for first, last in zip(self.first, self.last, strict=True))

    def spot(self, position: Index, *, is_cell: bool) -> Index:
        """Slice, row and column of a position; of a cell's own index if `is_cell`, else of a place under a window."""
        three = three_of(position, 0)
        if not is_cell:
            return three
        return tuple(base + entry * apart for entry, base, apart in zip(three, self.base, self.apart, strict=True))

    def stacks(self) -> Iterator[list[Key]]:
        """The planes of each column, from top to bottom."""
        for channels in self.columns:
            yield [(channel, depth) for channel in channels for depth in range(self.first[0], self.last[0] + 1)]

    def corners(self, key: Key, spots: Iterable[Index]) -> Corners | None:
        """Of the box around spots on a plane, None where none lies on it."""
        found = [spot[1:] for spot in spots if spot[0] == key[1]]
        if not found:
            return None
        rows, columns = zip(*found, strict=True)
        return self.planes[key].corners((min(columns), min(rows), max(columns) + 1, max(rows) + 1))

    def middle(self, key: Key, spot: Index) -> Point:
        """Of a cell."""
        return self.planes[key].point(spot[2] + 0.5, spot[1] + 0.5)

    def outline(self, key: Key) -> Corners:
        """Of a whole plane."""
        return self.planes[key].corners((self.first[2], self.first[1], self.last[2] + 1, self.last[1] + 1))


def three_of(index: Sequence[int], filler: int) -> tuple[int, int, int]:
    """Slice, row and column of an index along one to three axes."""
    slice_, row, column = [filler] * (3 - len(index)) + list(index)
    return slice_, row, column


def floors_of(scene: Scene) -> list[Floor]:
    """The floors of a scene, the lowest first, not placed yet."""
    stages = scene.stages
    found = []
    for number in range(len(stages) + 1):
        given = stages[number].input if number < len(stages) else None
        made = stages[number - 1].output if number else None
        grid = given or made
        assert grid is not None
        base, apart = _spread(grid)
        corners = [(grid.first, grid.last)]
        if given and made:
            # What is stamped beyond the output stands around its cells as the next stage shows them.
            corners.append(tuple(_moved(three_of(end, 0), base, apart) for end in (made.first, made.last)))  # type: ignore[arg-type]
        ends = [(three_of(first, 0), three_of(last, 0)) for first, last in corners]
        first = tuple(map(min, zip(*(low for low, _ in ends), strict=True)))
        last = tuple(map(max, zip(*(high for _, high in ends), strict=True)))
        found.append(Floor(first, last, base, apart, three_of(grid.size, 1), _columns(given, made), {}))
    return found


def _moved(index: Index, base: Index, apart: Index) -> Index:
    return tuple(start + entry * step for entry, start, step in zip(index, base, apart, strict=True))


def _spread(grid: Grid) -> tuple[Index, Index]:
    """Where cell 0 stands, and how far it is to the next along each axis."""
    own = {cell.source: cell.position for cell in grid.cells if cell.origin == grid.name and cell.source is not None}
    first, last = min(own), max(own)
    base, end = own[first], own[last]
    apart = [(high - low) // max(extent - 1, 1) or 1 for low, high, extent in zip(base, end, grid.size, strict=True)]
    return three_of(base, 0), three_of(apart, 1)


def _columns(given: Grid | None, made: Grid | None) -> tuple[tuple[int, ...], ...]:
    """A column for each group of the stage above, or else below; one if neither has groups."""
    for grid in (given, made):
        if grid and len(set(grid.groups)) > 1:
            return tuple(tuple(channel for channel, group in enumerate(grid.groups) if group == one) for one in dict.fromkeys(grid.groups))
    grid = given or made
    assert grid is not None
    return (tuple(range(grid.channels)),)


def place_floors(floors: Sequence[Floor], sizes: Sizes, left: float, top: float) -> tuple[float, float]:
    """Put the planes of all floors in their places: none further left than `left`, the last layer at `top`.

    Returns
    -------
    right, bottom : float
        How far they reach.
    """
    pitches: dict[int, float] = {}
    for floor in floors:
        _, rows, columns = floor.shown
        width = columns * sizes.across + rows * sizes.slant + COLUMN_GAP
        pitches[len(floor.columns)] = max(pitches.get(len(floor.columns), 0.0), width)
    y = top
    for floor in reversed(floors):
        count = len(floor.columns)
        height = floor.shown[1] * sizes.down
        # The layer's own cells are centred, whatever border is around them.
        row, column = (
            base + ((size - 1) * apart + 1) / 2 for base, apart, size in list(zip(floor.base, floor.apart, floor.size, strict=True))[1:]
        )
        lowest = y
        for number, keys in enumerate(floor.stacks()):
            centre = (number - (count - 1) / 2) * pitches[count]
            x = centre - column * sizes.across + row * sizes.slant
            for line, key in enumerate(keys):
                behind = y + line * (height + PLANE_GAP)
                floor.planes[key] = Plane(x, behind - floor.first[1] * sizes.down, sizes.across, sizes.down, sizes.slant)
                lowest = max(lowest, behind + height)
        y = lowest + FLOOR_GAP
    xs = [x for floor in floors for key in floor.planes for x, _ in floor.outline(key)]
    shift = left - min(xs)
    for floor in floors:
        for key, plane in floor.planes.items():
            floor.planes[key] = Plane(plane.x + shift, plane.y, plane.across, plane.down, plane.slant)
    return max(xs) + shift, y - FLOOR_GAP
