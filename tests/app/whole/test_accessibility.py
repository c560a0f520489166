"""What axe finds wrong, in every state of the page, light and dark, wide and narrow; and the keyboard alone."""

from __future__ import annotations

import pytest

from tests.app.whole.conftest import Open

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

STATES = [
    "",
    "in_channels=4&out_channels=4&groups=4",
    "transposed=true&stride=2x2",
    "kernel_size=9x9",
    "ndim=1&input_size=9",
    "padding=1x1&padding_mode=circular",
]

# A check takes seconds, more the more cells there are: each kind of state once, small, in one of the four appearances.
CHECKED = {
    (1280, "light"): ["in_channels=4&out_channels=4&groups=4&input_size=4x4", "kernel_size=9x9"],
    (1280, "dark"): ["transposed=true&stride=2x2&input_size=3x3"],
    (390, "light"): ["padding=1x1&padding_mode=circular&input_size=4x4"],
    (390, "dark"): ["in_channels=2&out_channels=2&input_size=4x4", "kernel_size=9x9"],
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(open_page: Open, width: int, theme: str) -> None:
    reader = open_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    reader.page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    for fragment in CHECKED[width, theme]:
        reader.go(fragment)
        found = axe.Axe().run(reader.page, options={"resultTypes": ["violations"]}).response["violations"]
        assert [(one["id"], [node["html"][:200] + node["failureSummary"] for node in one["nodes"][:4]]) for one in found] == [], fragment


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_nothing_is_wider_than_the_page(open_page: Open, width: int) -> None:
    reader = open_page(viewport={"width": width, "height": 900})
    for fragment in STATES:
        reader.go(fragment)
        assert reader.page.evaluate("document.documentElement.scrollWidth") <= width, fragment


def test_everything_is_reached_by_the_tab_key_with_a_visible_focus(open_page: Open) -> None:
    reader = open_page()
    seen = []
    for _ in range(200):
        reader.page.keyboard.press("Tab")
        now = reader.page.evaluate("""() => {
            const at = document.activeElement, style = getComputedStyle(at);
            if (at === document.body) return null;
            return [at.tagName + "|" + (at.getAttribute("aria-label") ?? at.labels?.[0]?.textContent ?? at.textContent).slice(0, 40),
                    style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
        }""")
        if now is None:
            break
        seen.append(now)
    names = [name for name, _ in seen]
    assert [name for name, visible in seen if not visible] == []
    for wanted in ("SELECT|Dimensions", "INPUT|Stride, height", "INPUT|Transposed", "BUTTON|Reset", "BUTTON|SVG", "SELECT|Theme"):
        assert wanted in names
    assert len(names) < 200


def test_tabs_by_arrow_keys(open_page: Open) -> None:
    reader = open_page()
    reader.page.get_by_role("tab", name="NumPy").focus()
    reader.page.keyboard.press("ArrowRight")
    assert reader.page.get_by_role("tab", name="PyTorch").get_attribute("aria-selected") == "true"
    reader.page.keyboard.press("End")
    assert "keras" in str(reader.page.get_by_role("region", name="Code").text_content())


def test_the_theme_is_chosen_and_kept(open_page: Open) -> None:
    reader = open_page()
    paper = "getComputedStyle(document.querySelector('#faltung')).backgroundColor"
    assert reader.page.evaluate(paper) == "rgb(255, 255, 255)"
    reader.choose("Theme", "dark")
    assert reader.page.evaluate(paper) == "rgb(21, 24, 30)"
    reader.page.reload()
    reader.settle()
    assert reader.page.evaluate(paper) == "rgb(21, 24, 30)"
