"""`plot_frequency_response`, against the sum that defines it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from faltung.errors import ConvShapeError, ConvTypeError
from faltung.viz.plots import plot_frequency_response


def response(kernel: Any, *frequency: Any) -> Any:
    """The magnitude of sum over k of w[k] * exp(-2j*pi*f*k), term by term."""
    total = 0
    for tap in np.ndindex(*np.shape(kernel)):
        total = total + np.asarray(kernel)[tap] * np.exp(-2j * np.pi * sum(f * k for f, k in zip(frequency, tap, strict=True)))
    return np.abs(total)


KERNEL = np.array([3.0, -1, 4, 1, -5])


def test_a_real_kernel_up_to_half_a_cycle(ax: Any) -> None:
    assert plot_frequency_response(KERNEL, ax=ax) is ax
    frequency, magnitude = ax.lines[0].get_data()
    assert (frequency[0], frequency[-1], len(frequency)) == (0, 0.5, 257)
    np.testing.assert_allclose(magnitude, response(KERNEL, frequency), atol=1e-12)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("frequency in cycles per sample", "magnitude")
    assert ax.get_title() == "frequency response, kernel 5 taps"


def test_a_complex_kernel_over_all_frequencies(ax: Any) -> None:
    kernel = KERNEL * np.exp(2j * np.pi * 0.25 * np.arange(5))
    plot_frequency_response(kernel, ax=ax, points=64)
    frequency, magnitude = ax.lines[0].get_data()
    assert (frequency[0], len(frequency)) == (-0.5, 64)
    assert (np.diff(frequency) > 0).all()
    np.testing.assert_allclose(magnitude, response(kernel, frequency), atol=1e-12)


def test_decibels(ax: Any) -> None:
    plot_frequency_response([10.0, 10.0], ax=ax, decibels=True)
    frequency, level = ax.lines[0].get_data()
    np.testing.assert_allclose(level[:-1], 20 * np.log10(response([10.0, 10.0], frequency[:-1])), atol=1e-9)
    assert level[-1] == pytest.approx(20 * np.log10(20) - 120)  # nothing at all passes there
    assert ax.get_ylabel() == "magnitude in dB"


@pytest.mark.parametrize("points", [8, 9])
def test_two_axes_with_zero_in_the_middle(ax: Any, points: int) -> None:
    kernel = np.array([[1.0, 2, -1], [0, 3, 1]])
    plot_frequency_response(kernel, ax=ax, points=points)
    (image,) = ax.images
    left, right, bottom, top = image.get_extent()
    step = 1 / points
    # The middle of each cell is its frequency.
    fx, fy = (low + step * (np.arange(points) + 0.5) for low in (left, top))
    np.testing.assert_allclose([right, bottom], [left + 1, top + 1])
    assert np.abs(fx).min() < 1e-12
    np.testing.assert_allclose(image.get_array(), response(kernel, fy[:, None], fx[None, :]), atol=1e-12)
    assert ax.child_axes[0].get_ylabel() == "magnitude"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("fx in cycles per sample", "fy in cycles per sample")


@pytest.mark.parametrize("kernel", [np.zeros(3), np.zeros((2, 2)), [1e300, 1e300], [[1e300]], [5e-324], np.ones(1000), np.eye(200)])
@pytest.mark.parametrize("decibels", [False, True])
def test_any_kernel_can_be_drawn(ax: Any, kernel: Any, decibels: bool) -> None:
    plot_frequency_response(kernel, ax=ax, decibels=decibels)
    ax.figure.canvas.draw()
    values = ax.lines[0].get_ydata() if ax.lines else ax.images[0].get_array()
    assert np.isfinite(np.asarray(values)).all()


@pytest.mark.parametrize(
    ("kernel", "points", "error", "message"),
    [
        (np.ones((2, 2, 2)), None, ConvShapeError, r"kernel has shape \(2, 2, 2\)"),
        ([], None, ConvShapeError, r"kernel has shape \(0,\)"),
        ([1.0, np.nan], None, ConvTypeError, "1 of 2 entries NaN or infinite"),
        ([1.0, 2, 3], 2, ConvShapeError, "points=2 is below the kernel's size 3"),
        (np.ones((2, 2)), 5000, ConvShapeError, r"5000 \* 5000 = 25000000 cells"),
    ],
)
def test_bad_arguments(ax: Any, kernel: Any, points: int | None, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plot_frequency_response(kernel, ax=ax, points=points)
