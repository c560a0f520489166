"""Cells as pictures: scales of colours, numbers written into cells, cells that are no finite number.

Readable with every common colour vision: blue to red through near-white around 0, viridis or grey from 0 up;
what is not finite is no colour but a chequered cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.viz.plots.values import Reals, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["DIVERGING", "GREY", "SEQUENTIAL", "chequer", "draw_cells", "has_negative", "write_numbers"]

DIVERGING = "RdBu_r"
SEQUENTIAL = "viridis"
GREY = "gray"

Extent = tuple[float, float, float, float]


def draw_cells(
    ax: Axes,
    cells: Any,
    vmax: float,
    *,
    cmap: Any = None,
    is_signed: bool = True,
    corner: tuple[float, float] = (0, 0),
    interpolation: str = "nearest",
) -> Any:
    """Draw `cells` (h, w) with a unit of data to each, its upper left corner at `corner` (x, y), and return the image.

    Masked cells stay empty. Colours go from -`vmax` to `vmax`, or from 0 where nothing is negative.
    """
    left, top = corner
    height, width = cells.shape
    extent = (left, left + width, top + height, top)
    present, data = ~np.ma.getmaskarray(cells), np.ma.getdata(cells)
    good = present & np.isfinite(data)
    image = ax.imshow(
        np.ma.masked_array(np.clip(np.where(good, data, 0.0), -1e300, 1e300), ~good),
        cmap=cmap or (DIVERGING if is_signed else SEQUENTIAL),
        vmin=-vmax if is_signed else 0.0,
        vmax=vmax,
        extent=extent,
        interpolation=interpolation,
    )
    chequer(ax, present & ~good, extent)
    return image


def chequer(ax: Axes, bad: Any, extent: Extent) -> None:
    """Cover each cell of `bad` (h, w) with a chequerboard of two by two, which no scale of colours has."""
    if not bad.any():
        return
    doubled = bad.repeat(2, axis=0).repeat(2, axis=1)
    rows, columns = np.indices(doubled.shape, sparse=True)
    pixels = np.zeros((*doubled.shape, 4), np.uint8)
    pixels[..., :3] = np.where((rows + columns) % 2, 255, 0)[..., None]
    pixels[..., 3] = np.where(doubled, 255, 0)
    ax.imshow(pixels, extent=extent, interpolation="nearest", label="not finite")


def write_numbers(ax: Axes, image: Any, cells: Any, points: float) -> None:
    """Each cell's number in its middle, black or white as its colour needs it; `points` is the side of a cell."""
    left, _, _, top = image.get_extent()
    written = {place: short(float(value)) for place, value in np.ndenumerate(np.ma.getdata(cells)) if not np.ma.getmaskarray(cells)[place]}
    longest = max(map(len, written.values()), default=1)
    size = min(0.5 * points, 1.5 * points / max(longest, 1), 11)
    for (row, column), text in written.items():
        value = float(np.ma.getdata(cells)[row, column])
        if np.isfinite(value):
            red, green, blue, _ = image.to_rgba(value)
            colour, box = ("black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"), None
        else:  # on a chequered cell
            colour, box = "black", {"facecolor": "white", "edgecolor": "none", "pad": 1}
        ax.text(left + column + 0.5, top + row + 0.5, text, ha="center", va="center", fontsize=size, color=colour, bbox=box)


def has_negative(array: Reals) -> bool:
    """Whether a finite number of `array` is negative."""
    return bool((array[np.isfinite(array)] < 0).any())
