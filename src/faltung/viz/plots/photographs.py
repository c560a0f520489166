"""Images as matplotlib shows them: grey or colour, in whatever range they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ConvShapeError
from faltung.viz.plots.cells import GREY, chequer
from faltung.viz.plots.values import Reals, real_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MAX_PIXELS", "draw_colours", "draw_photograph", "read_image"]

MAX_PIXELS = 2**25


def read_image(name: str, value: object) -> Reals:
    """An image (H, W), (C, H, W) or (H, W, C), C being 1 or 3, as (1, H, W) or (3, H, W).

    Raises
    ------
    ConvShapeError, ConvTypeError
    """
    array = real_array(name, value)
    if array.ndim == 2:
        array = array[None]
    elif array.ndim == 3 and array.shape[0] not in (1, 3) and array.shape[2] in (1, 3):
        array = np.moveaxis(array, -1, 0)
    if array.ndim != 3 or array.shape[0] not in (1, 3):
        raise ConvShapeError(
            f"{name} has shape {array.shape}, expected (H, W), (1, H, W), (3, H, W) or (H, W, 3).",
            "Give one image, and one or three of its channels.",
        )
    if array.size > 3 * MAX_PIXELS:
        height, width = array.shape[1:]
        raise ConvShapeError(f"{name} has {height}*{width} pixels, more than {MAX_PIXELS} = 2**25.", "Shrink it first.")
    return array


def draw_photograph(ax: Axes, image: Reals, corner: tuple[float, float] = (0, 0)) -> Any:
    """Draw (1, H, W) in grey, from its smallest to its largest value, or (3, H, W) in colour; return matplotlib's image."""
    if len(image) == 3:
        return draw_colours(ax, image, corner)
    left, top = corner
    height, width = image.shape[1:]
    extent = (left, left + width, top + height, top)
    good = np.isfinite(image[0])
    values = np.clip(np.where(good, image[0], 0), -1e300, 1e300)
    # Photographs have a range of their own, of 0 to 1 or of 0 to 255; other values are stretched.
    low, high = _range(values[good])
    drawn = ax.imshow(np.ma.masked_array(values, ~good), cmap=GREY, vmin=low, vmax=high, extent=extent)
    chequer(ax, ~good, extent)
    return drawn


def draw_colours(ax: Axes, image: Reals, corner: tuple[float, float] = (0, 0)) -> Any:
    """Draw (3, H, W) as red, green and blue."""
    left, top = corner
    height, width = image.shape[1:]
    extent = (left, left + width, top + height, top)
    good = np.isfinite(image)
    values = np.clip(np.where(good, image, 0), -1e300, 1e300)
    low, high = _range(values[good])
    share = np.moveaxis(np.clip((values - low) / (high - low), 0, 1), 0, -1)
    drawn = ax.imshow(share, extent=extent)
    chequer(ax, ~good.all(axis=0), extent)
    return drawn


def _range(values: Reals) -> tuple[float, float]:
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    if low == 0 and high <= 255:
        return (0.0, 1.0) if high <= 1 else (0.0, 255.0)
    return low, high
