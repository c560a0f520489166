"""Every control reaches the convolution: what comes out is PyTorch's, which the page's own code says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.app.whole.conftest import Open
from tests.app.whole.reader import Reader

torch = pytest.importorskip("torch")


def layer_of(reader: Reader) -> Any:
    """The layer that the page's code for PyTorch makes."""
    names: dict[str, Any] = {}
    exec(reader.code("PyTorch"), names)
    return next(value for value in names.values() if isinstance(value, torch.nn.Module))


# What is done, and the layer that is then meant, with its input.
Case = tuple[list[Callable[[Reader], None]], Callable[[], Any], tuple[int, ...]]
CASES: dict[str, Case] = {
    "sizes": (
        [lambda r: r.set("Input size, height", 7), lambda r: r.set("Input size, width", 16), lambda r: r.set("Kernel size, width", 4)],
        lambda: torch.nn.Conv2d(1, 1, (3, 4), bias=False),
        (1, 7, 16),
    ),
    "stride and dilation": (
        [lambda r: r.set("Input size, height", 9), lambda r: r.set("Stride, height", 2), lambda r: r.set("Dilation, width", 2)],
        lambda: torch.nn.Conv2d(1, 1, 3, stride=(2, 1), dilation=(1, 2), bias=False),
        (1, 9, 5),
    ),
    "channels, groups, bias": (
        [
            lambda r: r.set("Input channels", 4),
            lambda r: r.set("Output channels", 6),
            lambda r: r.press("Groups: more"),
            lambda r: r.tick("Bias"),
        ],
        lambda: torch.nn.Conv2d(4, 6, 3, groups=2),
        (4, 5, 5),
    ),
    "padding": (
        [lambda r: r.set("Padding, height, both sides", 2), lambda r: r.choose("Padding mode", "reflect")],
        lambda: torch.nn.Conv2d(1, 1, 3, padding=(2, 0), padding_mode="reflect", bias=False),
        (1, 5, 5),
    ),
    "padding by rule": (
        [lambda r: r.choose("Padding", "same"), lambda r: r.set("Kernel size, height", 5)],
        lambda: torch.nn.Conv2d(1, 1, (5, 3), padding="same", bias=False),
        (1, 5, 5),
    ),
    "transposed": (
        [lambda r: r.tick("Transposed"), lambda r: r.set("Stride, height", 3), lambda r: r.set("Output padding, height", 2)],
        lambda: torch.nn.ConvTranspose2d(1, 1, 3, stride=(3, 1), output_padding=(2, 0), bias=False),
        (1, 5, 5),
    ),
    "one axis": (
        [lambda r: r.choose("Dimensions", "1"), lambda r: r.set("Input size, length", 8)],
        lambda: torch.nn.Conv1d(1, 1, 3, bias=False),
        (1, 8),
    ),
    "three axes": (
        [lambda r: r.choose("Dimensions", "3"), lambda r: r.set("Kernel size, depth", 2)],
        lambda: torch.nn.Conv3d(1, 1, (2, 3, 3), bias=False),
        (1, 5, 5, 5),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_controls_make_the_layer_that_is_meant(reader: Reader, name: str) -> None:
    steps, meant, size = CASES[name]
    for step in steps:
        step(reader)
    layer = meant()
    assert reader.problem() == ""
    assert reader.fact("output") == " × ".join(map(str, layer(torch.zeros(1, *size)).shape[1:]))
    assert reader.fact("parameters") == str(sum(parameter.numel() for parameter in layer.parameters()))
    assert repr(layer_of(reader)) == repr(layer)


def test_each_side_has_padding_of_its_own(open_page: Open) -> None:
    reader = open_page()  # the tick outlives the state, and would hide the fields for both sides from other tests
    reader.tick("each side by itself")
    reader.set("Padding, width, after", 3)
    assert reader.fact("output") == "1 × 3 × 6"
    assert reader.fragment == "padding=0x0,3"
    reader.set("Padding, width, after", -1)
    assert reader.fact("output") == "1 × 3 × 2"


def test_the_slider_goes_from_standard_to_depthwise(reader: Reader) -> None:
    reader.go("in_channels=6&out_channels=12")
    slider = reader.page.get_by_role("slider", name="From standard through grouped to depthwise")
    seen = []
    for _ in range(4):
        seen.append((slider.get_attribute("aria-valuetext"), reader.fact("parameters")))
        slider.press("ArrowRight")
        reader.settle()
    # 12 outputs, each of 6, 3, 2, 1 inputs of 9 weights
    assert seen == [("1: standard", "648"), ("2: grouped", "324"), ("3: grouped", "216"), ("6: depthwise", "108")]


def test_steps_up_and_down_and_what_is_no_number(reader: Reader) -> None:
    reader.press("Stride, height: more")
    reader.press("Stride, height: more")
    reader.press("Stride, height: less")
    assert reader.fact("output") == "1 × 2 × 3"
    field = reader.page.get_by_role("spinbutton", name="Stride, height", exact=True)
    field.fill("")
    field.blur()
    assert field.input_value() == "2"
    field.fill("999")
    field.blur()
    reader.settle()
    assert field.input_value() == "16"


def test_flipped_kernels_are_another_convolution(reader: Reader) -> None:
    reader.go("x=[[[0,0,0],[0,1,0],[0,0,0]]]&weight=[[[[1,2,3],[4,5,6],[7,8,9]]]]&input_size=3x3&padding=1x1")
    written = reader.page.locator(".views-output .views-cell")
    # An impulse shows the kernel: reversed by a correlation, as it is by a convolution.
    assert [cell.inner_text() for cell in written.all()][:9] == list("987654321")
    reader.tick("Flip the kernel")
    assert [cell.inner_text() for cell in written.all()][:9] == list("123456789")


def test_kernels_and_inputs_by_name(reader: Reader) -> None:
    reader.choose("Input values", "=impulse")
    reader.choose("Weights", "=gaussian")
    assert "x=impulse" in reader.fragment
    assert "weight=gaussian" in reader.fragment
    reader.choose("Weights", "=sobel_x")
    assert reader.page.locator(".views-kernel .views-cell").all_inner_texts()[:9] == ["−1", "0", "1", "−2", "0", "2", "−1", "0", "1"]
    reader.choose("Weights", "")
    assert "weight" not in reader.fragment


def test_presets_are_taken_and_named(reader: Reader) -> None:
    kinds = reader.page.get_by_role("group", name="Kind of convolution").get_by_role("button")
    assert kinds.count() >= 2
    for kind in kinds.all():
        kind.click()
        reader.settle()
        assert reader.problem() == ""
        assert kind.get_attribute("aria-pressed") == "true"
    reader.set("Input size, height", 15)
    assert reader.page.get_by_role("group", name="Kind of convolution").get_by_role("button", pressed=True).count() == 0


def test_constructors_are_read(reader: Reader) -> None:
    reader.go("input_size=9x9")
    field = reader.page.get_by_role("textbox", name="Paste a PyTorch constructor")
    field.fill("torch.nn.Conv2d(3, 8, kernel_size=5, stride=2, padding=1)")
    field.press("Enter")
    reader.until(lambda: "out_channels=8" in reader.fragment)
    assert repr(layer_of(reader)) == repr(torch.nn.Conv2d(3, 8, 5, stride=2, padding=1))
    field.fill("<img src=x onerror=alert(1)>")
    field.press("Enter")
    reader.page.locator(".wrong", has_text="<img src=x").wait_for()
    assert reader.page.locator("img[src=x]").count() == 0
    field.fill("http://127.0.0.1:8765/#stride=3x3")
    field.press("Enter")
    reader.until(lambda: reader.fragment == "stride=3x3")
