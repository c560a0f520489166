"""How the views lie on the page: on a telephone and wide, with many channels, as pictures; and that nothing jumps."""

from __future__ import annotations

from typing import Any

import pytest

from tests.app.page.browsing import explorer

BORDER = [[1, 1], [1, 1]]
STATES: dict[str, dict[str, Any]] = {
    "channels": {"in_channels": 3, "out_channels": 4, "padding": BORDER, "bias": True, "input_size": [8, 8]},
    "depthwise": {"in_channels": 16, "out_channels": 16, "groups": 16, "input_size": [6, 6], "padding": BORDER, "padding_mode": "reflect"},
    "large": {"input_size": [40, 24], "kernel_size": [7, 7]},
    "scatter": {"transposed": True, "stride": [3, 3], "input_size": [4, 4]},
}
PARTS = (".views-player", ".views-grids", ".views-formula", ".views-tabs", ".views-help")


# Points at cells of every grid, then steps; the places of all parts after each.
MOVES = """parts => {
    const places = () => JSON.stringify(parts.map(part => document.querySelector(part).getBoundingClientRect()));
    const found = { "at first": places() };
    for (const grid of ["output", "input", "kernel"]) {
        const cells = [...document.querySelectorAll(`.views-${grid} .views-tile .views-cell`)];
        for (const at of [0, Math.floor(cells.length / 2), cells.length - 1]) {
            cells[at].dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
            found[`cell ${at} of ${grid}`] = places();
        }
    }
    for (let step = 0; step < 3; step++) {
        document.querySelector("[data-do=forward]").click();
        found[`step ${step}`] = places();
    }
    document.querySelector("[data-do=first]").click();
    return found;
}"""


@pytest.mark.parametrize("name", ["channels", "large", "scatter"])
def test_everything_fits_and_nothing_jumps(chromium: Any, name: str) -> None:
    with explorer(chromium, STATES[name], viewport={"width": 1100, "height": 900}) as shown:
        for width in (1100, 390):
            shown.page.set_viewport_size({"width": width, "height": 900})
            shown.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
            places = shown.page.evaluate(MOVES, PARTS)
            assert {moment for moment, place in places.items() if place != places["at first"]} == set(), width


def test_no_column_is_cut_off(chromium: Any) -> None:
    state = {"padding": BORDER, "flip": True, "dilation": [2, 2], "input_size": [7, 7]}
    with explorer(chromium, state, viewport={"width": 738, "height": 700}) as shown:
        boxes = ".views-scroll, .views-sheet"
        assert shown.page.eval_on_selector_all(boxes, "boxes => boxes.filter(box => box.scrollWidth > box.clientWidth).length") == 0


def test_many_kernels_leave_the_output_its_room(chromium: Any) -> None:
    state = {"input_size": [8, 8], "in_channels": 8, "out_channels": 8, "groups": 8}
    with explorer(chromium, state, viewport={"width": 940, "height": 720}) as shown:
        sheets = ".views-output .views-sheet, .views-kernel .views-sheet"
        assert shown.page.eval_on_selector_all(sheets, "boxes => boxes.filter(box => box.scrollWidth > box.clientWidth).length") == 0
        tops = shown.page.eval_on_selector_all(".views-kernel .views-tile", "tiles => tiles.map(tile => tile.offsetTop)")
        assert tops[0] == tops[1] < tops[2]  # two beside each other


def test_what_is_lit_scrolls_into_view(chromium: Any) -> None:
    with explorer(chromium, STATES["depthwise"]) as shown:
        shown.page.locator(".views-output .views-tile").nth(15).locator(".views-cell").first.hover()
        seen = """() => ['.views-input', '.views-kernel'].map(panel => {
            const lit = document.querySelector(`${panel} .views-tile [data-lit]`).getBoundingClientRect();
            const box = document.querySelector(`${panel} .views-scroll`).getBoundingClientRect();
            return lit.top >= box.top && lit.bottom <= box.bottom + 1;
        })"""
        assert shown.page.evaluate(seen) == [True, True]
        assert shown.text(".views-title").startswith("y[15, 0, 0] =")


