"""What is said beside and below a stacked picture: channels, titles, kernels, the arithmetic.

Owns their places; the wording is `wording`'s. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from faltung.viz.pictures.drawing import Shape, Text
from faltung.viz.pictures.flat_grids import Look, kernel_shapes, tap_places
from faltung.viz.pictures.panel import Panel, extent
from faltung.viz.pictures.parts import (
    LEAST_FONT,
    fitting_size,
    grid_title,
    kernel_title,
    number_text,
    stage_roles,
    stage_title,
    text_width,
    weight_place,
)
from faltung.viz.pictures.stacked_floors import Floor
from faltung.viz.scene.model import Scene

__all__ = ["labels", "side_column"]

_TITLE, _SMALL, _LINE = 12.0, 11.0, 15.0
"""Output channels whose arithmetic is shown."""
_APART = 6.0
"""A label from what is beside it."""
_KERNELS = 4
"""Of a stage, shown beside it; of single weights twice as many."""
_KERNEL_WIDTH = 170.0
"""Of the widest kernel that is shown, and of several abreast."""
_BETWEEN = 7.0
"""Kernels."""


def labels(scene: Scene, floors: Sequence[Floor]) -> Iterator[Text]:
    """To the left of each plane its channel and its slice, where there are several."""
    is_deep = len(scene.stages[0].input.size) == 3
    for floor in floors:
        channels = sum(map(len, floor.columns))
        for is_short in (False, True):
            found, fits, edge = [], True, -math.inf
            for keys in floor.stacks():
                for key in keys:
                    front = floor.outline(key)[3]
                    words = [str(key[0]) if is_short else f"channel {key[0]}"] if channels > 1 else []
                    words += [f"slice {(key[1] - floor.base[0])}".replace("-", "−")] if is_deep else []
                    text = ", ".join(words)
                    fits = fits and text_width(text, _SMALL) <= front[0] - 2 * _APART - edge
                    found += [Text((front[0] - _APART, front[1] - 6), text, "muted", _SMALL, "end")] if text else []
                edge = floor.outline(keys[0])[1][0]  # of the column to the left of the next one
            if fits:
                break
        yield from found


def side_column(scene: Scene, floors: Sequence[Floor], left: float, top: float, *, numbers: bool) -> Iterator[Shape]:
    """To the right, from the top down: the title of each floor, and between two floors the stage with its kernels."""
    y = top
    for number in reversed(range(len(floors))):
        upper, lower = _reach(floors[number])
        title = _title(scene, number)
        y = max(y, min((upper + lower - _LINE * len(title)) / 2, upper + _LINE))
        for line, text in enumerate(title):
            yield Text((left, y + _LINE / 2), text, "muted" if line else "strong", _SMALL if line else _TITLE, "start")
            y += _LINE
        y += 8
        if number:
            stage = scene.stages[number - 1]
            kernels = _Kernels(scene, number - 1) if numbers else None
            words = stage_title(scene, number - 1).split(": ") if len(scene.stages) > 1 else []
            words += kernels.words() if kernels else kernel_title(stage).split(", ")
            height = _LINE * len(words) + (kernels.height if kernels else 0.0)
            y = max(y, (lower + _reach(floors[number - 1])[0] - height) / 2)
            for text in words:
                yield Text((left, y + _LINE / 2), text, "muted", _SMALL, "start")
                y += _LINE
            if kernels:
                yield from kernels.shapes(left, y)
                y += kernels.height
            y += 8


def _reach(floor: Floor) -> tuple[float, float]:
    """The top and the bottom of a floor."""
    corners = [floor.outline(key) for key in floor.planes]
    return min(four[0][1] for four in corners), max(four[2][1] for four in corners)


def _title(scene: Scene, number: int) -> list[str]:
    """What a floor is, in lines."""
    if number in (0, len(scene.stages)):
        return grid_title(scene.stages[0].input if number == 0 else scene.stages[-1].output).split(", ")
    grid = scene.stages[number].input
    return [f"between {number} and {number + 1}", *grid_title(grid).removeprefix(f"{grid.name} ").split(", ")]


class _Kernels:
    """The kernels that are shown of a stage: those of the first output of each group."""

    def __init__(self, scene: Scene, number: int) -> None:
        self._stage = stage = scene.stages[number]
        self._roles = stage_roles(scene)[number]
        groups = stage.output.groups
        firsts = [groups.index(group) for group in dict.fromkeys(groups)]
        pairs = [(ic, oc) for oc in firsts for ic, group in enumerate(stage.input.groups) if group == groups[oc]]
        self._count = sum(stage.input.groups.count(group) for group in groups)
        self._places = tap_places(stage, False)
        self._shown = tuple(max(along) + 1 for along in zip(*self._places.values(), strict=True))
        texts = {number_text(value) for first in stage.kernel.values for taps in first for value in taps}
        self._cell = max(22.0, max(text_width(text, LEAST_FONT) for text in texts) + 4)
        self._font = fitting_size(texts, self._cell - 4, 12.0)
        most = _KERNELS if len(self._places) > 1 else 2 * _KERNELS
        self._pairs = pairs[:most] if extent(self._shown, self._cell)[0] <= _KERNEL_WIDTH else []
        # One below the other like the channels that they belong to; abreast where groups or further stages need the height.
        fitting = max(1, int(_KERNEL_WIDTH // (extent(self._shown, self._cell)[0] + _BETWEEN)))
        self._abreast = fitting if len(scene.stages) > 1 or len(firsts) > 1 or len(self._places) == 1 else 1
        self._is_whole = len(self._pairs) == len(pairs)

    def words(self) -> list[str]:
        """The title, in lines."""
        words = kernel_title(self._stage).split(", ")
        if self._pairs and len(self._pairs) < self._count:
            is_first = self._is_whole and len(set(self._stage.input.groups)) == 1
            words.append("of output channel 0" if is_first else f"{len(self._pairs)} of {self._count} shown")
        return words

    @property
    def height(self) -> float:
        """Of all of them."""
        return (extent(self._shown, self._cell)[1] + _BETWEEN) * math.ceil(len(self._pairs) / self._abreast)

    def shapes(self, x: float, y: float) -> Iterator[Shape]:
        """The kernels, with their weights."""
        look = Look(self._cell, self._cell, self._font, self._font, 3, True)
        width, height = (length + _BETWEEN for length in extent(self._shown, self._cell))
        for number, (ic, oc) in enumerate(self._pairs):
            place = weight_place(self._stage, ic, oc)
            assert place is not None
            down, across = divmod(number, self._abreast)
            panel = Panel(x + across * width, y + down * height, self._cell, (0,) * len(self._shown), self._shown)
            yield from kernel_shapes(self._stage.kernel, place, self._places, panel, self._roles.kernel(ic), look)
