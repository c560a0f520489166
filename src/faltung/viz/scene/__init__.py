"""A convolution as plain data: the one description that every picture is drawn from.

Standard library only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from faltung.viz.scene.build import MAX_CELLS, MAX_TERMS, scene
from faltung.viz.scene.model import Cell, Grid, Kernel, Scene, Stage, Step, Tap, Term, Write

__all__ = [
    "MAX_CELLS", "MAX_TERMS", "Cell", "Grid", "Kernel", "Scene", "Stage", "Step", "Tap", "Term", "Write",
    "columns_schema", "scene", "schema",
]  # fmt: skip


def schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of ``Scene.to_dict()``, with a description of every field.

    >>> schema()["title"]
    'Scene of a convolution'
    """
    return _read("scene.schema.json")


def columns_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of ``Scene.to_columns()``, with a description of every field.

    >>> columns_schema()["title"]
    'Scene of a convolution, in columns'
    """
    return _read("columns.schema.json")


def _read(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))
    return loaded
