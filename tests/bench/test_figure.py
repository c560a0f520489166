"""The figure shows every layer and every class, and says early what it cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest

from faltung.bench.figure import FORMATS, check_figure, draw_run, save_figure
from faltung.bench.workloads import CLASSES
from faltung.errors import ConvError
from tests.bench.runs import a_run, a_workload

pytest.importorskip("matplotlib")


def test_every_class_has_its_mark_and_its_bars() -> None:
    figure = draw_run(a_run())
    roofline, bars = figure.axes
    assert [text.get_text() for text in roofline.get_legend().get_texts()] == [CLASSES[key] for key in ("fir", "tiny", "3d")]
    names = [label.get_text() for label in bars.get_yticklabels()]
    assert names == ["long 1-D, FIR (1)", "tiny (1)", "3-D (1)", "all rows (3)"]
    ends = sorted(round(bar.get_x() + bar.get_width(), 3) for bar in bars.patches)
    assert ends == [0.4, 1.17, 2.0, 2.0, 4.0, 4.0, 4.0, 4.0]


def test_a_mark_stands_at_the_rate_of_the_direct_sum() -> None:
    (roofline, _) = draw_run(a_run(a_workload("a", "fir"))).axes
    ((intensity, rate),) = roofline.collections[0].get_offsets()
    assert (intensity, rate) == (20.0, pytest.approx(200.0))  # 2e8 operations in 1 ms


def test_the_line_from_a_mark_ends_at_the_best_peer() -> None:
    (roofline, _) = draw_run(a_run(a_workload("a", "fir", against_best=2.0))).axes
    assert list(roofline.lines[-1].get_ydata()) == pytest.approx([200.0, 100.0])


def test_the_roof_bends_where_arithmetic_becomes_the_scarcer() -> None:
    (roofline, _) = draw_run(a_run()).axes
    assert list(roofline.lines[0].get_xdata()) == pytest.approx([1.0, 10.0, 40.0])
    assert list(roofline.lines[0].get_ydata()) == pytest.approx([20.0, 200.0, 200.0])


def test_a_run_without_peers_is_drawn_too() -> None:
    row = a_workload("a", "fir", against_best=None, against_torch=None)
    roofline, bars = draw_run(a_run(row, peers={})).axes
    assert len(roofline.lines) == 2  # the roofs
    assert not bars.patches


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_name_decides_the_format(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"run{suffix}"
    save_figure(a_run(), path)
    first = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF-"}[suffix]
    assert path.read_bytes().startswith(first)


def test_what_cannot_be_written_is_said_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(ConvError, match="no format of the figure") as caught:
        check_figure(tmp_path / "run.xls")
    assert ".svg" in caught.value.remedy
    with pytest.raises(ConvError, match="there is no folder"):
        check_figure(tmp_path / "nowhere" / "run.png")
