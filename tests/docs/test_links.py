"""What the check of links finds, and what it lets pass."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def links() -> ModuleType:
    path = Path(__file__).parents[2] / "docs/_ext/link_problems.py"
    spec = importlib.util.spec_from_file_location("link_problems", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mistakes_are_found(links: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.html").write_text(
        '<p id="here"></p><a href="#here"></a><a href="#nowhere"></a><a href="sub/b.html#there"></a><a href="sub/b.html#elsewhere"></a>'
        '<a href="missing.html"></a><a href="https://example.org/"></a><img src="data:image/png;base64,AA">'
        '<script src="https://example.org/mathjax.js"></script><link rel="stylesheet" href="//example.org/style.css">'
        '<link rel="canonical" href="https://example.org/">',
        encoding="utf-8",
    )
    (tmp_path / "sub/b.html").write_text('<h1 id="there"></h1><a href="../a.html#here"></a><img src="picture%20one.png">', encoding="utf-8")
    assert sorted(links.problems(tmp_path)) == [
        "a.html: #nowhere: the page has no such anchor",
        "a.html: loads //example.org/style.css from elsewhere",
        "a.html: loads https://example.org/mathjax.js from elsewhere",
        "a.html: missing.html does not exist",
        "a.html: sub/b.html#elsewhere: the page has no such anchor",
        "sub/b.html: picture%20one.png does not exist",
    ]
    (tmp_path / "sub/picture one.png").touch()
    assert "sub/b.html: picture%20one.png does not exist" not in links.problems(tmp_path)
