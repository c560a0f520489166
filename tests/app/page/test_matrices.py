"""The matrices: the same cell is lit in them and on the grids, both ways, and their entries are the engine's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import faltung as fl
from tests.app.page.browsing import Explorer, explorer

STATE: dict[str, Any] = {"input_size": [4, 4], "kernel_size": [2, 2], "padding": [[1, 0], [0, 0]]}
SPEC = "conv2d(1, 1, 2, padding=((1, 0), (0, 0)), bias=False)"


def open_matrices(shown: Explorer) -> None:
    """Open their tab: they are asked for then, not before."""
    assert not shown.page.evaluate("store.answer.matrices")
    shown.page.get_by_role("tab", name="As a matrix").click()
    shown.page.wait_for_function("() => store.answer.matrices")


def entry(shown: Explorer, block: int, row: int, column: int) -> tuple[float, float]:
    """Where an entry of a matrix is on the page, in the middle."""
    script = """([block, row, column]) => {
        const { plan, cell, lamps, scroll } = views.matrix;
        lamps.scrollIntoView();
        scroll.scrollTo((plan.blocks[block].left + column) * cell - 50, (plan.blocks[block].top + row) * cell - 50);
        const box = lamps.getBoundingClientRect();
        const { left, top } = plan.blocks[block];
        return [box.left + 18 + (left + column + 0.5) * cell, box.top + 18 + (top + row + 0.5) * cell];
    }"""
    found = shown.page.evaluate(script, [block, row, column])
    return found[0], found[1]


def lamps(shown: Explorer) -> set[tuple[int, int, int]]:
    """Block, row and column of every entry that is lit."""
    script = "() => views.matrix.plan.lights(views.lit, views.selection.item).map(light => [light.block, light.row, light.column])"
    return {(block, row, column) for block, row, column in shown.page.evaluate(script)}


@pytest.mark.parametrize("kind", ["im2col", "toeplitz"])
def test_entries_light_their_cells_and_cells_their_entries(chromium: Any, kind: str) -> None:
    with explorer(chromium, STATE) as shown:
        open_matrices(shown)
        if kind == "toeplitz":
            shown.page.get_by_role("button", name="Toeplitz").click()
        values = shown.page.evaluate("store.answer.state.values")
        x, weight = np.array(values["x"]), np.array(values["weight"])
        explained = fl.explain(SPEC, x, weight)
        shown.cell("output", 6).hover()  # row 2, column 0 of 4 × 3
        products = list(explained[0, 2, 0].products)
        if kind == "im2col":
            taps = [product.weight_index[2] * 2 + product.weight_index[3] for product in products]
            expected = {(0, tap, 6) for tap in taps} | {(1, 0, tap) for tap in taps} | {(2, 0, 6)}
        else:
            columns = [product.input_index[1] * 4 + product.input_index[2] for product in products if product.input_index]
            expected = {(0, 0, column) for column in columns} | {(1, 6, column) for column in columns} | {(2, 6, 0)}
        assert lamps(shown) == expected
        assert int(shown.page.locator(".views-lamps").get_attribute("data-lit") or 0) == len(expected)

        shown.page.mouse.move(*entry(shown, 2, 0 if kind == "im2col" else 7, 7 if kind == "im2col" else 0))
        assert shown.lit("output", "chief") == {7}
        assert shown.text(".views-title") == f"y[0, 2, 1] = {explained[0, 2, 1].total}"
        shown.page.mouse.move(*entry(shown, 1, 0, 3) if kind == "im2col" else entry(shown, 1, 0, 0))
        weight_lit = 3 if kind == "im2col" else 2
        assert shown.lit("kernel", "chief") == {weight_lit}
        shown.page.mouse.move(*entry(shown, 0, 1 if kind == "im2col" else 0, 0))
        assert shown.lit("input", "chief") == ({1} if kind == "im2col" else {4})


def test_the_toeplitz_matrix_times_the_input_is_the_output(chromium: Any) -> None:
    state = {"padding": [[1, 1], [1, 1]], "padding_mode": "circular", "input_size": [3, 3], "out_channels": 2}
    with explorer(chromium, state) as shown:
        open_matrices(shown)
        shown.page.get_by_role("button", name="Toeplitz").click()
        script = """() => views.matrix.plan.blocks.map(({ rows, columns, value }) => Array.from({ length: rows },
            (_, row) => Array.from({ length: columns }, (_, column) => value(row, column) ?? 0)))"""
        given, matrix, result = (np.array(block) for block in shown.page.evaluate(script))
        values = shown.page.evaluate("store.answer.state.values")
        expected = fl.conv(
            "conv2d(1, 2, 3, padding=1, padding_mode='circular', bias=False)", np.array(values["x"]), np.array(values["weight"])
        )
        assert (matrix @ given[0] == expected.ravel()).all()
        assert (result[:, 0] == expected.ravel()).all()


def test_a_matrix_is_walked_by_keys(chromium: Any) -> None:
    with explorer(chromium, STATE) as shown:
        open_matrices(shown)
        shown.page.get_by_role("group", name="Matrix").get_by_role("button", name="im2col").focus()
        for key in ("Tab", "Tab", "ArrowDown", "ArrowRight"):
            shown.page.keyboard.press(key)
        assert shown.text(".views-said").startswith("X, row 1, column 1: ")
        assert shown.lit("input", "chief") == {2}
        shown.page.keyboard.press("PageDown")
        assert shown.text(".views-said").startswith("W, row 0, column 0: w[0, 0, 0, 0] = ")
        assert shown.lit("kernel", "chief") == {0}
        shown.page.keyboard.press("Enter")
        assert shown.text(".views-state") == "pinned"


TRANSPOSED: dict[str, Any] = {"transposed": True, "stride": [2, 2], "input_size": [2, 2], "padding": [[1, 0], [1, 0]], "in_channels": 2}


def test_a_scatter_adds_the_columns_of_its_stamps(chromium: Any) -> None:
    with explorer(chromium, TRANSPOSED) as shown:
        open_matrices(shown)
        assert "col2im adds each of its entries" in shown.text(".views-matrix .views-note")
        values = shown.page.evaluate("store.answer.state.values")
        x, weight = np.array(values["x"]), np.array(values["weight"])
        explained = fl.explain("conv_transpose2d(2, 1, 3, stride=2, padding=((1, 0), (1, 0)), bias=False)", x, weight)
        cell = 5  # row 1, column 1 of 4 × 4: all four stamps meet
        shown.page.evaluate("views.selection.hover({ grid: 'output', channel: 0, place: views.index.outputPlace[5], reading: 'scatter' })")
        products = list(explained[0, 1, 1].products)
        taps = [product.weight_index[2] * 3 + product.weight_index[3] for product in products]
        cells = [product.input_index[1] * 2 + product.input_index[2] for product in products]
        channels = [product.input_index[0] for product in products]
        lit = {(0, channel, place) for channel, place in zip(channels, cells, strict=True)}
        lit |= {(1, tap, channel) for tap, channel in zip(taps, channels, strict=True)}
        lit |= {(2, tap, place) for tap, place in zip(taps, cells, strict=True)} | {(3, 0, cell)}
        assert lamps(shown) == lit
        entries = shown.page.evaluate(
            "places => places.map(([row, column]) => views.matrix.plan.blocks[2].value(row, column))",
            sorted({(tap, place) for tap, place in zip(taps, cells, strict=True)}),
        )
        assert sum(entries) == explained[0, 1, 1].total

        shown.page.mouse.move(*entry(shown, 2, taps[0], cells[0]))
        assert shown.text(".views-title") == f"y[0, 1, 1] = {explained[0, 1, 1].total}"
        shown.page.mouse.move(*entry(shown, 2, 0, 0))  # the first tap of the first stamp
        assert shown.text(".views-title") == "a cropped place"
        assert (shown.page.locator(".views-lamps").get_attribute("title") or "").endswith("cropped: it falls outside the output")
        shown.page.mouse.move(*entry(shown, 0, 1, 3))
        assert shown.lit("input", "chief") == {7}
        shown.page.mouse.move(*entry(shown, 1, 4, 1))
        assert shown.lit("kernel", "chief") == {13}
        shown.page.get_by_role("button", name="Toeplitz").click()
        assert shown.text(".views-matrix .views-note").startswith("Every output is a row")


def test_readings_beside_each_other_have_the_matrices_of_both(chromium: Any) -> None:
    with explorer(chromium, TRANSPOSED | {"reading": "both"}) as shown:
        open_matrices(shown)
        assert shown.text(".views-matrix .views-note").startswith("Every window is written out")
        shown.page.mouse.move(*entry(shown, 2, 0, 5))
        assert shown.page.locator(".views-output .views-cell[data-lit~=chief]").count() == 2
        windows = lamps(shown)
        assert {column for block, _, column in windows if block == 0} == {5}
        shown.page.get_by_role("group", name="Matrix").get_by_role("button", name="col2im").click()
        assert "col2im adds each of its entries" in shown.text(".views-matrix .views-note")
        shown.page.mouse.move(*entry(shown, 3, 0, 5))
        assert {column for block, _, column in lamps(shown) if block == 3} == {5}
        assert shown.page.locator(".views-output .views-cell[data-lit~=chief]").count() == 2
