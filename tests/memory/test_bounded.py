"""What is remembered between calls is bounded."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import faltung
from faltung import _native

SOURCES = Path(faltung.__file__).parent

FEW = {
    "_transforms": "dtypes",
    "_spread": "forms of tiles",
    "spread": "tiles of Winograd",
    "_file": "files of the player",
}
"""Functions whose arguments have a few values, all of them written in the code: which."""


def unbounded() -> Iterator[str]:
    """Functions with arguments that remember every one they were ever called with."""
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef) or not (node.args.args or node.args.kwonlyargs or node.args.vararg):
                continue
            for decorator in map(ast.unparse, node.decorator_list):
                if decorator.endswith(("functools.cache", "lru_cache(maxsize=None)", "lru_cache(None)")) or decorator == "cache":
                    yield f"{path.relative_to(SOURCES)}: {node.name}"


def test_every_cache_is_bounded() -> None:
    assert [name for name in unbounded() if name.split(": ")[1] not in FEW] == []


def test_memory_that_is_given_back_is_bounded() -> None:
    for size in range(2**16, 2**22, 2**16 + 4096):
        _native.new_result([size], np.dtype(np.float64))
    assert 0 < _native.idle_bytes() <= 256 << 20


def test_memory_that_nobody_takes_goes_back() -> None:
    """Of a size that comes no more, when enough others have come and gone."""
    large = 16 << 20
    _native.new_result([large], np.dtype(np.uint8))
    before = _native.idle_bytes()
    assert before >= large
    for _ in range(1100):
        _native.new_result([1 << 16], np.dtype(np.uint8))
    assert _native.idle_bytes() <= before - large
