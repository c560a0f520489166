"""`plot_receptive_field`: its frames and its weighting, against gradients of the convolutions themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import faltung as fl
from faltung.errors import ConvShapeError, ConvSpecError, ConvTypeError
from faltung.viz.plots import plot_receptive_field
from faltung.viz.plots.reach import axis_reach

MODES = ("zeros", "circular", "reflect", "replicate", "symmetric")


def paths_by_gradient(layers: Sequence[fl.ConvSpec], size: tuple[int, int], at: tuple[int, int]) -> Any:
    """How often each input cell enters an output of layers whose weights are all one: the gradient."""
    sizes = [size]
    for layer in layers:
        sizes.append(layer.output_size(sizes[-1]))
    gradient = np.zeros((1, layers[-1].out_channels, *sizes[-1]), np.int64)
    gradient[0, 0, *at] = 1
    for layer, cells in zip(reversed(layers), reversed(sizes[:-1]), strict=True):
        gradient = fl.conv_input_grad(layer, gradient, np.ones(layer.weight_shape, np.int64), cells)
    return gradient[0, 0]


def random_layers(seed: int) -> tuple[list[fl.ConvSpec], tuple[int, int]]:
    rng = np.random.default_rng(seed)

    def pair(least: int, most: int) -> tuple[int, int]:
        first, second = rng.integers(least, most + 1, 2)
        return int(first), int(second)

    size = pair(9, 12)
    layers: list[fl.ConvSpec] = []
    reached = size
    while len(layers) < 3:
        layer = fl.ConvSpec(
            1, 1, pair(1, 4), stride=pair(1, 3), padding=(pair(-1, 3), pair(-1, 3)), dilation=pair(1, 2),
            padding_mode=str(rng.choice(MODES)), transposed=bool(rng.random() < 0.3), bias=False,
        )  # fmt: skip
        try:
            reached = layer.output_size(reached)
        except ConvShapeError:
            continue
        layers.append(layer)
    return layers, size


@pytest.mark.parametrize("seed", range(40))
def test_paths_are_the_gradient_of_layers_of_ones(seed: int) -> None:
    layers, size = random_layers(seed)
    output_size = size
    for layer in layers:
        output_size = layer.output_size(output_size)
    rng = np.random.default_rng(seed)
    at = tuple(int(rng.integers(cells)) for cells in output_size)
    modes = [layer.padding_mode for layer in layers]
    reaches = [axis_reach([layer.axes[axis] for layer in layers], modes, size[axis], at[axis]) for axis in (0, 1)]
    counted = [[reach.paths.get(cell, 0) for cell in range(cells)] for reach, cells in zip(reaches, size, strict=True)]
    np.testing.assert_array_equal(np.outer(*counted), paths_by_gradient(layers, size, at))


@pytest.mark.parametrize("seed", range(40))
def test_the_window_is_that_of_an_output_far_from_every_border(seed: int) -> None:
    layers, _ = random_layers(seed)
    axes, modes = [layer.axes[0] for layer in layers], ["zeros"] * len(layers)
    small = 9
    sizes = [small]
    try:
        for axis in axes:
            sizes.append(axis.output_size(sizes[-1]))
    except ConvShapeError:
        sizes = []
    # So many cells more on both sides move outputs by a whole number of strides of every layer.
    extra = 216
    shift = float(extra)
    for axis in axes:
        shift = shift * axis.stride if axis.transposed else shift / axis.stride
    for output in range(sizes[-1] if sizes else 0):
        window = axis_reach(axes, modes, small, output).window
        far = axis_reach(axes, modes, small + 2 * extra, output + int(shift))
        assert far.seen == far.window
        assert window == (None if far.seen is None else (far.seen[0] - extra, far.seen[1] - extra))


def frames(ax: Any) -> list[tuple[float, float, float, float, str]]:
    styles = {True: "solid", False: "dashed"}
    return [(*box.get_xy(), box.get_width(), box.get_height(), styles[box.get_linestyle() in ("-", "solid")]) for box in ax.patches]


def test_frames_of_an_output_at_the_border_go_on_into_the_padding(ax: Any) -> None:
    layers = ["conv2d(1, 2, (3, 5), padding=(1, 2))", fl.ConvSpec(2, 1, 3, stride=2, padding=1, ndim=2)]
    assert plot_receptive_field(layers, np.zeros((10, 12)), (0, 2), ax=ax) is ax
    # Rows -2 … 2 and columns 4-1-2 … 4+1+2.
    assert frames(ax) == [(1, 0, 7, 3, "solid"), (1, -2, 7, 5, "dashed")]
    assert ax.get_title() == "output (0, 2) of 5×6 sees 5×7 cells, 3×7 in the image"
    (low, high), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert low <= 0
    assert high >= 12
    assert bottom >= 10
    assert top <= -2


def test_one_frame_where_all_of_it_lies_in_the_image(ax: Any) -> None:
    plot_receptive_field("conv2d(3, 8, 3, dilation=2)", np.zeros((3, 9, 9)), ax=ax)
    assert frames(ax) == [(2, 2, 5, 5, "solid")]  # the middle one of 5 by 5
    assert ax.get_title() == "output (2, 2) of 5×5 sees 5×5 pixels"
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 9), (9, 0))


def test_an_output_of_padding_alone(ax: Any) -> None:
    plot_receptive_field("conv2d(1, 1, 1, padding=1)", np.zeros((3, 3)), (0, 0), ax=ax, paths=True)
    assert frames(ax) == [(-1, -1, 1, 1, "dashed")]
    assert ax.get_title() == "output (0, 0) of 5×5 sees 1×1 pixels of padding"
    assert len(ax.images) == 1


def test_an_output_that_no_tap_reaches(ax: Any) -> None:
    plot_receptive_field("conv_transpose2d(1, 1, 1, stride=2)", np.zeros((3, 3)), (1, 2), ax=ax, paths=True)
    assert frames(ax) == []
    assert ax.get_title() == "output (1, 2) of 5×5 sees nothing"


def test_the_weighting_lies_on_its_pixels(ax: Any) -> None:
    layers = ["conv2d(1, 1, 3)", "conv2d(1, 1, (3, 1))"]
    plot_receptive_field(layers, np.arange(80.0).reshape(8, 10), (1, 4), ax=ax, paths=True)
    _, weighting = ax.images
    assert weighting.get_extent() == [4, 7, 6, 1]
    np.testing.assert_allclose(weighting.get_array(), np.outer([1 / 3, 2 / 3, 1, 2 / 3, 1 / 3], [1, 1, 1]))
    assert 0 < weighting.get_alpha() < 1
    assert ax.child_axes[0].get_ylabel() == "paths / 3"


def test_holes_of_a_dilated_kernel_have_no_path(ax: Any) -> None:
    plot_receptive_field("conv2d(1, 1, (1, 2), dilation=3)", np.zeros((5, 9)), (2, 1), ax=ax, paths=True)
    assert np.ma.getmaskarray(ax.images[1].get_array()).tolist() == [[False, True, True, False]]


def test_pixels_wrapped_into_the_padding_count_but_are_not_framed(ax: Any) -> None:
    plot_receptive_field("conv2d(1, 1, 3, padding=1, padding_mode='circular')", np.zeros((6, 6)), (0, 3), ax=ax, paths=True)
    assert frames(ax) == [(2, 0, 3, 2, "solid"), (2, -1, 3, 3, "dashed")]
    assert (ax.images[1].get_array() > 0).any(axis=1).filled(False).tolist() == [True, True, False, False, False, True]


def test_many_layers_have_more_paths_than_a_float_can_count(ax: Any) -> None:
    plot_receptive_field(["conv2d(1, 1, 3, padding=1)"] * 330, np.zeros((8, 8)), ax=ax, paths=True)
    shares = ax.images[1].get_array()
    assert shares.max() == 1
    assert shares.min() > 0
    assert ax.child_axes[0].get_ylabel().startswith("paths / 10^3")
    ax.figure.canvas.draw()


@pytest.mark.parametrize("shape", [(4, 6), (1, 4, 6), (3, 4, 6), (4, 6, 3)])
def test_images_of_any_layout(ax: Any, shape: tuple[int, ...]) -> None:
    image = np.arange(np.prod(shape), dtype=float).reshape(shape)
    plot_receptive_field("conv2d(1, 1, 3)", image, ax=ax)
    assert ax.images[0].get_extent() == [0, 6, 4, 0]
    shown = np.asarray(ax.images[0].get_array())
    if 3 in shape:
        np.testing.assert_allclose(shown, (image if shape[-1] == 3 else np.moveaxis(image, 0, -1)) / 255)
    else:
        np.testing.assert_array_equal(shown, image.reshape(4, 6))


def test_pixels_that_are_not_finite(ax: Any) -> None:
    plot_receptive_field("conv2d(1, 1, 3)", [[np.nan] * 4, [np.inf] * 4, [0, 1, 1e308, -1e308]], ax=ax)
    assert (ax.images[1].get_array()[..., 3] > 0).sum() == 8 * 4
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("specs", "image", "at", "error", "message"),
    [
        ([], (8, 8), None, ConvTypeError, "specs of type list names no convolution"),
        (7, (8, 8), None, ConvTypeError, "specs of type int"),
        (["conv2d(1, 2, 3)", "conv2d(1, 2, 3)"], (8, 8), None, ConvShapeError, r"specs\[1\].*takes 1 channels, the one before gives 2"),
        ("conv1d(1, 1, 3)", (8, 8), None, ConvShapeError, "has 1 axes, an image has 2"),
        ("conv2d(1, 1, 9)", (8, 8), None, ConvShapeError, "no output along axis 0"),
        ("conv2d(1, 1", (8, 8), None, ConvSpecError, "."),
        ("conv2d(1, 1, 3)", (2, 8, 8), None, ConvShapeError, r"image has shape \(2, 8, 8\)"),
        ("conv2d(1, 1, 3)", (0, 8), None, ConvShapeError, "no cell"),
        ("conv2d(1, 1, 3)", (8, 8), (6, 0), ConvShapeError, "at has row 6, the output 6 rows.\n  Use -6 to 5."),
        ("conv2d(1, 1, 3)", (8, 8), (0, -7), ConvShapeError, "at has column -7"),
        ("conv2d(1, 1, 3)", (8, 8), 3, ConvShapeError, "at=3 is no pair"),
        ("conv2d(1, 1, 3)", (8, 8), (1.0, 2), ConvShapeError, "at, the row,=1.0 is of type float"),
    ],
)
def test_bad_arguments(ax: Any, specs: Any, image: tuple[int, ...], at: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plot_receptive_field(specs, np.zeros(image), at, ax=ax)
