"""`plot_output_against_input`: both drawn to one measure, the output being that of `fl.conv`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import faltung as fl
from faltung.errors import ConvShapeError, ConvTypeError
from faltung.viz.plots import plot_output_against_input
from tests.viz.plots.drawn import rectangles


def integers(*shape: int) -> Any:
    return np.random.default_rng(3).integers(-9, 10, shape).astype(float)


def test_images_have_cells_of_one_size_side_by_side(ax: Any) -> None:
    spec = fl.ConvSpec.parse("conv2d(2, 4, 3, groups=2, stride=2)")
    x, weight, bias = integers(2, 2, 9, 12), integers(4, 1, 3, 3), integers(4)
    assert plot_output_against_input(spec, x, weight, bias, ax=ax, sample=1, out_channel=3) is ax
    before, after = ax.images
    np.testing.assert_array_equal(before.get_array(), x[1, 1])  # the channel that output channel 3 sees
    np.testing.assert_array_equal(after.get_array(), fl.conv(spec, x, weight, bias)[1, 3])
    assert before.get_extent() == [0, 12, 9, 0]
    left, right, bottom, top = after.get_extent()
    assert (right - left, bottom - top) == (5, 4)
    assert left > 12
    assert (top + bottom) / 2 == 4.5
    assert ax.get_aspect() == 1
    assert rectangles(ax) == [(0, 0, 12, 9), (left, top, 5, 4)]
    assert [text.get_text() for text in ax.texts] == ["input\n(2, 2, 9, 12)\nchannel 1", "output\n(2, 4, 4, 5)\nchannel 3"]
    assert [bar.get_ylabel() for bar in ax.child_axes] == ["input", "output"]


def test_each_side_has_its_own_scale(ax: Any) -> None:
    plot_output_against_input("conv2d(1, 1, 1)", np.array([[[1.0, 3]]]), [[[[-2]]]], ax=ax)
    assert [(image.norm.vmin, image.norm.vmax, image.cmap.name) for image in ax.images] == [(0, 3, "gray"), (-6, 6, "RdBu_r")]


def test_three_channels_are_drawn_as_colours(ax: Any) -> None:
    x = np.array([[[0, 255]], [[51, 0]], [[0, 102]]], np.uint8)
    plot_output_against_input("conv2d(3, 1, 1)", x, np.ones((1, 3, 1, 1)), ax=ax)
    np.testing.assert_allclose(ax.images[0].get_array(), [[[0, 0.2, 0], [1, 0, 0.4]]])
    assert len(ax.child_axes) == 1
    ax.clear()
    plot_output_against_input("conv2d(3, 1, 1)", x, np.ones((1, 3, 1, 1)), ax=ax, in_channel=-1)
    np.testing.assert_array_equal(ax.images[0].get_array(), x[2])


@pytest.mark.parametrize(
    ("spec", "at_input", "at_output"),
    [
        ("conv1d(1, 1, 3)", [0, 1, 2, 3, 4, 5], [1, 2, 3, 4]),
        ("conv1d(1, 1, 3, padding=1)", [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]),
        ("conv1d(1, 1, 2, stride=2)", [0, 1, 2, 3, 4, 5], [0.5, 2.5, 4.5]),
        ("conv1d(1, 1, 3, padding='causal')", [0, 1, 2, 3, 4, 5], [-1, 0, 1, 2, 3, 4]),
        ("conv1d(1, 1, 6)", [0, 1, 2, 3, 4, 5], [2.5]),
        ("conv_transpose1d(1, 1, 3, stride=2, padding=1)", [0, 2, 4, 6, 8, 10], list(range(11))),
        ("conv_transpose1d(1, 1, 2, stride=2)", [0.5, 2.5, 4.5, 6.5, 8.5, 10.5], list(range(12))),
    ],
)
def test_curves_stand_where_their_windows_lie(ax: Any, spec: str, at_input: list[float], at_output: list[float]) -> None:
    parsed = fl.ConvSpec.parse(spec)
    x, weight = integers(1, 6), integers(*parsed.weight_shape)
    plot_output_against_input(parsed, x, weight, ax=ax)
    before, after = ax.lines
    assert before.get_xdata().tolist() == at_input
    assert after.get_xdata().tolist() == at_output
    np.testing.assert_array_equal(before.get_ydata(), x[0])
    np.testing.assert_array_equal(after.get_ydata(), fl.conv(parsed, x, weight)[0])
    assert before.get_linestyle() != after.get_linestyle()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["input (1, 6)", f"output (1, {len(at_output)})"]
    assert ax.get_xlabel() == ("position on the output" if parsed.transposed else "position on the input")


def test_what_is_not_finite(ax: Any) -> None:
    plot_output_against_input("conv1d(1, 1, 2)", [[1.0, np.inf, 2, 3]], [[[1, 1]]], ax=ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["input (1, 4), 1 not finite", "output (1, 3), 2 not finite"]
    ax.clear()
    plot_output_against_input("conv2d(1, 1, 1)", [[[1.0, np.nan]]], [[[[1]]]], ax=ax)
    assert len(ax.images) == 4
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("spec", "x", "options", "error", "message"),
    [
        ("conv3d(1, 1, 1)", (1, 2, 2, 2), {}, ConvShapeError, "has 3 axes; one or two can be drawn"),
        ("conv2d(2, 1, 1)", (1, 2, 2), {}, ConvShapeError, "input has 1 channels"),
        ("conv2d(1, 1, 1)", (0, 1, 2, 2), {}, ConvShapeError, r"x has shape \(0, 1, 2, 2\)"),
        ("conv2d(1, 1, 1)", (2, 1, 2, 2), {"sample": 2}, ConvShapeError, "sample=2 is out of range: there are 2.\n  Use -2 to 1."),
        ("conv2d(1, 1, 1)", (1, 2, 2), {"out_channel": 1}, ConvShapeError, "out_channel=1 is out of range"),
        ("conv2d(1, 1, 1)", (1, 2, 2), {"in_channel": "a"}, ConvShapeError, "in_channel='a' is of type str"),
        (7, (1, 2, 2), {}, ConvTypeError, "spec is of type int"),
    ],
)
def test_bad_arguments(ax: Any, spec: Any, x: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    shape = fl.ConvSpec.parse(spec).weight_shape if isinstance(spec, str) else (1,)
    with pytest.raises(error, match=message):
        plot_output_against_input(spec, np.ones(x), np.ones(shape), ax=ax, **options)


def test_complex_numbers_are_refused(ax: Any) -> None:
    with pytest.raises(ConvTypeError, match="complex"):
        plot_output_against_input("conv1d(1, 1, 1)", [[1.0]], [[[1j]]], ax=ax)
