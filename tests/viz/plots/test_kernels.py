"""`plot_kernels`: which weight is drawn where, in what colour, and what is said of the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from faltung.errors import ConvShapeError, ConvTypeError
from faltung.viz.plots import plot_kernels
from tests.viz.plots.drawn import labels, pixels, rectangles


def weights(*shape: int) -> Any:
    return np.arange(1, np.prod(shape) + 1, dtype=np.float64).reshape(shape) * np.where(np.arange(np.prod(shape)) % 2, 1, -1).reshape(shape)


def test_rows_are_output_and_columns_input_channels(ax: Any) -> None:
    weight = weights(3, 2, 2, 4)
    assert plot_kernels(weight, ax=ax) is ax
    (image,) = ax.images
    cells = image.get_array()
    assert cells.shape == (3 * 3 - 1, 2 * 5 - 1)
    for oc, ic in np.ndindex(3, 2):
        tile = cells[oc * 3 : oc * 3 + 2, ic * 5 : ic * 5 + 4]
        assert not np.ma.getmaskarray(tile).any()
        np.testing.assert_array_equal(tile.data, weight[oc, ic])
    assert cells.count() == weight.size  # nothing but the weights is drawn
    assert image.get_extent() == [0, 9, 8, 0]
    assert sorted(rectangles(ax)) == sorted((ic * 5, oc * 3, 4, 2) for oc in range(3) for ic in range(2))
    assert labels(ax.yaxis) == {1: "0", 4: "1", 7: "2"}
    assert labels(ax.xaxis) == {2: "0", 7: "1"}
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("output channel", "input channel of the group")
    assert ax.get_title() == "3×2 kernels 2×4"


def test_zero_is_in_the_middle_of_one_scale(ax: Any) -> None:
    plot_kernels(np.array([[[[1.0, -4.0, 0.0]]]]), ax=ax)
    (image,) = ax.images
    assert (image.norm.vmin, image.norm.vmax) == (-4, 4)
    positive, negative, zero = pixels(image)[0]
    assert positive[0] > positive[2]  # red
    assert negative[2] > negative[0]  # blue
    assert np.ptp(zero[:3]) < 0.01
    (bar,) = ax.child_axes
    assert bar.get_ylabel() == "weight"
    assert bar.get_ylim() == (-4, 4)


def test_vmax_and_cmap_are_the_callers(ax: Any) -> None:
    plot_kernels(weights(2, 2, 3, 3), ax=ax, vmax=7, cmap="PuOr", colorbar=False)
    assert (ax.images[0].norm.vmin, ax.images[0].norm.vmax, ax.images[0].cmap.name) == (-7, 7, "PuOr")
    assert ax.child_axes == []


def test_what_is_left_out_is_said(ax: Any) -> None:
    plot_kernels(weights(5, 4, 1, 1), ax=ax, max_channels=3)
    assert ax.get_title() == "5×4 kernels 1×1\nfirst 3 of 5 rows, first 3 of 4 columns"
    np.testing.assert_array_equal(ax.images[0].get_array(), weights(5, 4, 1, 1)[:3, :3, 0, 0])  # no gaps in a matrix


def test_kernels_with_one_input_channel_stand_in_a_grid(ax: Any) -> None:
    weight = weights(5, 1, 2, 2)
    plot_kernels(weight, ax=ax)
    cells = ax.images[0].get_array()
    assert cells.shape == (5, 8)
    np.testing.assert_array_equal(cells[3:5, 0:2], weight[3, 0])
    assert np.ma.getmaskarray(cells[3:5, 6:8]).all()  # two rows of three have one place too many
    assert labels(ax.yaxis) == {1: "0", 4: "3"}


def test_planes_of_a_kernel_stand_side_by_side(ax: Any) -> None:
    weight = weights(2, 2, 3, 1, 2)
    plot_kernels(weight, ax=ax)
    cells = ax.images[0].get_array()
    # Planes two cells wide with one between them, kernels three apart, rows two.
    assert cells.shape == (1 + 2 + 1, 8 + 3 + 8)
    np.testing.assert_array_equal(cells[3, 11 + 3 : 11 + 5], weight[1, 1, 1, 0])
    assert np.ma.getmaskarray(cells)[:, 2].all()


def test_a_transposed_weight_names_its_channels_the_other_way_round(ax: Any) -> None:
    plot_kernels(weights(2, 3, 3, 3), ax=ax, transposed=True)
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("input channel", "output channel of the group")


def test_a_plain_kernel_has_its_numbers(ax: Any) -> None:
    plot_kernels([[-1.5, 0, 1], [-2, 0, 1 / 3]], ax=ax)
    written = {(round(x - 0.5), round(y - 0.5)): text.get_text() for text in ax.texts for x, y in [text.get_position()]}
    assert written == {(0, 0): "−1.5", (1, 0): "0", (2, 0): "1", (0, 1): "−2", (1, 1): "0", (2, 1): "0.333"}
    # Dark cells carry light numbers.
    assert {text.get_text(): text.get_color() for text in ax.texts} == {
        "−1.5": "white", "0": "black", "1": "black", "−2": "white", "0.333": "black",
    }  # fmt: skip


@pytest.mark.parametrize(("shape", "numbers", "written"), [((12, 12), None, 0), ((12, 12), True, 144), ((3, 3), False, 0)])
def test_numbers_are_written_where_they_can_be_read_or_asked_for(ax: Any, shape: Any, numbers: bool | None, written: int) -> None:
    plot_kernels(weights(*shape), ax=ax, numbers=numbers)
    assert len(ax.texts) == written


def test_one_axis_is_drawn_as_stems(ax: Any) -> None:
    plot_kernels([0.5, -1, 2], ax=ax)
    (stems,) = ax.collections
    assert [segment.tolist() for segment in stems.get_segments()] == [[[0, 0], [0, 0.5]], [[1, 0], [1, -1]], [[2, 0], [2, 2]]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("tap", "weight")


def test_a_long_kernel_is_a_line(ax: Any) -> None:
    kernel = weights(65)
    plot_kernels(kernel, ax=ax)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), kernel)


def test_kernels_of_one_axis_have_a_lane_each_on_one_scale(ax: Any) -> None:
    weight = np.array([[[1.0, 0, -2]], [[4, 0, np.inf]]])
    plot_kernels(weight, ax=ax)
    stems = {tuple(start): end[1] - start[1] for start, end in ax.collections[1].get_segments()}
    # Half a lane is 4; upwards is the smaller y.
    assert stems == {(0.5, 0): -0.125, (1.5, 0): 0, (2.5, 0): 0.25, (0.5, 1): -0.5, (1.5, 1): 0}
    (crosses,) = (line for line in ax.lines if line.get_label() == "not finite")
    assert crosses.get_xydata().tolist() == [[2.5, 1]]
    assert ax.get_title() == "2×1 kernels of 3 taps\nhalf a lane is 4; ×: not finite, 1 weights"


def test_colours_of_three_channels(ax: Any) -> None:
    weight = np.zeros((2, 3, 1, 2))
    weight[0, 0, 0, 0], weight[0, 2, 0, 1], weight[1, 1, 0, 0] = 2, -2, 1
    plot_kernels(weight, ax=ax, rgb=True)
    shown = ax.images[0].get_array()
    assert shown.shape == (3, 2, 4)  # one column: kernels are twice as wide as high
    np.testing.assert_allclose(shown[0], [[1, 0.5, 0.5, 1], [0.5, 0.5, 0, 1]])
    np.testing.assert_allclose(shown[2], [[0.5, 0.75, 0.5, 1], [0.5, 0.5, 0.5, 1]])
    assert (shown[1, :, 3] == 0).all()  # the gap lets the background through


def test_what_is_not_finite_is_chequered_and_no_colour(ax: Any) -> None:
    plot_kernels([[1, np.nan], [-np.inf, -3]], ax=ax)
    image, chequer = ax.images
    assert (image.norm.vmin, image.norm.vmax) == (-3, 3)
    assert np.ma.getmaskarray(image.get_array()).tolist() == [[False, True], [True, False]]
    opaque = chequer.get_array()[..., 3] > 0
    assert opaque.tolist() == [[False, False, True, True]] * 2 + [[True, True, False, False]] * 2
    assert chequer.get_extent() == image.get_extent()
    assert [text.get_text() for text in ax.texts] == ["1", "nan", "−inf", "−3"]


@pytest.mark.parametrize("value", [np.nan, np.inf, 0, 1e308, -1e308, 5e-324, 2.0**63])
@pytest.mark.parametrize("shape", [(3,), (3, 3), (2, 2, 3), (2, 3, 3, 3), (2, 1, 2, 2, 2)])
def test_any_numbers_can_be_drawn(ax: Any, value: float, shape: tuple[int, ...]) -> None:
    weight = np.zeros(shape)
    weight[..., 0] = value
    plot_kernels(weight, ax=ax, colorbar=value != 5e-324)
    ax.figure.canvas.draw()
    assert ax.get_title()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"weight": np.ones((2, 0, 3, 3))}, ConvShapeError, r"weight has shape \(2, 0, 3, 3\): there is no cell"),
        ({"weight": np.ones((1,) * 6)}, ConvShapeError, r"\(1, 1, 1, 1, 1, 1\), 6 axes; 1 to 5"),
        ({"weight": 3.0}, ConvShapeError, r"shape \(\), 0 axes"),
        ({"weight": np.ones((2, 2), complex)}, ConvTypeError, r"complex128.*\n  Draw abs\(weight\)"),
        ({"weight": [["a"]]}, ConvTypeError, "weight has dtype"),
        ({"weight": np.ones((2, 4, 3, 3)), "rgb": True}, ConvShapeError, r"needs a weight \(out, 3, kh, kw\), it has shape \(2, 4, 3, 3\)"),
        ({"weight": [1.0], "max_channels": 0}, ConvShapeError, "max_channels=0 is below 1"),
        ({"weight": [1.0], "vmax": -1}, ConvTypeError, "vmax=-1 is no positive"),
        (
            {"weight": np.broadcast_to(1.0, (24, 24, 128, 128))},
            ConvShapeError,
            r"24 \* 24 \* 128 \* 128 = 9437184 cells, more than 4194304",
        ),
        ({"weight": np.broadcast_to(1.0, (2**20, 2**20))}, ConvShapeError, "1099511627776 cells, more than 268435456 = 2"),
        ({"weight": [1.0], "ax": "left"}, ConvTypeError, "ax is of type str"),
    ],
)
def test_bad_arguments(ax: Any, arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plot_kernels(**{"ax": ax, **arguments})


def test_tensors(ax: Any, torch: Any) -> None:
    plot_kernels(torch.full((2, 2, 1, 1), 3, dtype=torch.float16), ax=ax)
    assert (ax.images[0].get_array() == 3).all()
    with pytest.raises(ConvTypeError, match=r"detach\(\)"):
        plot_kernels(torch.nn.Conv2d(1, 1, 3).weight, ax=ax)
