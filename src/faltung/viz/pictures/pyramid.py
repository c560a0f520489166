"""Stacked layers as a pyramid, with the region of each that one output of the last sees.

Owns this layout: rows of cells for one axis, planes seen at a slant for two. Standard library only; what is seen comes
from `regions`.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from faltung.errors import ConvShapeError, ConvSpecError, ConvTypeError, shown
from faltung.spec import ConvSpec
from faltung.viz.pictures.drawing import Drawing, Line, Point, Polygon, Shape, Text
from faltung.viz.pictures.hatching import hatch
from faltung.viz.pictures.lettering import text_width
from faltung.viz.pictures.oblique import Box, Plane, convex_hull
from faltung.viz.pictures.regions import Cone, Layer, Layers, Span, Trace
from faltung.viz.pictures.roles import emphasis
from faltung.viz.pictures.timeline import runs
from faltung.viz.scene.model import Scene, Stage
from faltung.viz.windows import Index

__all__ = ["draw_pyramid"]

T = TypeVar("T")

_WIDTH = 480.0
"""Of the widest layer, if its cells are then of a size that can be seen."""

_CELLS = (9.0, 28.0)
"""Narrowest and widest cells."""

_SLANT, _FLATNESS = 0.45, 0.5
"""Of planes: how far a row is shifted, and how high it is, as shares of a cell's width."""

_PADDING = ("zero", "wrapped", "mirrored", "repeated")

_MARGIN = 12.0
_FONT = 12.0
_LINE = 16.0


def draw_pyramid(scene: Scene, at: int | Sequence[int] | None = None) -> Drawing:
    """The layers of a scene one above the other, with all that one output of the last stage sees of each.

    A layer's cells stand above the middle of their windows (of a causal stage above the last cell of it), so that strides spread them
    out. Filled cells are read on the way to the output; paler ones lie between them and are not read, as in the holes of a dilated
    window. Padding that is read is marked by where its values come from.

    Parameters
    ----------
    scene : Scene
        Of one or two spatial axes, and of any number of stages.
    at : int or tuple of int, optional
        The output, spatial; negative counts from the end. Without it there is a frame for every output.

    Returns
    -------
    Drawing

    Raises
    ------
    ConvSpecError
        The scene has more than two spatial axes.
    ConvShapeError, ConvTypeError
        The last stage has no output at `at`.

    Examples
    --------
    >>> from faltung.viz.scene import scene
    >>> drawing = draw_pyramid(scene(["conv1d(1, 1, 3)", "conv1d(1, 1, 3, dilation=2)"], 16))
    >>> drawing.frames, drawing.captions[3]
    (10, 'output[3] sees 3 of 14 cells of layer 1, spread over 5; 7 of 16 cells of the input.')
    """
    axes = len(scene.stages[0].input.size)
    if axes > 2:
        raise ConvSpecError(
            f"a pyramid of {axes} spatial axes cannot be drawn.", "Draw one of 1 or 2: an axis sees what it sees by itself."
        )
    size = scene.stages[-1].output.size
    outputs = list(itertools.product(*map(range, size))) if at is None else [_checked(at, size)]
    if not outputs:
        raise ConvShapeError(f"the last stage has an output of size {size}: nothing looks down from it.", "Give a larger input.")
    return _Pyramid(scene, outputs).drawing()


def _checked(at: int | Sequence[int], size: Index) -> Index:
    given = tuple(at) if isinstance(at, Sequence) else (at,)
    if len(given) != len(size):
        raise ConvShapeError(
            f"at={shown(at)} has {len(given)} entries, the last output of size {size} takes {len(size)}.", "Give one an axis."
        )
    found = []
    for entry, extent in zip(given, size, strict=True):
        try:
            number = operator.index(entry)
        except TypeError:
            raise ConvTypeError(f"at={shown(at)} holds {shown(entry)} of type {type(entry).__name__}.", "Give whole numbers.") from None
        if not -extent <= number < extent:
            allowed = f"It goes from 0 to {extent - 1}, or from -{extent} to -1 counted from the end."
            raise ConvShapeError(f"at={shown(at)}: {number} is outside the last output of size {size}.", allowed)
        found.append(number % extent)
    return tuple(found)


