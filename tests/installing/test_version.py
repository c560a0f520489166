"""The version is the same wherever it stands, and the changelog begins with it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import faltung

ROOT = Path(__file__).parents[2]


def test_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    logged = re.search(r"^## \[(.*?)\] - ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert cited is not None
    assert logged is not None
    assert {project["version"], cited[1], logged[1]} == {faltung.__version__}
