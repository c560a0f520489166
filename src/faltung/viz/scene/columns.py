"""A scene in columns: the same information in a fraction of the bytes, for what draws it in a browser.

Owns that form, which ``columns.schema.json`` describes. Where the scene's JSON has an object for each cell, tap and
product, this has lists of numbers, and what many steps share stands once. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from faltung.viz.numbers import Number, jsonable
from faltung.viz.scene.model import Grid, Scene, Stage
from faltung.viz.scene.objects import kernel_dict, stage_facts

__all__ = ["COLUMNS_VERSION", "columns_of", "stage_columns"]

COLUMNS_VERSION = 1
"""Of this form; grows when a field changes its meaning."""


def columns_of(scene: Scene) -> dict[str, Any]:
    """See `Scene.to_columns`."""
    return {"version": COLUMNS_VERSION, "title": scene.title, "stages": [stage_columns(stage) for stage in scene.stages]}


def stage_columns(stage: Stage) -> dict[str, Any]:
    """One stage of it."""
    walk = stage.walk
    return stage_facts(stage) | {
        "input": _grid(stage.input),
        "output": _grid(stage.output),
        "kernel": kernel_dict(stage.kernel),
        "patterns": [{"oc": list(one.oc), "ic": list(one.ic), "tap": list(one.tap), "weight": list(one.weight)} for one in walk.patterns],
        "steps": {
            "focus": list(range(len(walk.windows))),
            "windows": [list(window) for window in walk.windows],
            "pattern": list(walk.pattern),
            "products": [_numbers(products) for products in walk.products],
            "sums": [_numbers(sums) for sums in walk.sums],
            "writes": [[[channel, cell, *_numbers((before, value))] for channel, cell, before, value in writes] for writes in walk.writes],
        },
    }


def _grid(grid: Grid) -> dict[str, Any]:
    return {
        "channels": grid.channels,
        "groups": list(grid.groups),
        "size": list(grid.size),
        "first": list(grid.first),
        "last": list(grid.last),
        "origins": list(grid.origins),
        "sources": list(grid.sources),
        "used": [int(used) for used in grid.used],
        "values": [_numbers(channel) for channel in grid.values],
    }


def _numbers(values: Iterable[Number | None]) -> list[Any]:
    return [value if type(value) is int else jsonable(value) for value in values]
