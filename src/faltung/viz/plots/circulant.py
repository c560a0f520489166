"""`plot_circulant`: circular convolution as a matrix that the Fourier transform makes diagonal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ConvShapeError
from faltung.identities import as_matrix, circular_as_fft
from faltung.normal_form import integer
from faltung.spec import ConvSpec
from faltung.viz.plots.canvas import axes_for, colour_bar, count_in_whole, draw_boxes, points_per_unit, without_frame
from faltung.viz.plots.cells import draw_cells, write_numbers
from faltung.viz.plots.matrix import stored_cells
from faltung.viz.plots.values import Reals, finite, limit_of, real_array, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_circulant"]

MAX_SIZE = 512
"""Cells of the ring: the matrix has their square."""

NARROW = 8.0
"""Inches: in an Axes less wide the three parts stand without bars and labels at their sides."""

NARROW_PARTS = ((0, 0.29), (0.355, 0.29), (0.71, 0.29))

MOST_NUMBERS = 10
"""Cells of the ring up to which the entries are written."""


def plot_circulant(kernel: object, size: int | None = None, *, ax: Axes | None = None, colorbar: bool = True) -> Axes:
    """Draw a circular convolution as its circulant matrix C, beside ``|F C F^-1|``, which is diagonal, and its eigenvalues.

    Parameters
    ----------
    kernel : array (k,)
        Real, finite.
    size : int, optional
        Cells of the ring n, at most 512; by default 16, or k if that is more. A kernel longer than the ring goes around it.
    ax : matplotlib Axes, optional
        To draw on; without it a new figure is made.
    colorbar : bool

    Returns
    -------
    matplotlib Axes
        Without a frame of its own; its ``child_axes`` are three: C, ``|F C F^-1|``, and the magnitudes on that diagonal upon those of
        the kernel's Fourier transform.

    Raises
    ------
    ConvShapeError, ConvTypeError

    Notes
    -----
    With F the discrete Fourier transform, ``F C F^-1 = diag(fft(kernel))``: every complex exponential is an eigenvector of every
    circular convolution (Gray, "Toeplitz and Circulant Matrices: A Review", 2006, §3.1). What is left beside the diagonal is rounding;
    the title states the largest of it.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = plot_circulant([1, 2, 3], 4, ax=Figure().subplots())
    >>> ax.child_axes[0].images[0].get_array().filled(0).astype(int)
    array([[1, 0, 3, 2],
           [2, 1, 0, 3],
           [3, 2, 1, 0],
           [0, 3, 2, 1]])
    """
    from scipy.fft import fft, ifft

    taps, cells = _checked(kernel, size)
    length = len(taps)
    # One output for each cell of the ring, the mathematical convolution: y[o] = sum over k of w[k] * x[(o - k) mod n].
    spec = ConvSpec(1, 1, (length,), padding=((length - 1, 0),), padding_mode="circular", flip=True, bias=False)
    matrix = stored_cells(as_matrix(spec, taps[None, None], cells))
    eigenvalues = circular_as_fft(spec, taps[None, None], None, cells).transfer[0, 0]
    product = np.abs(ifft(fft(matrix.filled(0), axis=0), axis=1))
    residual = float(np.max(product, initial=0.0, where=~np.eye(cells, dtype=bool)))
    difference = float(np.max(np.abs(np.diag(product) - np.abs(eigenvalues))))
    whole = axes_for(ax, (11.0, 4.0))
    whole.set_axis_off()
    inches = whole.get_window_extent().width / whole.figure.dpi
    is_roomy = inches > NARROW
    parts = [
        whole.inset_axes((left, 0, width, 1)) for left, width in (((0, 0.24), (0.37, 0.24), (0.74, 0.26)) if is_roomy else NARROW_PARTS)
    ]
    for part in parts:
        part.set_anchor("N")
        part.tick_params(labelsize=7)
    points = min(10.0, 2.4 * inches)
    _draw_square(parts[0], matrix, limit_of(taps), is_signed=True, with_bar=colorbar and is_roomy)
    parts[0].set_title("C", fontsize=points)
    _draw_square(parts[1], product, limit_of(product), is_signed=False, with_bar=colorbar and is_roomy)
    parts[1].set_title(r"$|F\,C\,F^{-1}|$", fontsize=points)
    _draw_eigenvalues(parts[2], np.abs(eigenvalues), np.diag(product), with_legend=is_roomy)
    parts[2].set_title("|eigenvalues|", fontsize=points)
    for part, across, down in zip(parts, ("input", "frequency", "frequency"), ("output", "frequency", ""), strict=True):
        part.set_xlabel(across, fontsize=min(points, 9))
        part.set_ylabel(down if is_roomy else "", fontsize=min(points, 9))
    whole.set_title(
        f"circulant matrix C of {cells}×{cells}; |F C F⁻¹| is diagonal:\n"
        f"off its diagonal at most {short(residual, 2)}, on it at most {short(difference, 2)} from |fft(kernel)|",
        fontsize="medium",
        pad=26,
    )
    return whole


def _checked(kernel: object, size: object) -> tuple[Reals, int]:
    taps = real_array("kernel", kernel)
    if taps.ndim != 1:
        raise ConvShapeError(f"kernel has shape {taps.shape}, expected (k,).", "Give one kernel of one axis, such as weight[0, 0].")
    finite("kernel", taps, "and so would be every eigenvalue")
    cells = max(16, len(taps)) if size is None else integer("size", size, least=1, error=ConvShapeError)
    if cells > MAX_SIZE:
        raise ConvShapeError(
            f"size={cells} makes a matrix of {cells}*{cells} entries; at most {MAX_SIZE}*{MAX_SIZE} can be seen.",
            f"Use {MAX_SIZE} or less; faltung.identities.circular_as_fft has no such limit.",
        )
    return taps, cells


def _draw_square(ax: Axes, cells: Any, limit: float, *, is_signed: bool, with_bar: bool) -> None:
    side = cells.shape[0]
    image = draw_cells(ax, cells, limit, is_signed=is_signed)
    draw_boxes(ax, [(0, 0, side, side)])
    places = range(0, side, -(-side // 8))
    for set_ticks in (ax.set_xticks, ax.set_yticks):
        set_ticks([place + 0.5 for place in places], [str(place) for place in places])
    without_frame(ax)
    if is_signed and side <= MOST_NUMBERS:
        write_numbers(ax, image, cells, points_per_unit(ax))
    if with_bar:
        colour_bar(ax, image, "entry" if is_signed else "magnitude")


def _draw_eigenvalues(ax: Axes, spectrum: Reals, diagonal: Reals, *, with_legend: bool) -> None:
    frequency = np.arange(len(spectrum))
    marker = 5 if len(spectrum) <= 32 else 3
    ax.vlines(frequency, 0, spectrum, linewidth=0.8, color=ax.xaxis.label.get_color(), alpha=0.5)
    ax.plot(frequency, spectrum, linestyle="none", marker="o", markersize=marker, fillstyle="none", label="|fft(kernel)|")
    ax.plot(frequency, diagonal, linestyle="none", marker="x", markersize=0.6 * marker, label="diagonal")
    ax.set_ylim(0, (1.3 if with_legend else 1.1) * limit_of(spectrum))
    ax.set_box_aspect(1)
    count_in_whole(ax.xaxis)
    if with_legend:
        ax.legend(loc="upper center", fontsize=7, ncols=2, handletextpad=0.2, columnspacing=0.8, frameon=False)
