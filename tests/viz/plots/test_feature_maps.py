"""`plot_feature_maps`: every channel in its place, under its number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from faltung.errors import ConvShapeError, ConvTypeError
from faltung.viz.plots import plot_feature_maps
from tests.viz.plots.drawn import labels, rectangles


def test_channels_lie_in_rows_under_their_numbers(ax: Any) -> None:
    maps = np.arange(5 * 10 * 20.0).reshape(5, 10, 20)
    assert plot_feature_maps(maps, ax=ax, columns=2) is ax
    (image,) = ax.images
    cells = image.get_array()
    corners = {}
    for channel, (left, top, width, height) in enumerate(rectangles(ax)):
        assert (width, height) == (20, 10)
        np.testing.assert_array_equal(cells[int(top) : int(top) + 10, int(left) : int(left) + 20], maps[channel])
        corners[str(channel)] = left, top
    assert cells.count() == maps.size
    assert len({left for left, _ in corners.values()}) == 2
    assert len({top for _, top in corners.values()}) == 3
    numbers = {text.get_text(): text.get_position() for text in ax.texts}
    assert numbers.keys() == corners.keys()
    for number, (x, y) in numbers.items():
        left, top = corners[number]
        assert x == left
        assert top - 1 < y < top  # above its map, and above the first row too
    assert ax.get_ylim() == (cells.shape[0], -2)
    assert ax.get_title() == "5 feature maps 10×20"


def test_what_is_left_out_is_said(ax: Any) -> None:
    plot_feature_maps(np.ones((100, 4, 4)), ax=ax)
    assert ax.get_title() == "100 feature maps 4×4\nfirst 64 of 100 channels"
    assert len(ax.texts) == 64


def test_one_scale_for_all_from_zero_or_around_it(ax: Any) -> None:
    maps = np.stack([np.full((2, 2), 1.0), np.full((2, 2), 8.0)])
    plot_feature_maps(maps, ax=ax)
    plot_feature_maps(-maps, ax=ax)
    plot_feature_maps(maps, ax=ax, vmax=3)
    assert [(image.norm.vmin, image.norm.vmax, image.cmap.name) for image in ax.images] == [
        (0, 8, "viridis"), (-8, 8, "RdBu_r"), (0, 3, "viridis"),
    ]  # fmt: skip


def test_each_map_on_its_own_scale(ax: Any) -> None:
    maps = np.array([[[1.0, 2]], [[-8, 4]], [[0, 0]], [[np.inf, 5]]])
    plot_feature_maps(maps, ax=ax, scale="each", columns=1)
    (image, _) = ax.images
    assert image.get_array()[::2].filled(-99).tolist() == [[0.5, 1], [-1, 0.5], [0, 0], [-99, 1]]
    assert ax.child_axes[0].get_ylabel() == "value / largest |value| of its map"


def test_one_sample_of_a_batch_and_maps_over_one_axis(ax: Any) -> None:
    plot_feature_maps(np.full((1, 2, 3, 4), 7.0), ax=ax)
    assert ax.get_title() == "2 feature maps 3×4"
    ax.clear()
    rows = np.arange(-3.0, 3).reshape(2, 3)
    plot_feature_maps(rows, ax=ax)
    np.testing.assert_array_equal(ax.images[0].get_array(), rows)
    assert ax.get_aspect() == "auto"
    assert labels(ax.yaxis) == {0.5: "0", 1.5: "1"}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("position", "channel")


@pytest.mark.parametrize("value", [np.nan, np.inf, 0, 1e308, 5e-324])
@pytest.mark.parametrize("scale", ["shared", "each"])
@pytest.mark.parametrize("shape", [(3, 2), (3, 1, 1), (2, 5, 3)])
def test_any_numbers_can_be_drawn(ax: Any, value: float, scale: str, shape: tuple[int, ...]) -> None:
    maps = np.zeros(shape)
    maps[..., 0] = value
    plot_feature_maps(maps, ax=ax, scale=scale)
    ax.figure.canvas.draw()
    assert len(ax.images) == (1 if np.isfinite(value) else 2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"maps": np.ones((2, 3, 4, 4))}, ConvShapeError, r"maps has shape \(2, 3, 4, 4\), expected \(C, H, W\).*\n  Give one sample"),
        ({"maps": [1.0]}, ConvShapeError, r"shape \(1,\)"),
        ({"maps": np.ones((0, 4, 4))}, ConvShapeError, "no cell"),
        ({"maps": np.ones((2, 4, 4), np.complex64)}, ConvTypeError, "complex64"),
        ({"maps": np.ones((2, 4, 4)), "scale": "shred"}, ConvTypeError, "Did you mean 'shared'"),
        ({"maps": np.ones((2, 4, 4)), "max_maps": 0}, ConvShapeError, "max_maps=0 is below 1"),
        ({"maps": np.ones((2, 4, 4)), "columns": 1.5}, ConvShapeError, "columns=1.5 is of type float"),
        ({"maps": np.broadcast_to(1.0, (64, 512, 512))}, ConvShapeError, r"64 \* 512 \* 512 = 16777216 cells.*\n  Give a smaller max_maps"),
    ],
)
def test_bad_arguments(ax: Any, arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plot_feature_maps(ax=ax, **arguments)
