"""What one output of the last stage sees of every layer below it, followed through the steps of a scene.

Owns the way down from an output to the places and cells that it is made of, and where the layers stand above one
another. Windows are one window along each axis, in every combination; so are the regions that they add up to, and all of
this is done an axis at a time. Standard library only, and no shape formula: the steps say which window lies where.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from faltung.viz.scene.model import Scene, Stage

__all__ = ["Cone", "Layer", "Layers", "Span", "Trace"]

Span = tuple[int, int]
"""The first and the last of some places along an axis."""

Places = frozenset[int]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer along one axis: the input of a stage, or the output of the last.

    Attributes
    ----------
    size : int
        Its cells.
    first, last : int
        The places shown, border included.
    places : mapping of int to int
        By cell the place where it stands: itself, but in a zero-inserted input.
    homes : mapping of int to int
        By place the cell whose value stands there; none where a zero does.
    start, pitch : float
        Where place 0 stands above the first layer, and how far apart places are, in cells of the first layer.
    """

    size: int
    first: int
    last: int
    places: Mapping[int, int]
    homes: Mapping[int, int]
    start: float = 0.0
    pitch: float = 1.0

    def centre(self, place: float) -> float:
        """Where the middle of a place stands above the first layer."""
        return self.start + self.pitch * place


@dataclass(frozen=True, slots=True)
class Cone:
    """From cells that lie together, down to the places that their windows reach: spans on the upper and on the lower layer."""

    upper: Span
    lower: Span


@dataclass(frozen=True, slots=True)
class Trace:
    """What one output sees of one layer along one axis.

    Attributes
    ----------
    read : frozenset of int
        Places under the windows that lead to the output.
    seen : frozenset of int
        The layer's own cells whose values reach the output, copies in the padding counted where they come from.
    cones : tuple of Cone
        From the layer above; the topmost has one, on the output itself.
    width : int
        Cells that are seen, with those between them: more than `seen` has where windows have holes.
    """

    read: Places
    seen: Places
    cones: tuple[Cone, ...]
    width: int


class Layers:
    """The layers of a scene along one axis, the first input lowest.

    Examples
    --------
    >>> from faltung.viz.scene import scene
    >>> layers = Layers(scene(["conv1d(1, 1, 3)", "conv1d(1, 1, 3, dilation=2)"], 9), 0)
    >>> [(sorted(trace.seen), trace.width) for trace in layers.trace(1)]
    [([1, 2, 3, 4, 5, 6, 7], 7), ([1, 3, 5], 5), ([1], 1)]
    """

    def __init__(self, scene: Scene, axis: int) -> None:
        self._windows = [_windows(stage, axis) for stage in scene.stages]
        self.layers: tuple[Layer, ...] = _stacked(scene, axis, self._windows)

    def trace(self, output: int) -> tuple[Trace, ...]:
        """What a cell of the last layer sees of each layer, the lowest first."""
        top = Trace(frozenset([output]), frozenset([output]), (Cone((output, output), (output, output)),), 1)
        traces: list[Trace] = [top]
        groups: tuple[Places, ...] = (top.seen,)
        for number in reversed(range(len(self._windows))):
            trace, groups = self._below(number, groups)
            traces.append(trace)
        return tuple(reversed(traces))

    def _below(self, number: int, groups: tuple[Places, ...]) -> tuple[Trace, tuple[Places, ...]]:
        """What cells of a stage's output, in groups that lie together, see of its input; and the input cells in such groups."""
        layer, windows = self.layers[number], self._windows[number]
        above = self.layers[number + 1]
        cones = []
        for group in groups:
            reached = [windows.get(cell, ()) for cell in sorted(group)]
            upper = _span(above.places[cell] for cell in group)
            if all(len(found) <= 1 for found in reached):
                together = [frozenset().union(*(window for found in reached for window in found))]
            else:
                together = _joined(window for found in reached for window in found)
            cones += [Cone(upper, _span(window)) for window in together if window]
        read = frozenset().union(*(window for group in groups for cell in group for window in windows.get(cell, ())))
        seen = frozenset(layer.homes[place] for place in read if place in layer.homes)
        below = _grouped(seen, layer, [cone.lower for cone in cones])
        width = sum(max(group) - min(group) + 1 for group in below)
        return Trace(read, seen, tuple(cones), width), below


