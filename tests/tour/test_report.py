"""The page: self-contained, readable by everyone, and honest about failures."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from faltung.photo import PhotoError
from faltung.tour import take_tour
from faltung.tour.blocks import Check
from faltung.tour.clock import Clock
from faltung.tour.markup import inline
from faltung.tour.report import render
from faltung.tour.section import Section
from tests.tour.conftest import NAME

VOID = {"meta", "link", "img", "br", "hr", "path", "rect"}


class Page(HTMLParser):
    """Collects tags and checks that they nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def source(result) -> str:
    return result.path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(source) -> Page:
    return Page(source)


def test_the_result(result, steps):
    assert result.passed
    assert [done for done, _, _ in steps] == list(range(12))
    assert steps[-1] == (11, 11, "The page")
    assert result.path.name == "index.html"
    assert [row.number for row in result.summary_rows] == list(range(1, 12))
    assert all(row.checks_passed == row.checks_total > 0 for row in result.summary_rows)
    assert result.seconds > 0


def test_it_is_one_file_that_asks_for_nothing_else(source, page, result):
    assert [path.name for path in result.path.parent.iterdir()] == ["index.html"]
    assert page.open == []
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "poster", "data", "action"):
            assert re.match(r"data:|#", attributes.get(name) or "#"), attributes
        assert not any(name.startswith("on") for name in attributes)
    assert not page.all("script") + page.all("iframe") + page.all("object")
    assert "url(" not in source
    assert "@import" not in source
    assert len(source) < 6e6


def test_the_name_of_the_file_is_escaped(source, page):
    assert "onerror=" not in re.sub(r"&lt;img src=x onerror=&quot;", "", source)
    assert NAME in page.text


def test_pictures_can_be_read_without_eyes(page):
    images = page.all("img")
    assert len(images) > 50
    assert all(len(image["alt"] or "") > 10 and image["width"] and image["height"] for image in images)
    assert sum((image["src"] or "").startswith("data:image/svg+xml;base64,") for image in images) == 26


def test_it_has_one_top_heading_and_links_that_lead_somewhere(page):
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    assert len(page.all("h2")) == 11
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {link["href"].lstrip("#") for link in page.all("a")} <= set(ids)
    assert all("scope" in header for header in page.all("th"))


def test_every_check_and_every_spec_is_on_it(result, page):
    words = re.sub(r"\s+", " ", page.text.replace("\u00a0", " "))
    for section in result.sections:
        for check in section.checks:
            assert re.sub(r"[*`]", "", check.name) in words
        for spec in section.specs:
            assert spec in words


def test_a_failed_check_is_told_at_the_top_in_the_table_and_in_its_section(result, synthetic):
    good, *others = result.sections
    wrong = Check("water flows uphill", False, "2 <rivers>", float("nan"), "equal")
    page = Page(render((dataclasses.replace(good, blocks=(*good.blocks, wrong)), *others), synthetic, 1.0, threads=1))
    total = sum(len(section.checks) for section in result.sections)
    assert f"{total} of {total + 1}" in page.text
    assert f"✗ {len(good.checks)}/{len(good.checks) + 1}" in page.text
    assert "✗ fails" in page.text
    assert "2 <rivers>" in page.text
    assert not dataclasses.replace(result, sections=(Section(1, "T", ("A.", "B."), (), (wrong,)),)).passed


def test_the_note_on_the_times_is_shown(result, synthetic):
    assert "busy <b>" in Page(render(result.sections, synthetic, 1.0, threads=2, note="busy <b>")).text
    assert "2 threads" in Page(render(result.sections, synthetic, 1.0, threads=2)).text


def test_markup_is_small():
    assert inline("`a` *b* <i>") == "<code>a</code> <em>b</em> &lt;i&gt;"
    assert inline("`*`") == "<code>*</code>"
    assert inline("3 × 3 kernels") == "3\u00a0×\u00a03 kernels"


class TestPlacesThatDoNotWork:
    def test_no_photograph(self, tmp_path):
        with pytest.raises(PhotoError, match="no such file"):
            take_tour(tmp_path / "none.png", tmp_path / "report")
        assert not (tmp_path / "report").exists()

    def test_a_file_where_the_folder_should_be(self, tmp_path, synthetic):
        np.save(tmp_path / "a.npy", synthetic.rgb)
        (tmp_path / "report").touch()
        with pytest.raises(PhotoError, match="cannot make the folder"):
            take_tour(tmp_path / "a.npy", tmp_path / "report")

    def test_a_folder_where_the_page_should_be(self, tmp_path, synthetic, monkeypatch):
        np.save(tmp_path / "a.npy", synthetic.rgb)
        (tmp_path / "report" / "index.html").mkdir(parents=True)
        monkeypatch.setattr("faltung.tour.SECTIONS", ())
        with pytest.raises(PhotoError, match="cannot write"):
            take_tour(tmp_path / "a.npy", tmp_path / "report", clock=Clock())


class TestColours:
    """WCAG AA: text has a contrast of 4.5 to 1 with what it stands on, in light and in dark."""

    STYLE = resources.files("faltung.tour").joinpath("report.css").read_text(encoding="utf-8")
    LIGHT, DARK = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{[^}]*--paper[^}]*\}", STYLE))

    @staticmethod
    def channels(colour: str) -> np.ndarray:
        return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255

    @staticmethod
    def contrast(one: np.ndarray, other: np.ndarray) -> float:
        def luminance(channels: np.ndarray) -> float:
            linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
            return float(linear @ [0.2126, 0.7152, 0.0722])

        low, high = sorted((luminance(one), luminance(other)))
        return (high + 0.05) / (low + 0.05)

    @pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
    @pytest.mark.parametrize(
        ("text", "ground"),
        [
            *[(text, ground) for text in ("ink", "muted") for ground in ("paper", "card", "soft")],
            *[(text, ground) for text in ("accent", "ok", "bad") for ground in ("paper", "card")],
            *[(text, "amber-soft") for text in ("ink", "muted", "amber")],
        ],
    )
    def test_text(self, theme, text, ground):
        assert self.contrast(self.channels(theme[text]), self.channels(theme[ground])) >= 4.5

    @pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
    @pytest.mark.parametrize("sign", ["pos", "neg"])
    def test_numbers_on_the_strongest_tint(self, theme, sign):
        tint = 0.45 * self.channels(theme[sign]) + 0.55 * self.channels(theme["card"])
        assert self.contrast(self.channels(theme["ink"]), tint) >= 4.5


def test_the_style_sheet_lies_beside_the_code():
    assert Path(str(resources.files("faltung.tour").joinpath("report.css"))).is_file()
