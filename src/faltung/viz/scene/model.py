"""What a scene is made of: plain values, as they stand in its JSON.

Owns the parts; `build` makes them, `objects` and `columns` write them as JSON. What there is much of, places and
steps, is kept as columns of numbers, and made into objects when they are asked for. Standard library only. Every
index is spatial unless it says otherwise; flat lists are in C order.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from faltung.viz.numbers import Number
from faltung.viz.scene.walk import Walk
from faltung.viz.windows import Index

__all__ = ["VERSION", "Cell", "Grid", "Kernel", "Scene", "Stage", "Step", "Tap", "Term", "Write"]

VERSION = 1
"""Of the JSON form; grows when a field changes its meaning."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of a grid, its border included.

    Attributes
    ----------
    position : tuple of int
        Negative or past the end beyond the border; of the zero-inserted input of a gather counted on that.
    source : tuple of int or None
        The cell whose value stands here; None: a zero, or nothing.
    origin : str
        ``"input"`` or ``"output"`` where the grid holds the cell itself; ``"zero"``, ``"wrapped"``, ``"mirrored"`` or ``"repeated"``
        in the padding; ``"inserted"`` between the inputs of a transposed convolution; ``"cropped"`` where an output is stamped that is
        cut off.
    is_used : bool
        Whether any window lies on it.
    """

    position: Index
    source: Index | None
    origin: str
    is_used: bool


@dataclass(frozen=True)
class Grid:
    """The input or the output of a stage.

    Attributes
    ----------
    name : str
        ``"input"`` or ``"output"``.
    channels : int
    groups : tuple of int
        The group of each channel.
    size : tuple of int
    first, last : tuple of int
        The corners of what is shown, border included. Nothing is shown where ``last`` lies before ``first``.
    origins, sources, used : tuple
        Of every place from `first` to `last`, in C order: its origin; its source as a flat index, -1 for none; whether any window lies on
        it.
    values : tuple of tuple of (int, float, complex or None)
        A list a channel, of `size` cells. Of an output: before the first step, None where it has no value yet.
    """

    name: str
    channels: int
    groups: Index
    size: Index
    first: Index
    last: Index
    origins: tuple[str, ...]
    sources: Index
    used: tuple[bool, ...]
    values: tuple[tuple[Number | None, ...], ...]

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every place from `first` to `last`."""
        positions = itertools.product(*(range(first, last + 1) for first, last in zip(self.first, self.last, strict=True)))
        rows = zip(positions, self.sources, self.origins, self.used, strict=True)
        return tuple(Cell(position, None if at < 0 else index_at(at, self.size), origin, used) for position, at, origin, used in rows)

    @property
    def shown_size(self) -> Index:
        """Places along each axis, border included."""
        return tuple(last - first + 1 for first, last in zip(self.first, self.last, strict=True))

    def value(self, channel: int, cell: Index) -> Number | None:
        """The value of one of the grid's own cells."""
        return self.values[channel][flat_index(cell, self.size)]


@dataclass(frozen=True, slots=True)
class Kernel:
    """The weights of a stage.

    Attributes
    ----------
    shape : tuple of int
        Of the weight array: two for channels, then the taps.
    groups : tuple of int
        The group of each entry of the first axis.
    dilation : tuple of int
        Cells from one tap to the next.
    values : tuple of tuple of tuple of (int, float or complex)
        By the first axis, by the second, then the taps.
    bias : tuple of (int, float or complex) or None
        One an output channel.
    """

    shape: Index
    groups: Index
    dilation: Index
    values: tuple[tuple[tuple[Number, ...], ...], ...]
    bias: tuple[Number, ...] | None


@dataclass(frozen=True, slots=True)
class Tap:
    """Where one tap of the window lies in a step.

    Attributes
    ----------
    index : tuple of int
        In the kernel.
    position : tuple of int
        On the grid under the window: the input; of a scatter the output.
    source : tuple of int or None
        The cell of that grid whose value stands there; None where a zero is read, or an output is cut off.
    origin : str
        As of a `Cell`.
    """

    index: Index
    position: Index
    source: Index | None
    origin: str


@dataclass(frozen=True, slots=True)
class Term:
    """One product.

    Attributes
    ----------
    output_channel, input_channel : int
    tap : int
        Which of the step's taps.
    weight_index : tuple of int
        Of the weight array, channels included.
    input, weight, product : int, float or complex
    """

    output_channel: int
    input_channel: int
    tap: int
    weight_index: Index
    input: Number
    weight: Number
    product: Number


@dataclass(frozen=True, slots=True)
class Write:
    """What a step writes to one cell of the output.

    Attributes
    ----------
    channel : int
    cell : tuple of int
    before : int, float, complex or None
        Its value before the step; None: none yet.
    value : int, float or complex
        Its value after the step: of a gather the output itself, of a scatter the sum so far.
    """

    channel: int
    cell: Index
    before: Number | None
    value: Number