def _windows(stage: Stage, axis: int) -> dict[int, tuple[Places, ...]]:
    """By output cell, its windows as places of the input; more than one where copies of the output are stamped too."""
    places: dict[int, set[int]] = {}
    stamps: dict[int, dict[int, set[int]]] = {}
    for step in stage.steps:
        focus = step.focus[axis]
        if stage.reading == "gather":
            places.setdefault(focus, set()).update(tap.position[axis] for tap in step.window)
            continue
        for tap in step.window:
            if tap.source is not None:
                stamps.setdefault(tap.source[axis], {}).setdefault(tap.position[axis], set()).add(focus)
    # Places of one window are no further apart than its taps.
    dilation = stage.kernel.dilation[axis]
    found = {cell: _runs(reached, dilation) for cell, reached in places.items()}
    for cell, copies in stamps.items():
        found[cell] = tuple(_joined(map(frozenset, copies.values())))
    return found


def _stacked(scene: Scene, axis: int, windows: list[dict[int, tuple[Places, ...]]]) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    start, pitch = 0.0, 1.0  # of the layer's own cells
    for stage, found in zip(scene.stages, windows, strict=True):
        layer = _input(stage, axis)
        apart = (layer.places[layer.size - 1] - layer.places[0]) / max(layer.size - 1, 1) or 1.0
        pitch /= apart
        layer = Layer(layer.size, layer.first, layer.last, layer.places, layer.homes, start - pitch * layer.places[0], pitch)
        layers.append(layer)
        offset, step = _leads(stage, axis, found)
        if stage.reading == "scatter":
            pitch /= step
            start = layer.centre(0) - pitch * offset
        else:
            start, pitch = layer.centre(offset), pitch * step
    output = scene.stages[-1].output.size[axis]
    itself = {cell: cell for cell in range(output)}
    layers.append(Layer(output, 0, output - 1, itself, itself, start, pitch))
    return tuple(layers)


def _input(stage: Stage, axis: int) -> Layer:
    grid = stage.input
    places, homes = {}, {}
    for cell in grid.cells:
        if cell.source is not None:
            homes[cell.position[axis]] = cell.source[axis]
            if cell.origin == "input":
                places[cell.source[axis]] = cell.position[axis]
    return Layer(grid.size[axis], grid.first[axis], grid.last[axis], places, homes)


def _leads(stage: Stage, axis: int, windows: dict[int, tuple[Places, ...]]) -> tuple[float, float]:
    """Where the window of the first step lies, and how far it moves from one to the next."""
    if stage.reading == "gather":
        spans = {cell: _span(found[0]) for cell, found in windows.items() if len(found) == 1}
    else:
        laid: dict[int, set[int]] = {}
        for step in stage.steps:
            laid.setdefault(step.focus[axis], set()).update(tap.position[axis] for tap in step.window)
        spans = {focus: _span(places) for focus, places in laid.items()}
    # Of a causal stage an output stands above the last cell that it sees, not above the middle.
    causal = "causal" in stage.kinds
    ends = (0.0, 1.0) if causal and stage.reading == "gather" else (1.0, 0.0) if causal else (0.5, 0.5)
    leads = sorted((number, ends[0] * first + ends[1] * last) for number, (first, last) in spans.items())
    if not leads:
        return 0.0, 1.0
    (low, at), (high, to) = leads[0], leads[-1]
    pace = (to - at) / (high - low) if high > low else 1.0
    return at - pace * low, pace or 1.0


# -- places that lie together --------------------------------------------------------------------


def _span(places: Iterable[int]) -> Span:
    found = list(places)
    return min(found), max(found)


def _runs(places: Iterable[int], apart: int) -> tuple[Places, ...]:
    """Places in runs within which they are at most `apart` from one to the next."""
    found: list[list[int]] = []
    for place in sorted(places):
        if found and place - found[-1][-1] <= apart:
            found[-1].append(place)
        else:
            found.append([place])
    return tuple(map(frozenset, found))


def _joined(windows: Iterable[Places]) -> list[Places]:
    """Windows, those that touch one another as one."""
    found: list[Places] = []
    for window in sorted((window for window in windows if window), key=min):
        if found and min(window) <= max(found[-1]) + 1:
            found[-1] |= window
        else:
            found.append(window)
    return found


def _grouped(seen: Places, layer: Layer, spans: Iterable[Span]) -> tuple[Places, ...]:
    """The cells under each cone, then those that only copies in the padding led to, in runs."""
    groups, left = [], set(seen)
    for first, last in spans:
        group = frozenset(cell for cell in left if first <= layer.places[cell] <= last)
        left -= group
        groups.append(group)
    groups += _runs(left, 1)
    return tuple(group for group in groups if group)