def test_a_picture_is_bright_where_it_is_large(chromium: Any) -> None:
    with explorer(chromium, {"input_size": [30, 30], "x": {"named": "photo"}, "weight": {"named": "sobel_x"}}) as shown:
        brightness = """grid => {
            const cells = [...document.querySelectorAll(`.views-${grid} .views-tile .views-cell`)];
            const parts = cells.map(cell => getComputedStyle(cell).backgroundColor.match(/[\\d.]+/g).slice(0, 3).map(Number));
            return parts.map(([red, green, blue]) => red + green + blue);
        }"""
        values = [value for row in shown.page.evaluate("store.answer.state.values.x")[0] for value in row]
        levels = shown.page.evaluate(brightness, "input")
        order = sorted(range(len(values)), key=values.__getitem__)
        assert levels[order[0]] < levels[order[len(order) // 2]] < levels[order[-1]]
        outputs = shown.page.evaluate("store.answer.scene.stages[0].steps.writes.flat().map(write => write[3])")
        negative = shown.page.eval_on_selector_all(
            ".views-output .views-tile .views-cell", "cells => cells.map(cell => cell.hasAttribute('data-negative'))"
        )
        assert negative == [value < 0 for value in outputs]
        shown.page.get_by_role("button", name="Shade values").click()
        assert shown.page.locator(".explorer[data-shades]").count() == 0


def test_cells_that_stay_where_they_are_are_kept(chromium: Any) -> None:
    state = {"input_size": [5, 4], "in_channels": 2, "out_channels": 2, "groups": 2}
    with explorer(chromium, state) as shown:
        kept = "() => [...document.querySelectorAll('.views-input .views-tile .views-cell')].map(cell => cell.was ?? null)"
        shown.page.evaluate(
            "() => document.querySelectorAll('.views-input .views-tile .views-cell').forEach(cell => { cell.was = cell.textContent; })"
        )
        values = shown.page.evaluate("store.answer.scene.stages[0].input.values.flat()")
        assert shown.page.evaluate(kept) == [str(value) for value in values]
        shown.page.evaluate("store.change({ padding: [[1, 0], [2, 1]] })")
        shown.page.wait_for_function("() => !store.busy && document.querySelectorAll('.views-input .views-cell[data-origin]').length > 2")
        texts, marks = shown.texts("input"), shown.page.evaluate(kept)
        border = [row == 0 or column in (0, 1, 6) for _ in range(2) for row in range(6) for column in range(7)]
        assert [mark is None for mark in marks] == border
        assert [mark for mark in marks if mark is not None] == [
            text for text, is_border in zip(texts, border, strict=True) if not is_border
        ]
        keys = shown.page.eval_on_selector_all(".views-input .views-tile .views-cell", "cells => cells.map(cell => +cell.dataset.key)")
        assert keys == list(range(2 * 6 * 7))
        shown.page.evaluate("store.change({ padding: [[-1, 0], [0, -1]] })")
        shown.page.wait_for_function("() => !store.busy && !document.querySelector('.views-input .views-cell[data-origin]')")
        assert shown.texts("input") == [str(value) for value in values]  # what is cropped is there, and not read
        shown.page.evaluate("store.change({ padding: [[0, 0], [0, 0]], input_size: [3, 3] })")
        shown.page.wait_for_function("() => !store.busy && document.querySelectorAll('.views-input .views-tile .views-cell').length === 18")
        expected = shown.page.evaluate("store.answer.scene.stages[0].input.values.flat().map(String)")
        assert shown.texts("input") == expected
        assert shown.page.locator(".views-input .views-cell[tabindex='0']").count() == 1


def test_cells_get_their_names(chromium: Any) -> None:
    with explorer(chromium, {"input_size": [3, 3], "padding": [[1, 0], [0, 0]], "bias": True}) as shown:
        shown.page.wait_for_function("() => [...document.querySelectorAll('[role=gridcell]')].every(cell => cell.ariaLabel)")
        value = shown.page.evaluate("store.answer.scene.stages[0].input.values[0][0]")
        assert shown.cell("input", 3).get_attribute("aria-label") == f"row 0, column 0: {value}"
        assert shown.cell("input", 0).get_attribute("aria-label") == "row −1, column 0: 0, padding: a zero"
        renew = "({ input }) => { input.words = () => 'new'; input.names.renew(3); input.board.cells.get(3).focus(); }"
        shown.page.evaluate(f"() => ({renew})(views.first)")
        assert shown.cell("input", 3).get_attribute("aria-label") == "new"