@dataclass(frozen=True, slots=True)
class Step:
    """One place of the window.

    Attributes
    ----------
    focus : tuple of int
        Of a gather the output that is computed, of a scatter the input that is stamped; on all channels.
    window : tuple of Tap
    terms : tuple of Term
        By output channel, input channel, tap. Of a scatter without those that are cut off.
    writes : tuple of Write
    """

    focus: Index
    window: tuple[Tap, ...]
    terms: tuple[Term, ...]
    writes: tuple[Write, ...]


@dataclass(frozen=True)
class Stage:
    """One convolution of a scene.

    Attributes
    ----------
    name : str
        Its kind, in the field's terms.
    spec : str
        As `ConvSpec.parse` reads it.
    kinds : tuple of str
    reading : str
        ``"gather"``: the window lies on the input and gives one output a step; ``"scatter"``: it lies on the output, onto which one
        input is stamped a step.
    padding_mode : str
    is_transposed : bool
    arithmetic : tuple of str
        The output size along each axis as a sum with its numbers.
    input, output : Grid
    kernel : Kernel
    walk : Walk
        The steps as columns of numbers.
    """

    name: str
    spec: str
    kinds: tuple[str, ...]
    reading: str
    padding_mode: str
    is_transposed: bool
    arithmetic: tuple[str, ...]
    input: Grid
    output: Grid
    kernel: Kernel
    walk: Walk

    @property
    def under_window(self) -> Grid:
        """The grid on which the window lies."""
        return self.output if self.reading == "scatter" else self.input

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """One for each place of the window."""
        return tuple(steps_of(self))


@dataclass(frozen=True, slots=True)
class Scene:
    """A convolution, or several one after the other, as every picture shows it.

    Attributes
    ----------
    title : str
    stages : tuple of Stage
        The output of each is the input of the next.
    """

    title: str
    stages: tuple[Stage, ...]

    def to_dict(self) -> dict[str, Any]:
        """The scene as plain data for JSON, valid against `schema`."""
        from faltung.viz.scene.objects import dict_of

        return dict_of(self)

    def to_json(self) -> str:
        """The scene as JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def to_columns(self) -> dict[str, Any]:
        """The scene in columns: the same information in a fraction of the bytes, valid against `columns_schema`."""
        from faltung.viz.scene.columns import columns_of

        return columns_of(self)

    def _repr_html_(self) -> str:
        from faltung.viz.pictures.animate import animate_scene

        return animate_scene(self)._repr_html_()


def steps_of(stage: Stage) -> Iterator[Step]:
    """The steps as objects."""
    walk, shape, size, is_scatter = stage.walk, stage.kernel.shape, stage.output.size, stage.reading == "scatter"
    under, focused = stage.under_window, stage.input if is_scatter else stage.output
    cells = under.cells
    values: tuple[tuple[Any, ...], ...] = stage.input.values  # of an input all of them are there
    zero = type(values[0][0])(0)
    weights = [index_at(at, shape) for at in range(math.prod(shape))]
    taps: dict[tuple[int, int], Tap] = {}
    for focus, (window, listed, number, products, writes) in enumerate(
        zip(walk.windows, walk.taps, walk.pattern, walk.products, walk.writes, strict=True)
    ):
        pattern = walk.patterns[number]
        for place, tap in zip(window, listed, strict=True):
            if (place, tap) not in taps:
                taps[place, tap] = Tap(weights[tap][2:], cells[place].position, cells[place].source, cells[place].origin)
        terms = []
        for oc, ic, at, weight, product in zip(pattern.oc, pattern.ic, pattern.tap, pattern.weight, products, strict=True):
            source = focus if is_scatter else under.sources[window[at]]
            index = weights[weight]
            value = zero if source < 0 else values[ic][source]
            terms.append(Term(oc, ic, at, index, value, stage.kernel.values[index[0]][index[1]][listed[at]], product))
        yield Step(
            index_at(focus, focused.size),
            tuple(taps[pair] for pair in zip(window, listed, strict=True)),
            tuple(terms),
            tuple(Write(channel, index_at(cell, size), before, value) for channel, cell, before, value in writes),
        )


def index_at(place: int, size: Index) -> Index:
    """The index of an element that stands at `place` in a flat list of `size` in C order.

    >>> index_at(6, (3, 4))
    (1, 2)
    """
    entries = []
    for extent in reversed(size):
        place, entry = divmod(place, extent)
        entries.append(entry)
    return tuple(reversed(entries))


def flat_index(index: Index, size: Index) -> int:
    """Where an element stands in a flat list of `size` in C order.

    >>> flat_index((1, 2), (3, 4))
    6
    """
    place = 0
    for entry, extent in zip(index, size, strict=True):
        place = place * extent + entry
    return place
