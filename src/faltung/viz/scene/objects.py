"""A scene as JSON with an object for each cell, tap and product, as ``scene.schema.json`` describes it. Standard library only."""

from __future__ import annotations

from typing import Any

from faltung.viz.numbers import jsonable
from faltung.viz.scene.model import VERSION, Grid, Kernel, Scene, Stage, Step
from faltung.viz.windows import Index

__all__ = ["dict_of", "kernel_dict", "stage_facts"]


def dict_of(scene: Scene) -> dict[str, Any]:
    """See `Scene.to_dict`."""
    return {"version": VERSION, "title": scene.title, "stages": [_stage(stage) for stage in scene.stages]}


# Written out field by field: `dataclasses.asdict` copies every tuple deeply and takes ten times as long.


def _stage(stage: Stage) -> dict[str, Any]:
    return stage_facts(stage) | {
        "input": _grid(stage.input),
        "output": _grid(stage.output),
        "kernel": kernel_dict(stage.kernel),
        "steps": [_step(step) for step in stage.steps],
    }


def stage_facts(stage: Stage) -> dict[str, Any]:
    """What a stage is, in words and flags: the same in every form."""
    return {
        "name": stage.name,
        "spec": stage.spec,
        "kinds": list(stage.kinds),
        "reading": stage.reading,
        "padding_mode": stage.padding_mode,
        "is_transposed": stage.is_transposed,
        "arithmetic": list(stage.arithmetic),
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


def kernel_dict(kernel: Kernel) -> dict[str, Any]:
    """The weights."""
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
