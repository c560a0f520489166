"""`plot_matrix` and `plot_circulant`: matrices whose product is the convolution, drawn entry by entry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import faltung as fl
from faltung.errors import ConvShapeError, ConvTypeError
from faltung.viz.plots import plot_circulant, plot_matrix
from tests.viz.plots.drawn import rectangles


def lines(ax: Any, label: str) -> list[tuple[str, float]]:
    """('row' or 'column', place) of each line of the collection called `label`."""
    found = []
    for collection in ax.collections:
        if collection.get_label() == label:
            for (x0, y0), (x1, y1) in collection.get_segments():
                found.append(("row", y0) if y0 == y1 else ("column", x0))
                assert x0 == x1 or y0 == y1
    return sorted(found)


@pytest.mark.parametrize("spec", ["conv2d(2, 3, (2, 3), padding=1, stride=2)", "conv_transpose2d(2, 3, 2, stride=2)"])
def test_the_matrix_drawn_is_the_convolution(ax: Any, spec: str) -> None:
    parsed = fl.ConvSpec.parse(spec)
    rng = np.random.default_rng(1)
    x, weight = rng.integers(-4, 5, (2, 4, 5)), rng.integers(-4, 5, parsed.weight_shape)
    assert plot_matrix(spec, weight, (4, 5), ax=ax) is ax
    (image,) = ax.images
    output = fl.conv(parsed, x, weight)
    np.testing.assert_array_equal(image.get_array().filled(0) @ x.ravel(), output.ravel())
    rows, columns = image.get_array().shape
    assert image.get_extent() == [0, columns, rows, 0]
    assert image.norm.vmax == -image.norm.vmin == np.abs(weight).max()
    assert rectangles(ax) == [(0, 0, columns, rows)]


def test_blank_where_no_tap_meets_a_cell_but_not_where_a_weight_is_zero(ax: Any) -> None:
    plot_matrix("conv1d(1, 1, 2)", [[[0, 5]]], 3, ax=ax)
    assert np.ma.getmaskarray(ax.images[0].get_array()).tolist() == [[False, False, True], [True, False, False]]
    assert [text.get_text() for text in ax.texts] == ["0", "5", "0", "5"]
    assert ax.get_title() == "conv1d(1, 1, (2,))\n2×3 matrix, 66.7 % of it filled"


def test_lines_between_channels_and_between_rows(ax: Any) -> None:
    plot_matrix("conv2d(2, 3, 2)", np.ones((3, 2, 2, 2)), (3, 4), ax=ax)
    # Outputs of 2 by 3 cells in 3 channels, inputs of 3 by 4 in 2.
    assert lines(ax, "channels") == [("column", 12), ("row", 6), ("row", 12)]
    assert lines(ax, "rows") == [("column", 4), ("column", 8), ("column", 16), ("column", 20), ("row", 3), ("row", 9), ("row", 15)]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("input, channel by channel", "output, channel by channel")


def test_numbers_only_where_they_fit_or_are_asked_for(ax: Any) -> None:
    plot_matrix("conv1d(1, 1, 1)", [[[2]]], 17, ax=ax)
    assert not ax.texts
    plot_matrix("conv1d(1, 1, 1)", [[[2]]], 17, ax=ax, numbers=True)
    assert [text.get_text() for text in ax.texts] == ["2"] * 17


def test_weights_that_are_not_finite(ax: Any) -> None:
    plot_matrix("conv1d(1, 1, 2)", [[[np.nan, 5]]], 3, ax=ax)
    image, chequer = ax.images
    assert image.norm.vmax == 5
    assert (chequer.get_array()[..., 3] > 0).sum() == 2 * 4


@pytest.mark.parametrize(
    ("spec", "size", "message"),
    [
        ("conv2d(3, 64, 3, padding=1)", (224, 224), r"64 \* 224 \* 224 = 3211264 rows, more than 1024.*\n  Use a smaller input_size"),
        ("conv1d(1, 1, 1024)", 1025, r"1 \* 1025 = 1025 columns, more than 1024"),
        ("conv1d(1, 1, 3)", 2, "no output along axis 0"),
        ("conv1d(1, 1, 1)", 0, r"1 \* 0 = 0 rows"),
        ("conv1d(1, 1, 1)", (2, 2), "input_size"),
    ],
)
def test_matrices_that_cannot_be_seen(ax: Any, spec: str, size: Any, message: str) -> None:
    with pytest.raises(ConvShapeError, match=message):
        plot_matrix(spec, np.ones(fl.ConvSpec.parse(spec).weight_shape), size, ax=ax)


def test_bad_weights(ax: Any) -> None:
    with pytest.raises(ConvShapeError, match="weight has shape"):
        plot_matrix("conv1d(1, 1, 3)", np.ones((1, 1, 2)), 5, ax=ax)
    with pytest.raises(ConvTypeError, match="complex128"):
        plot_matrix("conv1d(1, 1, 1)", [[[1j]]], 5, ax=ax)


# -- circulant -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "size"), [(3, 8), (1, 5), (5, 5), (7, 4)])
def test_the_circulant_convolves_on_a_ring(ax: Any, length: int, size: int) -> None:
    kernel = np.arange(1.0, length + 1) * np.where(np.arange(length) % 3 == 1, -1, 1)
    assert plot_circulant(kernel, size, ax=ax) is ax
    matrix, product, curve = ax.child_axes[:3]
    entries = matrix.images[0].get_array().filled(0)
    x = np.random.default_rng(0).integers(-5, 6, size)
    ring = [sum(kernel[k] * x[(o - k) % size] for k in range(length)) for o in range(size)]
    np.testing.assert_array_equal(entries @ x, ring)
    # The diagonal is the kernel's transform, the kernel laid around the ring; beside it there is nothing.
    around = np.bincount(np.arange(length) % size, weights=kernel, minlength=size)
    eigenvalues = np.abs(np.fft.fft(around))
    np.testing.assert_allclose(product.images[0].get_array(), np.diag(eigenvalues), atol=1e-12)
    transform, diagonal = curve.lines
    np.testing.assert_allclose(transform.get_ydata(), eigenvalues, atol=1e-12)
    np.testing.assert_allclose(diagonal.get_ydata(), eigenvalues, atol=1e-12)
    assert transform.get_marker() != diagonal.get_marker()


def test_the_residual_is_stated(ax: Any) -> None:
    plot_circulant([0.1, 0.7, -0.3], 12, ax=ax)
    product = np.asarray(ax.child_axes[1].images[0].get_array())
    beside = product[~np.eye(12, dtype=bool)].max()
    assert 0 < beside < 1e-14
    assert f"off its diagonal at most {beside:.2g}".replace("-", "−") in ax.get_title()


def test_the_ring_has_sixteen_cells_or_as_many_as_the_kernel(ax: Any) -> None:
    plot_circulant([1.0], ax=ax)
    assert "16×16" in ax.get_title()
    plot_circulant(np.ones(20), ax=ax)
    assert "20×20" in ax.get_title()


@pytest.mark.parametrize(
    ("kernel", "size", "error", "message"),
    [
        ([[1.0]], 4, ConvShapeError, r"kernel has shape \(1, 1\), expected \(k,\)"),
        ([], 4, ConvShapeError, "no cell"),
        ([1.0], 0, ConvShapeError, "size=0 is below 1"),
        ([1.0], 513, ConvShapeError, r"size=513 makes a matrix of 513\*513 entries; at most 512\*512"),
        ([np.nan], 4, ConvTypeError, "1 of 1 entries NaN or infinite"),
        ([1j], 4, ConvTypeError, "complex128"),
    ],
)
def test_bad_circulants(ax: Any, kernel: Any, size: int, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plot_circulant(kernel, size, ax=ax)
