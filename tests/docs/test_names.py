"""Every name of Faltung that the documentation writes is there."""

from __future__ import annotations

import importlib
import re

import pytest

from tests.docs.test_code_blocks import PAGES, ROOT

MODULES = {"faltung": "faltung", "fl": "faltung", "ft": "faltung.torch"}
_NAME = re.compile(r"`(?:from |import )?((?:faltung|fl|ft)(?:\.[A-Za-z_]\w*)+)(?=[`(\[.])")


def exists(name: str) -> bool:
    """Whether attributes and modules lead to it."""
    head, *rest = name.split(".")
    path = MODULES[head]
    found: object = importlib.import_module(path)
    for part in rest:
        path = f"{path}.{part}"
        if not hasattr(found, part):
            try:
                importlib.import_module(path)
            except ModuleNotFoundError:
                return False
        found = getattr(found, part)
    return True


def test_a_name_that_is_missing_is_found() -> None:
    assert exists("fl.conv2d")
    assert exists("faltung.viz.scene.schema")
    assert not exists("faltung.no_such_module")
    assert not exists("fl.conv9d")


def test_all_names_exist() -> None:
    pytest.importorskip("torch")
    written = {(name, path.relative_to(ROOT).as_posix()) for path in PAGES for name in _NAME.findall(path.read_text(encoding="utf-8"))}
    assert len(written) > 100
    assert sorted((name, page) for name, page in written if not exists(name)) == []
