"""What hands do on the views: pin, walk, type, paint, play, touch. Numbers that come of it are compared with the engine."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import faltung as fl
from tests.app.page.browsing import Explorer, explorer

X = [[[3, -1, 2, 0], [1, 4, 0, 2], [-2, 1, 5, 3], [0, 2, 1, -3]]]
WEIGHT = [[[[1, 2, 0], [0, -1, 3], [2, 0, 1]]]]
STATE: dict[str, Any] = {
    "input_size": [4, 4], "padding": [[1, 1], [1, 1]], "bias": True, "bias_values": [7], "x": {"values": X}, "weight": {"values": WEIGHT},
}  # fmt: skip
SPEC = "conv2d(1, 1, 3, padding=1)"
PLACES = 6  # along an axis of the padded input


def own(row: int, column: int) -> int:
    """The key of an input cell: its place among those of the border."""
    return (row + 1) * PLACES + column + 1


def outputs(x: Any = X, weight: Any = WEIGHT, bias: int = 7) -> list[str]:
    return [str(value).replace("-", "−") for value in fl.conv(SPEC, np.array(x), np.array(weight), np.array([bias])).ravel()]


def shows(shown: Explorer, expected: list[str]) -> None:
    """Wait until the output shows these numbers."""
    script = """expected => JSON.stringify([...document.querySelectorAll('.views-output .views-tile .views-cell')]
        .map(cell => cell.firstChild?.data)) === JSON.stringify(expected)"""
    shown.page.wait_for_function(script, arg=expected)


def test_a_click_pins_and_escape_lets_go(chromium: Any) -> None:
    with explorer(chromium, STATE) as shown:
        shown.cell("output", 5).click()
        assert shown.text(".views-state") == "pinned"
        shown.cell("output", 0).hover()
        assert shown.text(".views-title").startswith("y[0, 1, 1] =")
        shown.cell("kernel", 5).hover()  # of the pinned output, the product with this weight
        assert shown.lit("input", "now") == {own(1, 2)}
        assert shown.text(".views-term[data-now]") == "0·3"
        shown.page.keyboard.press("Escape")
        assert shown.text(".views-state") == ""
        shown.cell("input", own(0, 0)).hover()
        assert shown.text(".views-title") == "x[0, 0, 0] = 3 feeds 4 outputs"
        shown.cell("kernel", 4).click()
        shown.page.get_by_role("button", name="unpin").click()
        assert shown.text(".views-state") == ""
        shown.cell("output", 3).click()
        shown.page.get_by_role("heading", name="Output").click()
        assert shown.text(".views-state") == ""
        shown.cell("input", own(0, 0)).hover()
        shown.page.locator(".views-player").hover()
        assert shown.text(".views-title").startswith("y[0, 0, 0] =")  # back at the step of the player


def test_padding_says_where_its_value_comes_from(chromium: Any) -> None:
    circular = STATE | {"padding_mode": "circular"}
    with explorer(chromium, circular) as shown:
        assert shown.texts("input")[:PLACES] == ["−3", "0", "2", "1", "−3", "0"]
        corner = shown.cell("input", 0)
        corner.hover()
        assert corner.get_attribute("title") == "row −1, column −1: −3, padding: wrapped round from the other side"
        assert shown.lit("input", "source") == {own(3, 3)}
        assert shown.lit("input", "chief") == {0}
        assert shown.text(".views-title") == "x[0, 3, 3] = −3 (wrapped) feeds 1 output"


def test_arrows_walk_and_what_they_come_to_is_spoken(chromium: Any) -> None:
    with explorer(chromium, STATE) as shown:
        for grid in ("input", "output", "kernel"):
            assert shown.page.locator(f".views-{grid} .views-cell[tabindex='0']").count() == (2 if grid == "kernel" else 1)  # and the bias
        shown.cell("output", 0).focus()
        for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft", "End"):
            shown.page.keyboard.press(key)
        assert shown.page.evaluate("document.activeElement.dataset.key") == "11"
        assert shown.page.locator(".views-output .views-cell[tabindex='0']").count() == 1
        terms = fl.explain(SPEC, np.array(X), np.array(WEIGHT), np.array([7]))[0, 2, 3]
        assert shown.text(".views-title") == f"y[0, 2, 3] = {terms.total}"
        spoken = shown.page.locator("[aria-live=polite].views-hidden")
        spoken.filter(has_text=f"bias 7 = {terms.total}.").wait_for(state="attached")
        assert spoken.text_content().count(" times ") == 9
        shown.page.keyboard.press("Enter")
        assert shown.text(".views-state") == "pinned"
        shown.page.keyboard.press("ArrowUp")  # the pin comes along
        assert shown.text(".views-title").startswith("y[0, 1, 3] =")
        assert shown.text(".views-state") == "pinned"
        shown.page.keyboard.press("Escape")
        shown.page.keyboard.press("ArrowUp")
        assert shown.text(".views-title").startswith("y[0, 0, 3] =")
        assert shown.text(".views-state") == ""


def test_numbers_are_typed_and_what_is_none_is_told(chromium: Any) -> None:
    x, weight = np.array(X), np.array(WEIGHT)
    with explorer(chromium, STATE) as shown:
        shown.cell("input", own(1, 2)).dblclick()
        field = shown.page.locator(".views-editor")
        assert field.input_value() == "0"
        field.fill("much")
        field.press("Enter")
        assert "“much” is no number" in shown.text("[role=alert]")
        assert field.get_attribute("aria-invalid") == "true"
        field.fill("-2.5")
        field.press("Enter")
        x = x.astype(float)
        x[0, 1, 2] = -2.5
        shows(shown, [f"{value:g}".replace("-", "−") for value in fl.conv(SPEC, x, weight, np.array([7.0])).ravel()])
        assert shown.asked[-1]["x"] == {"values": x.tolist()}

        shown.cell("kernel", 4).focus()
        shown.page.keyboard.type("6")
        assert field.input_value() == "6"
        shown.page.keyboard.press("Escape")
        assert field.count() == 0
        assert shown.page.evaluate("document.activeElement.dataset.key") == "4"
        shown.page.keyboard.press("F2")
        field.fill("6")
        field.press("Enter")
        weight[0, 0, 1, 1] = 6
        shows(shown, [f"{value:g}".replace("-", "−") for value in fl.conv(SPEC, x, weight, np.array([7.0])).ravel()])
        assert shown.page.evaluate("document.activeElement.dataset.key") == "4"

        shown.page.locator(".views-biases .views-cell").click()
        shown.page.get_by_role("button", name="edit value").click()
        field.fill("−10")
        field.press("Enter")
        shows(shown, [f"{value:g}".replace("-", "−") for value in fl.conv(SPEC, x, weight, np.array([-10.0])).ravel()])


def test_long_numbers_are_shortened_to_their_cells(chromium: Any) -> None:
    weight = [[[[0.0660326, -0.5141], [0.00004, 0.33333]]]]
    state = {"kernel_size": [2, 2], "input_size": [24, 24], "weight": {"values": weight}}
    with explorer(chromium, state) as shown:
        assert shown.texts("kernel")[1] in ("−0.514", "−0.51", "−.51")
        outside = """() => [...document.querySelectorAll('.views-cell')].filter(cell => cell.firstChild instanceof Text).filter(cell => {
            const range = document.createRange();
            range.selectNodeContents(cell.firstChild);
            return range.getBoundingClientRect().width > cell.clientWidth;
        }).map(cell => cell.textContent)"""
        assert shown.page.evaluate(outside) == []
        patch = shown.page.eval_on_selector_all(".views-patch-kernel .views-cell", "cells => cells.map(cell => cell.textContent)")
        assert patch == ["0.066", "−0.514", "4e−5", "0.333"]
        assert float(shown.page.evaluate("getComputedStyle(document.querySelector('.views-patch .views-cell')).fontSize")[:-2]) >= 8


def test_painting_sets_every_cell_that_is_passed(chromium: Any) -> None:
    x = np.array(X)
    with explorer(chromium, STATE) as shown:
        shown.page.get_by_role("button", name="Paint").click()
        shown.page.get_by_label("Number that is painted").fill("9")
        boxes = [shown.cell("input", own(2, column)).bounding_box() for column in range(4)]
        middles = [(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in boxes if box]
        shown.page.mouse.move(*middles[0])
        shown.page.mouse.down()
        for middle in middles[1:3]:
            shown.page.mouse.move(*middle, steps=3)
        shown.page.mouse.up()
        shown.page.mouse.move(*middles[3])
        x[0, 2, :3] = 9
        shows(shown, outputs(x.tolist()))
        assert shown.text(".views-state") == ""
        shown.cell("input", own(0, 3)).focus()
        shown.page.keyboard.press(" ")
        x[0, 0, 3] = 9
        shows(shown, outputs(x.tolist()))


def test_the_player_steps_hides_what_is_not_computed_and_sums_up(chromium: Any) -> None:
    with explorer(chromium, STATE) as shown:
        whole = outputs()
        assert shown.texts("output") == whole
        forward, back = (shown.page.get_by_role("button", name=name) for name in ("Step forward", "Step back"))
        assert shown.text(".views-count") == "all 16 steps"
        for step in (1, 2, 3):
            forward.click()
            assert shown.texts("output") == whole[:step] + [""] * (16 - step)
        back.click()
        assert shown.texts("output") == whole[:2] + [""] * 14
        shown.page.get_by_role("slider", name="Step").fill("9")
        assert shown.texts("output") == whole[:9] + [""] * 7
        assert shown.text(".views-count") == "step 9 / 16"

        shown.page.get_by_role("button", name="by product").click()
        products = list(fl.explain(SPEC, np.array(X), np.array(WEIGHT), np.array([7]))[0, 2, 0].products)
        total = 0
        for product in products[:4]:
            total += int(product.product)
            assert shown.text(".views-result") == f"{total} so far".replace("-", "−")
            assert shown.texts("output")[8] == str(total).replace("-", "−")
            assert shown.lit("kernel", "now") == {int(np.ravel_multi_index(product.weight_index, (1, 1, 3, 3)))}
            forward.click()
        shown.page.get_by_role("button", name="Last step").click()
        assert shown.texts("output") == whole


def test_playing_goes_on_by_itself_and_ends(chromium: Any) -> None:
    with explorer(chromium, STATE, reduced_motion="reduce") as shown:
        shown.page.get_by_label("Speed").select_option("8")
        shown.page.evaluate("document.activeElement.blur()")
        before = [shown.page.locator(part).bounding_box() for part in (".views-formula", ".views-tabs", ".views-output")]
        shown.page.keyboard.press(" ")
        assert shown.page.get_by_role("button", name="Pause").count() == 1
        shown.page.wait_for_function("() => document.querySelector('.views-count').textContent.startsWith('step 5 ')")
        shown.cell("output", 15).hover()
        assert not shown.text(".views-title").startswith("y[0, 3, 3]")  # the pointer does not disturb it
        shown.page.wait_for_function("() => document.querySelector('.views-count').textContent.startsWith('step 16 ')")
        shown.page.get_by_role("button", name="Play").wait_for()
        assert shown.texts("output") == outputs()
        assert before == [shown.page.locator(part).bounding_box() for part in (".views-formula", ".views-tabs", ".views-output")]
        assert shown.page.evaluate("getComputedStyle(document.querySelector('.views-frame')).transitionDuration") == "0s"


def test_a_transposed_layer_is_read_both_ways(chromium: Any) -> None:
    x, weight = np.array([[[1, -2], [3, 4]]]), np.array([[[[1, 2], [-1, 3]]]])
    state = {
        "transposed": True, "input_size": [2, 2], "kernel_size": [2, 2], "x": {"values": x.tolist()}, "weight": {"values": weight.tolist()},
    }  # fmt: skip
    expected = [str(value).replace("-", "−") for value in fl.conv("conv_transpose2d(1, 1, 2, bias=False)", x, weight).ravel()]
    with explorer(chromium, state) as shown:
        assert shown.texts("output") == expected
        assert shown.lit("output") == set()  # no stamp is shown beside the sums at the end
        stamped = np.zeros((3, 3), int)
        for column in (0, 1):
            shown.page.get_by_role("button", name="Step forward").click()
            stamped[:2, column : column + 2] += x[0, 0, column] * weight[0, 0]
            assert shown.texts("output") == [str(value).replace("-", "−") for value in stamped.ravel()]
        assert shown.text(".views-title") == "x[0, 0, 1] = −2 feeds 4 outputs"
        shown.page.get_by_role("button", name=re.compile("gather")).click()
        shown.page.locator(".views-input .views-cell[data-origin]").first.wait_for()
        assert shown.asked[-1]["reading"] == "gather"
        assert shown.texts("output") == expected
        assert shown.text(".views-title").startswith("y[0, 0, 0] = 1")


def test_two_stages_are_switched_between(chromium: Any) -> None:
    state = {
        "in_channels": 2, "out_channels": 2, "groups": 2, "kernel_size": [2, 2], "input_size": [3, 3],
        "then": [{"kernel_size": [1, 1], "out_channels": 3}],
    }  # fmt: skip
    with explorer(chromium, state) as shown:
        middle = shown.texts("output")
        shown.cell("output", 5).click()
        shown.page.get_by_role("button", name=re.compile("^2. pointwise")).click()
        assert shown.texts("input") == middle
        assert shown.text(".views-title") == f"x[1, 0, 1] = {middle[5]} feeds 3 outputs"  # the pinned output is an input now
        values = shown.page.evaluate("store.answer.state.values")
        weights = [np.array(values["weight"]), np.array(values["then"][0]["weight"])]
        between = fl.conv("conv2d(2, 2, 2, groups=2, bias=False)", np.array(values["x"]), weights[0])
        result = fl.conv("conv2d(2, 3, 1, bias=False)", between, weights[1])
        assert middle == [str(value).replace("-", "−") for value in between.ravel()]
        assert shown.texts("output") == [str(value).replace("-", "−") for value in result.ravel()]
        shown.cell("kernel", 5).dblclick()
        shown.page.locator(".views-editor").fill("4")
        shown.page.locator(".views-editor").press("Enter")
        weights[1][2, 1] = 4
        shows(shown, [str(value).replace("-", "−") for value in fl.conv("conv2d(2, 3, 1, bias=False)", between, weights[1]).ravel()])


def test_touch_pins(chromium: Any) -> None:
    with explorer(chromium, STATE, has_touch=True, viewport={"width": 390, "height": 800}) as shown:
        shown.cell("output", 6).tap()
        assert shown.text(".views-state") == "pinned"
        assert shown.text(".views-title").startswith("y[0, 1, 2] =")
        shown.cell("output", 6).tap()
        assert shown.text(".views-state") == ""
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_nothing_keeps_anybody_out(chromium: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    off = {"rules": {"region": {"enabled": False}, "page-has-heading-one": {"enabled": False}}}
    contrast = {"runOnly": ["color-contrast"]}
    state = {
        "in_channels": 2,
        "out_channels": 2,
        "groups": 2,
        "padding": [[1, 0], [1, 0]],
        "stride": [2, 2],
        "bias": True,
        "input_size": [4, 4],
    }
    with explorer(chromium, state) as shown:

        def check(context: str, options: dict[str, Any]) -> None:
            found = axe.run(shown.page, context=context, options=options)
            assert found.violations_count == 0, found.generate_report()

        shown.cell("output", 0).click()
        check("main", off)
        play, chosen = shown.page.get_by_role("button", name="Play"), shown.page.get_by_role("button", name="numbers")
        for button in (play, chosen):
            button.hover()
            check("main", contrast)
        shown.page.evaluate("document.getElementById('root').dataset.theme = 'dark'")
        check("main", contrast)
        for tab in ("As a matrix", "Table"):
            shown.page.get_by_role("tab", name=tab).click()
            shown.page.wait_for_function("() => !store.busy")
            check(".views-tabs", off)
