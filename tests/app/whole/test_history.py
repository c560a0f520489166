"""Ways back: undo, redo, reset, the browser's back button, reloading, and addresses that say nonsense."""

from __future__ import annotations

import pytest

from tests.app.whole.conftest import Open
from tests.app.whole.reader import Reader


def test_undo_and_redo_by_button_and_key(open_page: Open) -> None:
    reader = open_page()
    reader.set("Input size, height", 9)
    reader.set("Stride, height", 2)
    reader.press("Undo")
    assert reader.fragment == "input_size=9x5"
    reader.page.keyboard.press("Control+z")
    reader.settle()
    assert reader.fragment == ""
    assert reader.page.get_by_role("button", name="Undo", exact=True).is_disabled()
    reader.page.keyboard.press("Control+Shift+Z")
    reader.page.keyboard.press("Control+y")
    reader.settle()
    assert reader.fragment == "input_size=9x5&stride=2x1"
    assert reader.fact("output") == "1 × 4 × 3"
    reader.press("Reset")
    assert (reader.fragment, reader.fact("output")) == ("", "1 × 3 × 3")
    reader.press("Undo")
    assert reader.fact("output") == "1 × 4 × 3"


def test_a_gesture_is_one_step(open_page: Open) -> None:
    reader = open_page()
    reader.page.evaluate("window.told = performance.now(); performance.now = () => window.told;")  # else slow machines make two of it
    more = reader.page.get_by_role("button", name="Input size, height: more")
    for _ in range(6):
        more.click()
    reader.settle()
    assert reader.fragment == "input_size=11x5"
    reader.page.evaluate("window.told += 800")
    more.click()
    reader.settle()
    assert reader.fragment == "input_size=12x5"
    reader.press("Undo")
    assert reader.fragment == "input_size=11x5"
    reader.press("Undo")
    assert reader.fragment == ""


def test_back_and_forward_of_the_browser(open_page: Open) -> None:
    reader = open_page()
    reader.set("Input size, height", 9)
    reader.tick("Bias")
    reader.page.go_back()
    reader.until(lambda: "bias" not in reader.fragment)
    assert reader.fact("parameters") == "9"
    reader.page.go_forward()
    reader.until(lambda: "bias" in reader.fragment)
    assert reader.fact("parameters") == "10"


def test_everything_is_in_the_address(open_page: Open) -> None:
    told = (
        "ndim=1&in_channels=2&out_channels=4&input_size=9&kernel_size=2&stride=3&padding=1,0&padding_mode=circular&dilation=2&groups=2"
        "&bias=true&flip=true&x=noise&weight=[[[1,2]],[[3,4]],[[5,6]],[[7,-8.5]]]"
    )
    reader = open_page(told)
    assert reader.problem() == ""
    before = reader.facts(), reader.code("NumPy")
    reader.page.reload()
    reader.settle()
    assert (reader.facts(), reader.code("NumPy")) == before
    reader.press("Input size, length: more")
    assert reader.fragment == told.replace("input_size=9", "input_size=10")  # in the state's own order, nothing lost


@pytest.mark.parametrize("fragment", [
    "stride=foo", "padding_mode=%3Cb%3E", "x=[[1", "then=7", "kernel_size=999999999", "groups=-1", "ndim=9", "padding=1,2,3x4",
    "%E0%A4%A=1&stride=%E0%A4%A", "input_size=5x5x5x5", "weight={}", "bias_values=[1e999]", "in_channels=0",
])  # fmt: skip
def test_nonsense_in_the_address_is_told_and_left(reader: Reader, fragment: str) -> None:
    reader.go(fragment)
    assert reader.problem() != "", fragment
    reader.page.locator(".remedies button").last.click()
    reader.settle()
    assert reader.problem() == ""
    assert reader.fact("output") == "1 × 3 × 3"


def test_two_layers_are_in_the_address_and_each_has_controls(reader: Reader) -> None:
    reader.press("Depthwise separable")
    assert reader.fragment == 'in_channels=3&out_channels=3&groups=3&then=[{"out_channels":4,"kernel_size":[1,1]}]'
    reader.press("Layer 2")
    reader.set("Output channels", 5)
    assert '"out_channels":5' in reader.fragment
    reader.page.reload()
    reader.settle()
    assert reader.page.locator(".summary div").first.inner_text() == "output\n5 × 3 × 3"
    reader.press("Layer 2")
    assert reader.page.get_by_role("spinbutton", name="Kernel size, height").input_value() == "1"
