"""`plot_frequency_response`: what a kernel passes and what it stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engine.arrays import Array, as_array, element_types_of
from faltung.errors import ConvShapeError
from faltung.normal_form import integer
from faltung.viz.plots.canvas import axes_for, colour_bar, set_title
from faltung.viz.plots.cells import SEQUENTIAL
from faltung.viz.plots.values import check_cells, finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_frequency_response"]

FLOOR = -120.0
"""Decibels below the largest magnitude, where the logarithm of what is stopped altogether ends."""


def plot_frequency_response(
    kernel: object,
    *,
    ax: Axes | None = None,
    decibels: bool = False,
    points: int | None = None,
    cmap: Any = None,
    colorbar: bool = True,
) -> Axes:
    """Draw the magnitude of a kernel's frequency response.

    Parameters
    ----------
    kernel : array (k,) or (kh, kw)
        Finite; real or complex.
    ax : matplotlib Axes, optional
        To draw on; without it a new figure is made.
    decibels : bool
        ``20*log10(magnitude)``, cut off 120 dB below the largest.
    points : int, optional
        Frequencies along each axis, at least the kernel's size; by default 512 or 128 by 128, or twice the kernel's size if that is more.
    cmap : str or Colormap, optional
        Of a 2-D kernel's image; viridis by default.
    colorbar : bool
        Beside that image.

    Returns
    -------
    matplotlib Axes
        Of (k,) a curve over the frequency in cycles per sample, from 0 to 0.5 of a real kernel, from -0.5 to 0.5 of a complex one. Of
        (kh, kw) an image over both frequencies, 0 in its middle, fy downwards as the rows of the kernel are.

    Raises
    ------
    ConvShapeError, ConvTypeError

    Notes
    -----
    ``H(f) = sum over k of w[k] * exp(-2j*pi*f*k)``, by ``scipy.fft`` of the kernel with zeros appended (Oppenheim & Schafer,
    "Discrete-Time Signal Processing", 3rd ed. 2010, §2.6). Of a convolution it is the factor of each frequency; of a correlation the
    factor is H(-f), which has the same magnitude where the kernel is real.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = plot_frequency_response([0.25, 0.5, 0.25], ax=Figure().subplots())
    >>> frequency, magnitude = ax.lines[0].get_data()
    >>> bool(np.allclose(magnitude, np.cos(np.pi * frequency) ** 2))
    True
    """
    taps = _kernel(kernel)
    longest = max(taps.shape)
    count = max(512 if taps.ndim == 1 else 128, 2 * longest) if points is None else integer("points", points, least=2, error=ConvShapeError)
    if count < longest:
        raise ConvShapeError(f"points={count} is below the kernel's size {longest}: taps would be cut off.", f"Use {longest} or more.")
    check_cells("the response", (count,) * taps.ndim, "Use fewer points.")
    label = "magnitude in dB" if decibels else "magnitude"
    if taps.ndim == 1:
        drawn = _draw_curve(taps, count, ax, decibels)
        drawn.set_ylabel(label)
    else:
        drawn, image = _draw_image(taps, count, ax, decibels, cmap)
        if colorbar:
            colour_bar(drawn, image, label)
    set_title(drawn, f"frequency response, kernel {'×'.join(map(str, taps.shape))}" + (" taps" if taps.ndim == 1 else ""))
    return drawn


def _kernel(kernel: object) -> Array:
    array = as_array("kernel", kernel)
    types = element_types_of(kernel=array)
    if array.ndim not in (1, 2) or array.size == 0:
        raise ConvShapeError(
            f"kernel has shape {array.shape}, expected (k,) or (kh, kw), each at least 1.", "Give one kernel, such as weight[0, 0]."
        )
    wide = array.astype(np.complex128 if types.is_complex else np.float64)
    finite("kernel", wide, "and so would be every frequency")
    return wide


def _level(magnitude: Any, decibels: bool) -> Any:
    if not decibels:
        return magnitude
    largest = float(magnitude.max()) or 1.0
    return 20 * (np.log10(np.maximum(magnitude / largest, 10 ** (FLOOR / 20))) + np.log10(largest))


def _draw_curve(taps: Array, count: int, ax: Axes | None, decibels: bool) -> Axes:
    from scipy.fft import fft, fftfreq, fftshift, rfft, rfftfreq

    if taps.dtype.kind == "c":
        frequency, response = fftshift(fftfreq(count)), fftshift(fft(taps, count))
    else:
        frequency, response = rfftfreq(count), rfft(taps, count)
    drawn = axes_for(ax, (5.5, 3.4))
    drawn.plot(frequency, _level(np.abs(response), decibels))
    drawn.set_xlim(-0.5 if taps.dtype.kind == "c" else 0, 0.5)
    if not decibels:
        drawn.set_ylim(bottom=0)
    drawn.grid(visible=True, alpha=0.3)
    drawn.set_xlabel("frequency in cycles per sample")
    return drawn


def _draw_image(taps: Array, count: int, ax: Axes | None, decibels: bool, cmap: Any) -> tuple[Axes, Any]:
    from scipy.fft import fft2, fftfreq, fftshift

    level = _level(np.abs(fftshift(fft2(taps, (count, count)))), decibels)
    frequency = fftshift(fftfreq(count))
    half = 0.5 / count  # a cell is centred on its frequency
    first, last = float(frequency[0]) - half, float(frequency[-1]) + half
    drawn = axes_for(ax, (5.2, 4.4))
    image = drawn.imshow(
        level, cmap=cmap or SEQUENTIAL, vmin=None if decibels else 0, extent=(first, last, last, first), interpolation="nearest"
    )
    drawn.set_xlabel("fx in cycles per sample")
    drawn.set_ylabel("fy in cycles per sample")
    return drawn, image
