"""`faltung tour`: the table, and what a failed check does. The tour itself has tests of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

import faltung.tour as wing
from faltung.tour.blocks import Check
from faltung.tour.section import Section, TourResult


def check(passed: bool) -> Check:
    return Check("Sums agree", passed, "24 outputs with the definition", 0.0 if passed else 3.0, "equal")


def section(number: int, *blocks: object) -> Section:
    return Section(number, f"Subject {number}", ("One.", "Two."), (), tuple(blocks))


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch):
    """Replaces the tour by one with the given sections, and tells what it was called with."""
    calls = []

    def install(*sections: Section) -> list:
        def take_tour(image, out, progress):
            calls.append((image, out))
            for done, entry in enumerate(sections):
                progress(done, len(sections), entry.title)
            return TourResult(sections, Path(out) / "index.html", 1.5)

        monkeypatch.setattr(wing, "take_tour", take_tour)
        return calls

    return install


def test_the_table_has_a_row_a_section(faltung, taken) -> None:
    calls = taken(section(1, check(True), check(True)), section(2, check(True)))
    result = faltung("tour", "photo.png", "--out", "somewhere")
    assert result.exit_code == 0, result.stderr
    assert calls == [(Path("photo.png"), Path("somewhere"))]
    assert "\n1  Subject 1  2 of 2" in result.stdout
    assert "2 sections in 1.5 s. The report: somewhere/index.html" in result.stdout
    assert result.stderr == ""


def test_a_failed_check_is_named_and_is_status_1(faltung, taken) -> None:
    taken(section(1, check(True)), section(2, check(True), check(False)))
    result = faltung("tour", columns=120)
    assert result.exit_code == 1
    assert "FAILED Subject 2: Sums agree (24 outputs with the definition: off by 3, equal)" in result.stdout
    assert "1 of 2" in result.stdout


def test_json(as_json, taken) -> None:
    taken(section(1, check(True)))
    facts = as_json("tour")
    assert facts["passed"] is True
    assert facts["failed"] == []
    assert facts["sections"][0]["subject"] == "Subject 1"
    assert facts["report"].endswith("index.html")


def test_the_default_is_the_photograph_at_hand(faltung, taken) -> None:
    calls = taken(section(1, check(True)))
    faltung("tour")
    assert calls == [(None, Path("tour-report"))]


def test_bad_input_is_one_block(refused, tmp_path: Path) -> None:
    assert "no such file" in refused("tour", tmp_path / "missing.png", "--out", tmp_path / "report")
    (tmp_path / "file").write_text("")
    assert "is a file, a folder is needed." in refused("tour", "--out", tmp_path / "file")
    assert not (tmp_path / "report").exists()
