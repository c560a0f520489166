"""Every number on the page against the engine: what stands in cells, what is lit, and the tables of products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.app.page.browsing import Explorer, explorer
from tests.app.page.kinds import KINDS, Kind


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_number_on_the_page_is_the_engines(chromium: Any, kind: Kind) -> None:
    with explorer(chromium, kind.state) as shown:
        check_cells(shown, kind)
        shown.page.get_by_role("tab", name="Table").click()
        check_outputs(shown, kind)
        check_uses(shown, kind)


def check_cells(shown: Explorer, kind: Kind) -> None:
    """What stands in the cells."""
    own = "cells => cells.filter(cell => !cell.dataset.origin).map(cell => cell.firstChild.data)"
    cells = {grid: shown.page.eval_on_selector_all(f".views-{grid} .views-tile .views-cell", own) for grid in ("input", "output")}
    assert cells["output"] == written(kind.output)
    assert cells["input"] == written(kind.x)
    if kind.bias is not None:
        assert shown.page.eval_on_selector_all(".views-biases .views-cell", own) == written(kind.bias)
    keyed = "cells => cells.map(cell => [cell.dataset.key, cell.firstChild.data])"
    weights = {int(key): text for key, text in shown.page.eval_on_selector_all(".views-kernel .views-tile .views-cell", keyed)}
    assert [weights[number] for number in range(kind.weight.size)] == written(kind.weight)


def check_outputs(shown: Explorer, kind: Kind) -> None:
    """An output lights its window and its weights, and lists its products."""
    cells = shown.page.locator(".views-output .views-tile .views-cell:not([data-origin])")
    for number in np.linspace(0, kind.output.size - 1, 4, dtype=int):
        cells.nth(int(number)).dispatch_event("pointerover")
        index = tuple(int(entry) for entry in np.unravel_index(number, kind.output.shape))
        terms = kind.explained[index]
        products = terms.gather if kind.fields.get("reading") == "gather" else terms.products
        assert table(shown) == sorted(line(product) for product in products)
        assert shown.text(".views-title") == f"y[{', '.join(map(str, index))}] = {as_text(terms.total)}"
        assert shown.text(".views-result") == as_text(terms.total)
        assert lit_weights(shown) == {tuple(product.weight_index) for product in products}


def check_uses(shown: Explorer, kind: Kind) -> None:
    """An input and a weight light every output that they feed."""
    for grid, shape in (("input", kind.x.shape), ("kernel", kind.weight.shape)):
        for number in np.linspace(0, np.prod(shape) - 1, 3, dtype=int):
            index = tuple(int(entry) for entry in np.unravel_index(number, shape))
            if grid == "input":
                shown.page.locator(".views-input .views-tile .views-cell:not([data-origin])").nth(int(number)).dispatch_event("pointerover")
                uses = kind.explained.uses(index)
                assert lit_outputs(shown) == set(uses.outputs)
            else:
                shown.cell("kernel", int(number)).dispatch_event("pointerover")
                uses = kind.explained.of_weight(index)
            products = [product for product in uses.products if product.input_index is not None]
            assert [entry for entry in table(shown) if entry[0] != "none"] == sorted(line(product) for product in products)


def as_text(value: object) -> str:
    """As the page writes a whole number."""
    return str(value).replace("-", "−")


def written(values: np.ndarray) -> list[str]:
    return [as_text(value) for value in values.ravel()]


def line(product: Any) -> tuple[str, ...]:
    """A product as the table writes it."""
    place = "none" if product.input_index is None else f"x[{', '.join(map(str, product.input_index))}]"
    weight = f"w[{', '.join(map(str, product.weight_index))}]"
    return place, as_text(product.input_value), weight, as_text(product.weight_value), as_text(product.product)


def table(shown: Explorer) -> list[tuple[str, ...]]:
    cells = "rows => rows.map(row => [...row.children].slice(0, 5).map(cell => cell.textContent))"
    return sorted(map(tuple, shown.page.eval_on_selector_all(".views-table tbody tr[data-product]", cells)))


def lit_weights(shown: Explorer) -> set[tuple[int, ...]]:
    shape = shown.page.evaluate("store.answer.scene.stages[0].kernel.shape")
    return {tuple(int(entry) for entry in np.unravel_index(number, shape)) for number in shown.lit("kernel")}


def lit_outputs(shown: Explorer) -> set[tuple[int, ...]]:
    """The output's own cells that are lit; its border is left out."""
    grid = shown.page.evaluate("store.answer.scene.stages[0].output")
    places = len(grid["sources"])
    found = set()
    for key in shown.lit("output") | shown.lit("output", "source"):
        channel, place = divmod(key, places)
        if grid["sources"][place] >= 0:
            found.add((channel, *(int(entry) for entry in np.unravel_index(grid["sources"][place], grid["size"]))))
    return found
