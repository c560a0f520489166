"""What a scene is made of: plain values, as they stand in its JSON.

Owns the parts and their JSON form, which ``scene.schema.json`` describes; `build` makes them. Standard library
only. Every index is spatial unless it says otherwise; flat lists are in C order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from faltung.viz.numbers import Number, jsonable
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


@dataclass(frozen=True, slots=True)
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
    cells : tuple of Cell
        Every place from `first` to `last`.
    values : tuple of tuple of (int, float, complex or None)
        A list a channel, of `size` cells. Of an output: before the first step, None where it has no value yet.
    """

    name: str
    channels: int
    groups: Index
    size: Index
    first: Index
    last: Index
    cells: tuple[Cell, ...]
    values: tuple[tuple[Number | None, ...], ...]

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


@dataclass(frozen=True, slots=True)
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
    steps : tuple of Step
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
    steps: tuple[Step, ...]

    @property
    def under_window(self) -> Grid:
        """The grid on which the window lies."""
        return self.output if self.reading == "scatter" else self.input


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
        return {"version": VERSION, "title": self.title, "stages": [_stage(stage) for stage in self.stages]}

    def to_json(self) -> str:
        """The scene as JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def to_columns(self) -> dict[str, Any]:
        """The scene in columns: the same information in a twentieth of the bytes, valid against `columns_schema`."""
        from faltung.viz.scene.columns import columns_of

        return columns_of(self)

    def _repr_html_(self) -> str:
        from faltung.viz.pictures.animate import animate_scene

        return animate_scene(self)._repr_html_()


def flat_index(index: Index, size: Index) -> int:
    """Where an element stands in a flat list of `size` in C order.

    >>> flat_index((1, 2), (3, 4))
    6
    """
    place = 0
    for entry, extent in zip(index, size, strict=True):
        place = place * extent + entry
    return place


# -- JSON ----------------------------------------------------------------------------------------

# Written out field by field: `dataclasses.asdict` copies every tuple deeply and takes ten times as long.


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "name": stage.name,
        "spec": stage.spec,
        "kinds": list(stage.kinds),
        "reading": stage.reading,
        "padding_mode": stage.padding_mode,
        "is_transposed": stage.is_transposed,
        "arithmetic": list(stage.arithmetic),
        "input": _grid(stage.input),
        "output": _grid(stage.output),
        "kernel": _kernel(stage.kernel),
        "steps": [_step(step) for step in stage.steps],
    }


def _grid(grid: Grid) -> dict[str, Any]:
    return {
        "name": grid.name,
        "channels": grid.channels,
        "groups": list(grid.groups),
        "size": list(grid.size),
        "first": list(grid.first),
        "last": list(grid.last),
        "cells": [
            {"position": list(cell.position), "source": _listed(cell.source), "origin": cell.origin, "is_used": cell.is_used}
            for cell in grid.cells
        ],
        "values": [[jsonable(value) for value in channel] for channel in grid.values],
    }


def _kernel(kernel: Kernel) -> dict[str, Any]:
    return {
        "shape": list(kernel.shape),
        "groups": list(kernel.groups),
        "dilation": list(kernel.dilation),
        "values": [[[jsonable(value) for value in taps] for taps in second] for second in kernel.values],
        "bias": None if kernel.bias is None else [jsonable(value) for value in kernel.bias],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "focus": list(step.focus),
        "window": [
            {"index": list(tap.index), "position": list(tap.position), "source": _listed(tap.source), "origin": tap.origin}
            for tap in step.window
        ],
        "terms": [
            {
                "output_channel": term.output_channel,
                "input_channel": term.input_channel,
                "tap": term.tap,
                "weight_index": list(term.weight_index),
                "input": jsonable(term.input),
                "weight": jsonable(term.weight),
                "product": jsonable(term.product),
            }
            for term in step.terms
        ],
        "writes": [
            {"channel": write.channel, "cell": list(write.cell), "before": jsonable(write.before), "value": jsonable(write.value)}
            for write in step.writes
        ],
    }


def _listed(index: Index | None) -> list[int] | None:
    return None if index is None else list(index)
