"""The reference has every public name, and no other."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

REFERENCE = Path(__file__).parents[2] / "docs/reference"
WINGS = (
    "faltung", "faltung.dask", "faltung.dask.ndimage", "faltung.functional", "faltung.identities", "faltung.kernels", "faltung.model",
    "faltung.ndimage", "faltung.photo", "faltung.reference", "faltung.signal", "faltung.torch", "faltung.viz",
    "faltung.viz.plots", "faltung.widget",
)  # fmt: skip
ENTRIES = [
    (page.name, *entry)
    for page in sorted(REFERENCE.glob("*.md"))
    for entry in re.findall(r"^\.\. auto(function|class|module):: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
]


def named(path: str) -> Any:
    """What a dotted name stands for."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("wing", WINGS)
def test_every_public_name_is_there(wing: str) -> None:
    documented = {id(named(path)) for _, _, path in ENTRIES}
    module = importlib.import_module(wing)
    missing = [name for name in module.__all__ if id(getattr(module, name)) not in documented]
    assert missing == []


@pytest.mark.parametrize(("page", "kind", "path"), ENTRIES)
def test_entries_are_public_and_have_a_docstring(page: str, kind: str, path: str) -> None:
    thing = named(path)
    assert isinstance(thing, type) == (kind == "class")
    assert thing.__doc__
    if kind != "module":
        module, _, name = path.rpartition(".")
        assert name in importlib.import_module(module).__all__


def test_no_name_has_two_entries() -> None:
    paths = [path for _, _, path in ENTRIES]
    assert sorted(set(paths)) == sorted(paths)
    assert len(paths) > 130


def test_examples_behind_a_section_get_a_heading() -> None:
    spec = importlib.util.spec_from_file_location("docstrings", REFERENCE.parent / "_ext/docstrings.py")
    assert spec is not None
    assert spec.loader is not None
    docstrings = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(docstrings)
    raises = ["What it does.", "", "Raises", "------", "ConvError", "    Always.", ""]
    example = [">>> f()", "1", ">>> g()", "2"]
    assert docstrings.headed([*raises, *example]) == [*raises, "Examples", "--------", *example]
    for lines in (["What it does.", "", *example], [*raises, "Examples", "--------", *example]):
        assert docstrings.headed(lines) == lines
