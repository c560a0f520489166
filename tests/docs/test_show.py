"""What chapters put into pages."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

PATH = Path(__file__).parents[2] / "docs/_ext/handbook.py"


@pytest.fixture(scope="module")
def handbook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("handbook", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_explorer_is_a_file_beside_the_pages(handbook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALTUNG_EXPLORERS", str(tmp_path))
    x, weight = np.arange(25).reshape(1, 5, 5), np.arange(9).reshape(1, 1, 3, 3)
    shown = handbook.show("conv2d(1, 1, 3, bias=False)", x, weight, vary={"stride": [1, 2]}, caption="Look.")._repr_html_()
    (file,) = tmp_path.iterdir()
    assert f'src="{handbook.ROOT}_explorers/{file.name}"' in shown
    assert "<figcaption>Look.</figcaption>" in shown
    text = file.read_text(encoding="utf-8")
    for output in (x[0, :3, :3], x[0, 2:, 2:]):  # the first of both strides, the last of both
        assert str(int((output * weight[0, 0]).sum())) in text
    assert "<svg" in shown  # for paper


def test_without_a_folder_it_stands_in_the_page(handbook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FALTUNG_EXPLORERS", raising=False)
    shown = handbook.show("conv1d(1, 1, 3)", input_size=6)._repr_html_()
    assert "srcdoc=" in shown
    assert handbook.ROOT not in shown


def test_several_stages_are_watched(handbook: ModuleType) -> None:
    shown = handbook.show(["conv1d(1, 1, 3)", "conv1d(1, 1, 2)"], input_size=6)
    assert "faltung-player" in shown._repr_html_()
    with pytest.raises(TypeError, match="vary goes with one convolution, there are 2"):
        handbook.show(["conv1d(1, 1, 3)", "conv1d(1, 1, 2)"], input_size=6, vary={"stride": [1, 2]})


def test_pictures_stand_side_by_side(handbook: ModuleType) -> None:
    import faltung as fl

    shown = handbook.side_by_side({"a < b": fl.animate("conv1d(1, 1, 3)", input_size=5)})._repr_html_()
    assert re.search(r'<div class="together"><figure><svg.*a &lt; b', shown, re.DOTALL)


def test_commands_that_fail_are_errors(handbook: ModuleType) -> None:
    assert "$ faltung --version" in handbook.run("faltung --version")._repr_html_()
    with pytest.raises(RuntimeError, match="groups"):
        handbook.run('faltung explain "conv2d(10, 16, 3, groups=4)"')