class _Changing:
    """Shapes that come and go: equal ones of several frames become one, for as long as they stay."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._frames: dict[Shape, list[int]] = {}

    def add(self, shape: Shape, frame: int) -> None:
        frames = self._frames.setdefault(shape, [])
        if not frames or frames[-1] != frame:
            frames.append(frame)

    def shapes(self) -> Iterator[Shape]:
        for shape, frames in self._frames.items():
            for interval in runs(frames):
                yield shape if interval == (0, self._total) else replace(shape, frames=interval)


@dataclass(frozen=True, slots=True)
class _Floor:
    """One layer of the picture; its axes are down and across."""

    axes: tuple[Layer, Layer]
    origins: dict[Index, str]
    role: str
    scale: float
    plane: Plane

    def box(self, down: Span, across: Span) -> Box:
        """Around places, from the first to the last along both axes."""
        (top, bottom), (left, right) = (self._edges(layer, span) for layer, span in zip(self.axes, (down, across), strict=True))
        return left, top, right, bottom

    def _edges(self, layer: Layer, span: Span) -> tuple[float, float]:
        # What stands far apart is drawn wider, yet with gaps.
        half = max(1.0, 0.6 * self.scale * layer.pitch) / 2
        return layer.centre(span[0]) * self.scale - half, layer.centre(span[1]) * self.scale + half

    @property
    def whole(self) -> Box:
        down, across = self.axes
        return self.box((down.first, down.last), (across.first, across.last))

    def cell(self, place: Index) -> tuple[Point, Point, Point, Point]:
        return self.plane.corners(self.box((place[0], place[0]), (place[1], place[1])))

    def seat(self, place: Index) -> bool:
        """Whether a cell of the layer's own stands there."""
        return self.origins.get(place) in ("input", "output")


_ONE_ROW = Layer(1, 0, 0, {0: 0}, {0: 0}, pitch=0.0)
_ALONE = Trace(frozenset([0]), frozenset([0]), (Cone((0, 0), (0, 0)),), 1)


