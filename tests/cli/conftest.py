"""A runner for command lines, and pictures to run them on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from faltung.cli import app


@pytest.fixture
def faltung(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command line in this process, 80 columns wide, without colours."""
    for name in ("FORCE_COLOR", "TERMINAL_WIDTH", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object, columns: int = 80) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": str(columns), "NO_COLOR": "1"})

    return run


@pytest.fixture
def as_json(faltung) -> Callable[..., dict[str, Any]]:
    """The JSON that a command prints; stdout must hold nothing else."""

    def run(*arguments: object) -> dict[str, Any]:
        result = faltung(*arguments, "--json")
        assert result.exit_code == 0, result.stderr
        assert result.stderr == ""
        return json.loads(result.stdout)

    return run


@pytest.fixture
def refused(faltung) -> Callable[..., str]:
    """The message of a command that must refuse: exit status 2, one block on stderr, nothing on stdout."""

    def run(*arguments: object) -> str:
        result = faltung(*arguments, columns=200)
        assert result.exit_code == 2, (result.exit_code, result.output, result.exception)
        assert result.stdout == ""
        first, *rest = result.stderr.splitlines()
        assert first.startswith("error: ")
        assert rest
        assert all(line.startswith("  ") and line.strip() for line in rest)
        assert "Traceback" not in result.stderr
        assert "╭" not in result.stderr
        return result.stderr

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A colour picture 24 × 32 with a vertical edge in the middle: dark red left, bright right."""
    image = pytest.importorskip("PIL.Image")
    pixels = np.full((24, 32, 3), 200, np.uint8)
    pixels[:, :16] = (90, 20, 10)
    path = tmp_path / "photo.png"
    image.fromarray(pixels).save(path)
    return path
