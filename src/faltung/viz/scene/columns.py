"""A scene in columns: the same information in a twentieth of the bytes, for what draws it in a browser.

Owns that form, which ``columns.schema.json`` describes. Where the scene's JSON has an object for each cell, tap
and product, this has lists of numbers, and lists that are the same in many steps stand once. Standard library only.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from faltung.viz.numbers import Number, jsonable, sum_of
from faltung.viz.scene.model import Grid, Kernel, Scene, Stage, Step, flat_index
from faltung.viz.windows import Index

__all__ = ["COLUMNS_VERSION", "columns_of"]

COLUMNS_VERSION = 1
"""Of this form; grows when a field changes its meaning."""


def columns_of(scene: Scene) -> dict[str, Any]:
    """The scene in columns; see `Scene.to_columns`."""
    return {"version": COLUMNS_VERSION, "title": scene.title, "stages": [_stage(stage) for stage in scene.stages]}


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
        **_steps(stage),
    }


def _grid(grid: Grid) -> dict[str, Any]:
    return {
        "channels": grid.channels,
        "groups": list(grid.groups),
        "size": list(grid.size),
        "first": list(grid.first),
        "last": list(grid.last),
        "origins": [cell.origin for cell in grid.cells],
        "sources": [-1 if cell.source is None else flat_index(cell.source, grid.size) for cell in grid.cells],
        "used": [int(cell.is_used) for cell in grid.cells],
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


Pattern = tuple[tuple[int, int, int, Index], ...]


def _steps(stage: Stage) -> dict[str, Any]:
    """Where the window lies, the products and what is written, step by step; and the patterns in which products are listed."""
    focused = stage.input if stage.reading == "scatter" else stage.output
    under, shape = stage.under_window, stage.kernel.shape
    numbers = {cell.position: number for number, cell in enumerate(under.cells)}
    patterns: dict[Pattern, int] = {}
    pattern_of_step = []
    for step in stage.steps:
        pattern = tuple((term.output_channel, term.input_channel, term.tap, term.weight_index) for term in step.terms)
        pattern_of_step.append(patterns.setdefault(pattern, len(patterns)))
    return {
        "patterns": [
            {
                "oc": [oc for oc, _, _, _ in pattern],
                "ic": [ic for _, ic, _, _ in pattern],
                "tap": [tap for _, _, tap, _ in pattern],
                "weight": [flat_index(weight, shape) for _, _, _, weight in pattern],
            }
            for pattern in patterns
        ],
        "steps": {
            "focus": [flat_index(step.focus, focused.size) for step in stage.steps],
            "windows": [[numbers[tap.position] for tap in step.window] for step in stage.steps],
            "pattern": pattern_of_step,
            "products": [[jsonable(term.product) for term in step.terms] for step in stage.steps],
            "sums": _sums(stage),
            "writes": [
                [
                    [write.channel, flat_index(write.cell, stage.output.size), jsonable(write.before), jsonable(write.value)]
                    for write in step.writes
                ]
                for step in stage.steps
            ],
        },
    }


def _sums(stage: Stage) -> list[list[Any]]:
    """The sum after each product: of a gather of the products of its output channel, of a scatter what its output cell holds by then."""
    if stage.reading == "gather":
        return [[jsonable(value) for value in _gathered_sums(step)] for step in stage.steps]
    bias = stage.kernel.bias
    received: dict[tuple[int, Index | None], list[Number]] = {}
    found = []
    for step in stage.steps:
        sums = []
        for term in step.terms:
            key = term.output_channel, step.window[term.tap].source
            parts = received.setdefault(key, [] if bias is None else [bias[term.output_channel]])
            parts.append(term.product)
            sums.append(jsonable(sum_of(parts)))
        found.append(sums)
    return found


def _gathered_sums(step: Step) -> Iterator[Number]:
    for _, terms in itertools.groupby(step.terms, key=lambda term: term.output_channel):
        yield from running_sums([term.product for term in terms])


def running_sums(values: Sequence[Number]) -> list[Number]:
    """The sum after each value: of integers exact, of floats correctly rounded each time.

    >>> running_sums([1, 2, 3]), running_sums([0.1] * 3)
    ([1, 3, 6], [0.1, 0.2, 0.30000000000000004])
    """
    if all(isinstance(value, int) for value in values):
        return list(itertools.accumulate(values))
    return [sum_of(values[:count]) for count in range(1, len(values) + 1)]
