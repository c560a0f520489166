"""What all plots do with the Axes that they take or make, and with the rest of matplotlib."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faltung.extras import MissingExtraError
from faltung.viz import plots

plt = pytest.importorskip("matplotlib.pyplot")

SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])

CASES: dict[str, Callable[[Any], Any]] = {
    "kernels": lambda ax: plots.plot_kernels(SOBEL[None, None] * np.ones((2, 3, 1, 1)), ax=ax),
    "plain_kernel": lambda ax: plots.plot_kernels(SOBEL, ax=ax),
    "stems": lambda ax: plots.plot_kernels(SOBEL[None], ax=ax),
    "rgb": lambda ax: plots.plot_kernels(np.ones((2, 3, 3, 3)), ax=ax, rgb=True),
    "feature_maps": lambda ax: plots.plot_feature_maps(np.ones((5, 4, 4)), ax=ax),
    "images": lambda ax: plots.plot_output_against_input("conv2d(1, 1, 3)", np.ones((1, 6, 6)), SOBEL[None, None], ax=ax),
    "curves": lambda ax: plots.plot_output_against_input("conv1d(1, 1, 3)", np.ones((1, 6)), SOBEL[None, :1], ax=ax),
    "receptive_field": lambda ax: plots.plot_receptive_field("conv2d(1, 1, 3, padding=1)", np.ones((6, 6)), (0, 0), ax=ax, paths=True),
    "frequency_response": lambda ax: plots.plot_frequency_response(SOBEL, ax=ax),
    "separable_approximations": lambda ax: plots.plot_separable_approximations(SOBEL, ax=ax),
    "matrix": lambda ax: plots.plot_matrix("conv2d(1, 1, 3)", SOBEL[None, None], 4, ax=ax),
    "circulant": lambda ax: plots.plot_circulant([1, 2, 1], 8, ax=ax),
}

every_plot = pytest.mark.parametrize("draw", CASES.values(), ids=CASES)


@pytest.fixture(autouse=True)
def no_windows() -> Iterator[None]:
    backend = plt.get_backend()
    plt.switch_backend("agg")
    yield
    plt.close("all")
    plt.switch_backend(backend)


def test_every_plot_has_a_case() -> None:
    used = {name for case in CASES.values() for name in case.__code__.co_names}
    assert set(plots.__all__) <= used


@every_plot
def test_given_axes_are_drawn_on_and_pyplot_knows_nothing_of_it(draw: Callable[[Any], Any], ax: Any) -> None:
    settings = dict(plt.rcParams)
    others = [axes for axes in ax.figure.axes if axes is not ax]
    assert draw(ax) is ax
    ax.figure.canvas.draw()
    assert ax.has_data() or any(child.has_data() for child in ax.child_axes)
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == settings
    assert [axes for axes in ax.figure.axes if axes is not ax] == others  # bars take no room from the neighbours


@every_plot
def test_without_axes_one_figure_is_made(draw: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: pytest.fail("shown"))
    first = draw(None)
    assert plt.get_fignums() == [first.figure.number]
    second = draw(None)
    assert second.figure is not first.figure


@every_plot
@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_nothing_lies_outside_the_figure_and_text_can_be_read(draw: Callable[[Any], Any], style: str) -> None:
    with plt.style.context(style):
        drawn = draw(None)
        figure = drawn.figure
        figure.canvas.draw()
        around = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        assert around.x0 > -0.02
        assert around.y0 > -0.02
        assert around.x1 < width + 0.02
        assert around.y1 < height + 0.02
        paper = "black" if style == "dark_background" else "white"
        for axes in (drawn, *drawn.child_axes):
            for text in (axes.title, axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()):
                assert text.get_color() not in (paper, {"black": "k", "white": "w"}[paper])


@every_plot
def test_subfigures_and_files(draw: Callable[[Any], Any], tmp_path: Path) -> None:
    figure_module = pytest.importorskip("matplotlib.figure")
    figure = figure_module.Figure(figsize=(10, 5), layout="constrained")
    left, _ = figure.subfigures(1, 2)
    assert draw(left.subplots()).figure is left
    figure.savefig(tmp_path / "drawn.svg")
    assert (tmp_path / "drawn.svg").stat().st_size > 1000


@every_plot
def test_without_matplotlib_the_extra_is_named(draw: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"plotting needs matplotlib.*\n.*pip install 'faltung\[plot\]'"):
        draw(None)
