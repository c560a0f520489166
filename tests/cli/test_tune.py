"""`faltung tune`: before and after, what is remembered, and how it is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faltung.engine import tuning

LAYER = "conv2d(4, 4, 3, padding=1, groups=4)"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setenv("FALTUNG_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("FALTUNG_TUNING", "on")
    tuning.forget()
    yield tmp_path
    monkeypatch.undo()
    tuning.forget()


def test_measured_shown_and_cleared(faltung, as_json, folder: Path) -> None:
    result = faltung("tune", LAYER, "--input", "12x12", "--seconds", "0")
    assert result.exit_code == 0, result.stderr
    assert "depthwise" in result.stdout
    assert [path.suffix for path in folder.iterdir()] == [".json"]
    shown = as_json("tune", "--show")
    assert len(shown["measured"]) == 2  # prepared and not
    assert shown["machine"]["isa"] == tuning.machine().isa
    assert "float32 default prepared" in " ".join(faltung("tune", "--show", columns=120).stdout.split())
    assert "removed" in faltung("tune", "--clear").stdout
    assert as_json("tune", "--show")["measured"] == {}
    assert as_json("tune", "--clear")["removed"] is False


def test_layers_of_a_file(as_json, tmp_path: Path) -> None:
    listed = tmp_path / "layers.txt"
    listed.write_text(f"# two\n{LAYER} @ 12x12\n\nconv1d(2, 3, 5) @ 1x2x40\n")
    facts = as_json("tune", "--layers", listed, "--seconds", "0")
    assert [row["input_shape"] for row in facts["layers"]] == [[1, 4, 12, 12], [1, 2, 40]]
    assert all(row["after"] in row["seconds"] for row in facts["layers"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([LAYER], "--input"),
        (["--input", "3x3"], "SPEC"),
        (["--show", "--clear"], "exclude"),
        ([LAYER, "--layers", "x"], "exclude"),
        (["--layers", "no such file"], "cannot be read"),
        (["--suite", "nothing"], "suite"),
    ],
)
def test_refusals(faltung, arguments: list[str], said: str) -> None:
    result = faltung("tune", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_line_without_size(faltung, tmp_path: Path) -> None:
    (tmp_path / "layers").write_text(LAYER)
    result = faltung("tune", "--layers", tmp_path / "layers")
    assert (result.exit_code, "names no size" in " ".join(result.stderr.split())) == (2, True)


def test_switched_off(faltung, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALTUNG_TUNING", "off")
    tuning.forget()
    assert faltung("tune", LAYER, "--input", "12x12").exit_code == 2
