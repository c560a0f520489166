"""The keys, told on the page as in the documentation; presets that say which one the state is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.app.whole.conftest import Open
from tests.app.whole.reader import Reader

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "playground.md"


def told() -> list[tuple[str, str]]:
    """The table of keys in the documentation."""
    table = DOCUMENT.read_text(encoding="utf-8").partition("| keys | do |\n|---|---|\n")[2].partition("\n\n")[0]
    return re.findall(r"^\| (.*?) \| (.*?) \|$", table, re.MULTILINE)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_key_is_told_in_a_dialog(open_page: Open, theme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    reader = open_page(viewport={"width": 390, "height": 800}, color_scheme=theme)
    dialog = reader.page.get_by_role("dialog", name="Keys")
    reader.page.keyboard.press("?")
    assert dialog.is_visible()
    rows = dialog.get_by_role("row").all()
    assert [(row.locator("th").inner_text(), row.locator("td").inner_text()) for row in rows] == told() != []
    found = axe.run(reader.page)
    assert found.violations_count == 0, found.generate_report()
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= 390
    reader.page.keyboard.press("Escape")
    assert not dialog.is_visible()
    button = reader.page.get_by_role("button", name="Keys", exact=True)
    button.click()
    assert dialog.is_visible()
    dialog.get_by_role("button", name="Close").click()
    assert not dialog.is_visible()
    assert button.evaluate("button => button === document.activeElement")


def test_a_question_mark_in_a_text_is_a_question_mark(reader: Reader) -> None:
    field = reader.page.get_by_role("textbox", name="Paste a PyTorch constructor")
    field.press("?")
    assert field.input_value() == "?"
    assert not reader.page.get_by_role("dialog").is_visible()
    field.fill("")


def pressed(reader: Reader) -> list[str]:
    return reader.page.get_by_role("group", name="Kind of convolution").get_by_role("button", pressed=True).all_inner_texts()


def test_presets_show_which_one_the_state_is(open_page: Open) -> None:
    reader = open_page()
    assert pressed(reader) == ["Standard"]
    reader.press("Strided")
    assert pressed(reader) == ["Strided"]
    reader.press("Stride, height: more")
    assert pressed(reader) == []
    reader.page.go_back()
    reader.until(lambda: pressed(reader) == ["Strided"])
    reader.page.go_back()
    reader.until(lambda: pressed(reader) == ["Standard"])
    reader.choose("Input values", "=impulse")  # other numbers, the same convolution
    assert pressed(reader) == ["Standard"]
    reader.page.get_by_role("group", name="Kind of convolution").get_by_role("button", name="Depthwise separable").click()
    reader.settle()
    reader.page.reload()
    reader.settle()
    reader.until(lambda: pressed(reader) == ["Depthwise separable"])


def test_numbers_that_a_preset_sets_belong_to_it(reader: Reader) -> None:
    reader.press("Flipped")
    assert pressed(reader) == ["Flipped"]
    reader.choose("Input values", "")
    assert pressed(reader) == []
    reader.go("transposed=true&stride=2x2&input_size=3x3&padding=1x1&x=impulse")
    assert reader.page.get_by_role("combobox", name="From the literature").input_value() == "transposed-padded"
