"""`plot_separable_approximations`: a kernel beside the best that few columns and rows make of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ConvShapeError
from faltung.identities import Separation, separate
from faltung.normal_form import entries
from faltung.viz.plots.canvas import axes_for, colour_bar, draw_boxes, points_per_unit, without_frame
from faltung.viz.plots.cells import draw_cells
from faltung.viz.plots.mosaic import mosaic
from faltung.viz.plots.values import check_cells, finite, limit_of, real_array, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_separable_approximations"]


def plot_separable_approximations(
    kernel: object, ranks: Sequence[int] | None = None, *, ax: Axes | None = None, cmap: Any = None, colorbar: bool = True
) -> Axes:
    """Draw a 2-D kernel and its best approximations by `rank` columns and rows, with what each errs and saves.

    Parameters
    ----------
    kernel : array (kh, kw)
        Finite, real.
    ranks : sequence of int, optional
        By default 1, 2, … up to the first that is exact up to rounding, at most 5.
    ax : matplotlib Axes, optional
        To draw on; without it a new figure is made.
    cmap : str or Colormap, optional
        In place of blue to red.
    colorbar : bool

    Returns
    -------
    matplotlib Axes
        Cells are units of data, the kernel at the origin, the approximations to its right on the same scale. Under each stand its error
        relative to the kernel's Frobenius norm and the multiply-accumulates for one output.

    Raises
    ------
    ConvShapeError, ConvTypeError

    See Also
    --------
    faltung.identities.separate : the numbers themselves, and their source.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = plot_separable_approximations([[0, 1, 0], [1, -4, 1], [0, 1, 0]], ax=Figure().subplots())
    >>> print(ax.texts[-1].get_text())
    rank 2
    exact
    12 MACs, 33 % more
    """
    array = real_array("kernel", kernel)
    if array.ndim != 2:
        raise ConvShapeError(f"kernel has shape {array.shape}, expected (kh, kw).", "Give one channel's kernel, such as weight[0, 0].")
    finite("kernel", array, "which have no singular values")
    approximations = _approximations(array, ranks)
    height, width = array.shape
    check_cells("the picture", (1 + len(approximations), height, width), "Give fewer ranks.")
    gap = max(1, round(0.2 * width))
    sheet = mosaic(np.stack([array, *(each.approximation for each in approximations)]), 1 + len(approximations), (0, gap))
    inches = 1.45 * (1 + len(approximations))
    drawn = axes_for(ax, (inches + 0.9, max(1.3 * height / width, 0.5) + 1.0))
    image = draw_cells(drawn, sheet.cells, limit_of(array), cmap=cmap)
    draw_boxes(drawn, sheet.boxes)
    captions = [f"kernel {height}×{width}\n{height * width} MACs", *map(_caption, approximations)]
    _write_captions(drawn, captions, sheet.corners, width, height, gap)
    drawn.set_xticks([])
    drawn.set_yticks([])
    without_frame(drawn)
    if colorbar:
        colour_bar(drawn, image, "weight")
    return drawn


def _approximations(array: Any, ranks: object) -> list[Separation]:
    most = min(array.shape)
    if ranks is not None:
        given = entries(ranks)
        if not given:
            raise ConvShapeError(f"ranks={ranks!r} is no list of ranks.", f"Give some of 1 to {most}, such as ranks=(1, {most}).")
        return [separate(array, rank) for rank in given]
    found = []
    for rank in range(1, min(most, 5) + 1):
        found.append(separate(array, rank))
        if _is_exact(found[-1]):
            break
    return found


def _is_exact(separation: Separation) -> bool:
    return separation.relative_error < 1e-12


def _caption(separation: Separation) -> str:
    error = "exact" if _is_exact(separation) else f"error {short(100 * separation.relative_error)} %"
    share = round(100 * separation.saving)
    return f"rank {separation.rank}\n{error}\n{separation.macs} MACs, {abs(share)} % {'saved' if share >= 0 else 'more'}"


def _write_captions(ax: Axes, captions: Sequence[str], corners: Sequence[tuple[int, int]], width: int, height: int, gap: int) -> None:
    longest = max(len(line) for caption in captions for line in caption.splitlines())
    # A letter is about 0.55 of its size wide.
    size = min(9.0, points_per_unit(ax) * (width + 0.8 * gap) / (0.55 * longest))
    for caption, (x, _) in zip(captions, corners, strict=True):
        ax.annotate(
            caption,
            (x + width / 2, height),
            (0, -4),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=size,
            annotation_clip=False,
        )
