"""A transposed convolution read both ways, side by side: what is lit in one is lit in the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import faltung as fl
from tests.app.page.browsing import Explorer, explorer

X = [[[1, -2, 0], [3, 4, -1], [2, 0, 5]]]
WEIGHT = [[[[1, 2, 0], [-1, 3, 1], [2, 0, -2]]]]
STATE: dict[str, Any] = {
    "transposed": True, "stride": [2, 2], "padding": [[1, 1], [1, 1]], "input_size": [3, 3], "reading": "both",
    "x": {"values": X}, "weight": {"values": WEIGHT},
}  # fmt: skip
SPEC = "conv_transpose2d(1, 1, 3, stride=2, padding=1, bias=False)"
OUTPUTS = [str(value).replace("-", "−") for value in fl.conv(SPEC, np.array(X), np.array(WEIGHT)).ravel()]


def grid(shown: Explorer, reading: str, name: str) -> Any:
    """The panel of a grid of one reading."""
    return shown.page.get_by_role("region", name=f"{name}, {reading}", exact=True)


def own(shown: Explorer, reading: str, name: str) -> Any:
    """The cells themselves, without zeros between and places cropped."""
    return grid(shown, reading, name).locator(".views-tile .views-cell:not([data-origin])")


def lit(shown: Explorer, reading: str, name: str, kind: str = "on") -> list[int]:
    """Which of its own cells are lit, counted in their order."""
    script = "(cells, kind) => cells.map((cell, at) => cell.matches(`[data-lit~=${kind}]`) ? at : -1).filter(at => at >= 0)"
    found: list[int] = own(shown, reading, name).evaluate_all(script, kind)
    return found


def texts(shown: Explorer, reading: str, name: str) -> list[str]:
    found: list[str] = own(shown, reading, name).evaluate_all("cells => cells.map(cell => cell.firstChild?.data ?? '')")
    return found


@pytest.mark.parametrize("pointed", ["scatter", "gather"])
def test_the_same_cells_are_lit_in_both(chromium: Any, pointed: str) -> None:
    explained = fl.explain(SPEC, np.array(X), np.array(WEIGHT))
    with explorer(chromium, STATE) as shown:
        for reading in ("scatter", "gather"):
            assert texts(shown, reading, "Output") == OUTPUTS
        own(shown, pointed, "Output").nth(6).hover()  # row 1, column 1, where four stamps meet
        read = sorted(product.input_index[1] * 3 + product.input_index[2] for product in explained[0, 1, 1].products)
        for reading in ("scatter", "gather"):
            assert lit(shown, reading, "Output", "chief") == [6]
            assert lit(shown, reading, "Input") == read
        terms = shown.page.locator(".views-terms .views-term").count()
        assert terms == (4 if pointed == "scatter" else 9)  # a gather multiplies the inserted zeros too
        own(shown, pointed, "Input").nth(4).hover()
        fed = sorted(
            row * 5 + column
            for row in range(5)
            for column in range(5)
            if any(product.input_index == (0, 1, 1) for product in explained[0, row, column].products)
        )
        for reading in ("scatter", "gather"):
            assert lit(shown, reading, "Input", "chief") == [4]
            assert lit(shown, reading, "Output") == fed
        own(shown, pointed, "Output").nth(6).click()
        own(shown, pointed, "Input").nth(4).hover()
        for reading in ("scatter", "gather"):
            assert lit(shown, reading, "Input", "now") == [4]


def test_an_inserted_zero_is_in_the_gather_alone(chromium: Any) -> None:
    with explorer(chromium, STATE) as shown:
        grid(shown, "gather", "Input").locator(".views-tile [data-origin=inserted]").first.hover()
        assert shown.text(".views-title").startswith("a zero of the border = 0")
        assert grid(shown, "gather", "Output").locator(".views-tile [data-lit]").count() > 0
        assert grid(shown, "scatter", "Output").locator(".views-tile [data-lit]").count() == 0
        grid(shown, "scatter", "Output").locator(".views-tile [data-origin=cropped]").first.hover()
        assert shown.text(".views-title") == "a cropped place"
        assert grid(shown, "gather", "Input").locator(".views-tile [data-lit]").count() == 0


def test_each_kernel_is_shown_as_it_lies(chromium: Any) -> None:
    flat = [str(value).replace("-", "−") for value in np.array(WEIGHT).ravel()]
    with explorer(chromium, STATE) as shown:
        assert texts(shown, "scatter", "Kernel") == flat
        assert texts(shown, "gather", "Kernel") == flat[::-1]
        own(shown, "gather", "Kernel").nth(0).hover()
        assert shown.text(".views-title").startswith("w[0, 0, 2, 2] = −2 feeds")
        assert lit(shown, "scatter", "Kernel", "chief") == [8]
    with explorer(chromium, STATE | {"flip": True}) as shown:
        assert texts(shown, "scatter", "Kernel") == flat[::-1]
        assert texts(shown, "gather", "Kernel") == flat


def test_the_player_takes_the_steps_of_either(chromium: Any) -> None:
    with explorer(chromium, STATE) as shown:
        forward = shown.page.get_by_role("button", name="Step forward")
        forward.click()
        assert shown.text(".views-count") == "step 1 / 9"
        assert lit(shown, "scatter", "Input", "chief") == lit(shown, "gather", "Input", "chief") == [0]
        assert texts(shown, "scatter", "Output") != OUTPUTS
        assert texts(shown, "gather", "Output") == OUTPUTS
        shown.page.get_by_label("Steps of").select_option("gather")
        assert texts(shown, "scatter", "Output") == OUTPUTS
        forward.click()
        forward.click()
        assert shown.text(".views-count") == "step 2 / 25"
        assert lit(shown, "scatter", "Output", "chief") == lit(shown, "gather", "Output", "chief") == [1]
        assert texts(shown, "gather", "Output") == [*OUTPUTS[:2], *[""] * 23]


def test_numbers_are_changed_in_either(chromium: Any) -> None:
    x = np.array(X)
    with explorer(chromium, STATE) as shown:
        for reading, number in (("gather", 7), ("scatter", -3)):
            own(shown, reading, "Input").nth(4).dblclick()
            shown.page.locator(".views-editor").fill(str(number))
            shown.page.locator(".views-editor").press("Enter")
            x[0, 1, 1] = number
            expected = [str(value).replace("-", "−") for value in fl.conv(SPEC, x, np.array(WEIGHT)).ravel()]
            for panel in ("scatter", "gather"):
                own(shown, panel, "Output").nth(6).filter(has_text=expected[6]).wait_for()
                assert texts(shown, panel, "Output") == expected


def test_the_readings_are_chosen_and_chosen_back(chromium: Any) -> None:
    with explorer(chromium, STATE | {"reading": "auto"}) as shown:
        choice = shown.page.get_by_role("group", name="How the transposed convolution is read")
        assert not shown.page.get_by_label("Steps of").is_visible()
        choice.get_by_role("button", name="both").click()
        grid(shown, "gather", "Output").wait_for()
        assert shown.asked[-1]["reading"] == "both"
        own(shown, "gather", "Output").nth(3).click()
        choice.get_by_role("button", name="scatter").click()
        shown.page.get_by_role("region", name="Output", exact=True).wait_for()
        assert shown.text(".views-state") == ""
        assert shown.texts("output").count("✕") == 24


def test_they_stand_below_one_another_where_there_is_no_room(chromium: Any) -> None:
    with explorer(chromium, STATE, viewport={"width": 1100, "height": 900}) as shown:
        for width, is_beside in ((1100, True), (390, False)):
            shown.page.set_viewport_size({"width": width, "height": 900})
            shown.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
            for name in ("Input", "Output"):
                scatter, gather = (grid(shown, reading, name).bounding_box() for reading in ("scatter", "gather"))
                assert (scatter["y"] == gather["y"]) == is_beside
                assert (scatter["x"] == gather["x"]) == (not is_beside)


def test_nothing_keeps_anybody_out(chromium: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    off = {"rules": {"region": {"enabled": False}, "page-has-heading-one": {"enabled": False}}}
    with explorer(chromium, STATE | {"in_channels": 2, "x": None, "weight": None}) as shown:
        own(shown, "gather", "Output").nth(6).click()
        for theme in ("light", "dark"):
            shown.page.evaluate("theme => { document.getElementById('root').dataset.theme = theme; }", theme)
            found = axe.run(shown.page, context="main", options=off)
            assert found.violations_count == 0, found.generate_report()