class _Pyramid:
    """The picture of given outputs, one a frame."""

    def __init__(self, scene: Scene, outputs: Sequence[Index]) -> None:
        self._scene, self._outputs = scene, outputs
        self._is_row = len(outputs[0]) == 1
        self._axes = [Layers(scene, axis) for axis in range(len(outputs[0]))]
        self._floors = self._placed()
        self._traces = {output: self._traced(output) for output in outputs}

    def _traced(self, output: Index) -> list[tuple[Trace, Trace]]:
        """By layer, what an output sees down and across."""
        along = [axis.trace(place) for axis, place in zip(self._axes, output, strict=True)]
        downs = [_ALONE] * len(along[0]) if self._is_row else along[0]
        return list(zip(downs, along[-1], strict=True))

    def _placed(self) -> list[_Floor]:
        """The floors, the lowest first; the topmost lies at the upper margin."""
        stacks = [axis.layers for axis in self._axes]
        pairs = [(down, across) for down, across in zip(stacks[0], stacks[-1], strict=True)]
        if self._is_row:
            pairs = [(_ONE_ROW, across) for _, across in pairs]
        scale = 1 / min(layer.pitch for stack in stacks for layer in stack)
        floors = [
            _Floor(pair, self._origins(number), "output" if number else "input", scale, Plane(0, 0, 1, 1))
            for number, pair in enumerate(pairs)
        ]
        boxes = [floor.whole for floor in floors]
        columns = max(right for _, _, right, _ in boxes) - min(left for left, _, _, _ in boxes)
        rows = max(bottom for _, _, _, bottom in boxes) - min(top for _, top, _, _ in boxes)
        share = 0.0 if self._is_row else _SLANT
        across = max(_CELLS[0], min(_CELLS[1], _WIDTH / (columns + share * rows)))
        height = across if self._is_row else _FLATNESS * across
        self._gap = max(58.0, 1.6 * across) if self._is_row else 52.0
        planes, lowest = [], _MARGIN
        for _, top, _, bottom in reversed(boxes):
            planes.append(Plane(0, lowest - top * height, across, height, share * across))
            lowest += (bottom - top) * height + self._gap
        self._bottom = lowest - self._gap
        edges = [x for plane, box in zip(reversed(planes), boxes, strict=True) for x, _ in plane.corners(box)]
        shift = _MARGIN - min(edges)
        self._right = max(edges) + shift
        return [replace(floor, plane=replace(plane, x=shift)) for floor, plane in zip(floors, reversed(planes), strict=True)]

    def _origins(self, number: int) -> dict[Index, str]:
        """By place, what stands there; of what the last stage stamps, its outputs alone."""
        stages = self._scene.stages
        if number < len(stages):
            cells = stages[number].input.cells
        else:
            cells = tuple(cell for cell in stages[-1].output.cells if cell.origin == "output")
        return {(0, *cell.position) if self._is_row else cell.position: cell.origin for cell in cells}

    # -- what is drawn ---------------------------------------------------------------------------

    def drawing(self) -> Drawing:
        """The whole picture."""
        shapes = [shape for number in range(len(self._floors)) for shape in self._floor(number)]
        texts = [shape for shape in (*self._labels(), *self._lines()) if isinstance(shape, Text)]
        width = max(text.at[0] + text_width(text.text, text.size, bold=text.role == "strong") for text in texts) + _MARGIN
        captions = tuple(map(self._caption, self._outputs))
        return Drawing(width, self._bottom + 44, (*shapes, *texts), len(self._outputs), self._scene.title, captions)

    def _floor(self, number: int) -> Iterator[Shape]:
        """A layer with what is seen of it, and above it the cones that stand on it."""
        floor = self._floors[number]
        if not self._is_row:
            yield Polygon(floor.plane.corners(floor.whole), "blank")
        for place, origin in floor.origins.items():
            yield Polygon(floor.cell(place), "blank" if floor.seat(place) else "zero" if origin == "zero" else "inserted")
        cells, frames = _Changing(len(self._outputs)), _Changing(len(self._outputs))
        for frame, output in enumerate(self._outputs):
            traces = self._traces[output][number]
            for place, is_read in self._region(floor, traces).items():
                for role in self._filled(floor, place, is_read):
                    cells.add(Polygon(floor.cell(place), role), frame)
            for shape in self._cones(number, traces):
                frames.add(shape, frame)
        yield from cells.shapes()
        for place, origin in floor.origins.items():
            yield from hatch(origin, floor.cell(place))
        yield from frames.shapes()

    @staticmethod
    def _region(floor: _Floor, traces: tuple[Trace, Trace]) -> dict[Index, bool]:
        """The places of a layer that are seen, and those between them, which are not read."""
        found = {}
        for cones in itertools.product(*(trace.cones for trace in traces)):
            for place in itertools.product(*(range(cone.lower[0], cone.lower[1] + 1) for cone in cones)):
                found[place] = False
        for place in itertools.product(*(trace.read for trace in traces)):
            found[place] = True
        for cell in itertools.product(*(trace.seen for trace in traces)):
            found[floor.axes[0].places[cell[0]], floor.axes[1].places[cell[1]]] = True
        return found

    @staticmethod
    def _filled(floor: _Floor, place: Index, is_read: bool) -> Iterator[str]:
        """The roles of a place within the region, over one another."""
        origin = floor.origins[place]
        if floor.seat(place):
            yield emphasis(floor.role) if is_read else floor.role
        elif is_read:
            yield origin
            yield emphasis(origin)

    def _cones(self, number: int, traces: tuple[Trace, Trace]) -> Iterator[Shape]:
        """The borders of the region, and the lines to it from the cells above."""
        floor = self._floors[number]
        for down, across in itertools.product(*(trace.cones for trace in traces)):
            base = floor.plane.corners(floor.box(down.lower, across.lower))
            if number + 1 == len(self._floors):
                yield Polygon(base, "focus")
                continue
            above = self._floors[number + 1]
            tip = above.plane.corners(above.box(down.upper, across.upper))
            sides = [(tip[3], base[0]), (tip[2], base[1])] if self._is_row else list(zip(tip, base, strict=True))
            yield Polygon(convex_hull(itertools.chain.from_iterable(sides)), "shadow")
            yield Polygon(base, f"{floor.role}-line")
            for side in sides:
                yield Line(side, "arrow")

    # -- words -----------------------------------------------------------------------------------

    def _labels(self) -> Iterator[Shape]:
        """At the side, what each layer is and how much of it is seen, and what each stage is."""
        left = self._right + _MARGIN
        for number, floor in enumerate(self._floors):
            (_, behind), _, (_, front), _ = floor.plane.corners(floor.whole)
            middle, sizes = (behind + front) / 2, _sizes(layer.size for layer in self._own(floor.axes))
            last = number + 1 == len(self._floors)
            at = middle if last else middle - _LINE / 2
            yield Text((left, at), f"{self._name(number)} {sizes}", "strong", _FONT, "start")
            if last:
                continue
            said = _Changing(len(self._outputs))
            for frame, output in enumerate(self._outputs):
                said.add(Text((left, at + _LINE), self._sees(number, output), "text", _FONT, "start"), frame)
                if self._padding(number, output):
                    said.add(Text((left, at + 2 * _LINE), self._padding(number, output), "text", _FONT, "start"), frame)
            yield from said.shapes()
            yield Text((left, behind - self._gap / 2 + 5), _stage_words(self._scene.stages[number]), "muted", _FONT - 1, "start")

    def _lines(self) -> Iterator[Shape]:
        """Below the picture, what the frame shows."""
        said = _Changing(len(self._outputs))
        for frame, output in enumerate(self._outputs):
            words = f"{_named(output)} {self._sees(0, output, ' input cells')}"
            said.add(Text((_MARGIN, self._bottom + 30), words, "text", _FONT, "start"), frame)
        return said.shapes()

    def _own(self, pair: tuple[T, T]) -> tuple[T, ...]:
        """Without the axis that a row has not."""
        return pair[1:] if self._is_row else pair

    def _name(self, number: int) -> str:
        return "input" if number == 0 else "output" if number + 1 == len(self._floors) else f"layer {number}:"

    def _sees(self, number: int, output: Index, noun: str = "") -> str:
        """How much of a layer an output sees."""
        floor, pair = self._floors[number], self._traces[output][number]
        traces = self._own(pair)
        whole = f"{_sizes(layer.size for layer in self._own(floor.axes))}{noun}"
        if not all(trace.seen for trace in traces):
            return f"sees none of {whole}"
        seen, width = _sizes(len(trace.seen) for trace in traces), _sizes(trace.width for trace in traces)
        return f"sees {seen} of {whole}" + (f", spread over {width}" if width != seen else "")

    def _padding(self, number: int, output: Index) -> str:
        origins = self._floors[number].origins
        count = sum(origins[place] in _PADDING for place in itertools.product(*(trace.read for trace in self._traces[output][number])))
        return f"and {count} of padding" if count else ""

    def _caption(self, output: Index) -> str:
        parts = []
        for number in reversed(range(len(self._floors) - 1)):
            seen = self._sees(number, output, f" cells of {f'layer {number}' if number else 'the input'}")
            parts.append(" ".join(filter(None, (seen.removeprefix("sees "), self._padding(number, output)))))
        return f"{_named(output)} sees {'; '.join(parts)}."


def _named(output: Index) -> str:
    return f"output[{', '.join(map(str, output))}]"


def _sizes(sizes: Iterable[int]) -> str:
    return "×".join(map(str, sizes))


def _stage_words(stage: Stage) -> str:
    """What a stage does to regions, such as "kernel 3, stride 2"."""
    spec = ConvSpec.parse(stage.spec)
    words = [f"kernel {_sizes(spec.kernel_size)}"]
    for name, along in (("stride", spec.stride), ("dilation", spec.dilation)):
        if set(along) != {1}:
            words.append(f"{name} {along[0] if len(set(along)) == 1 else _sizes(along)}")
    return ", ".join([*words, *(["transposed"] if stage.is_transposed else [])])
