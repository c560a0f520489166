"""Heat over a photograph: one colour, clear where there is none, so that the picture stays to be seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from faltung.viz.plots.canvas import axes_for, colour_bar, matplotlib, set_title, without_frame
from faltung.viz.plots.photographs import draw_photograph, read_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_heat"]

COLOURS = "inferno"
STRONGEST = 0.75
"""How much of the photograph the largest heat covers."""


def draw_heat(
    heat: NDArray[Any],
    image: object,
    title: Sequence[str],
    *,
    ax: Axes | None = None,
    colorbar: bool = True,
    label: str = "share of the largest",
) -> Axes:
    """Draw heat (h, w) from 0 to 1 over all of an image of any resolution, or alone."""
    picture = None if image is None else read_image("image", image)
    height, width = heat.shape if picture is None else picture.shape[1:]
    longer = max(height, width)
    drawn = axes_for(ax, (4.6 * width / longer + 1.6, 4.6 * height / longer + 0.7))
    if picture is not None:
        # In grey: its own colours are not to be taken for the heat's.
        luma = np.tensordot((0.299, 0.587, 0.114), picture, axes=1)[None] if len(picture) == 3 else picture
        draw_photograph(drawn, luma)
    shown = drawn.imshow(
        heat,
        cmap=COLOURS,
        vmin=0,
        vmax=1,
        alpha=None if picture is None else STRONGEST * np.clip(heat, 0, 1),
        extent=(0, width, height, 0),
        interpolation="bilinear",
    )
    drawn.set_xlim(0, width)
    drawn.set_ylim(height, 0)
    drawn.set_xticks([])
    drawn.set_yticks([])
    without_frame(drawn)
    set_title(drawn, *title)
    if colorbar:
        colour_bar(drawn, matplotlib("cm").ScalarMappable(matplotlib("colors").Normalize(0, 1), shown.cmap), label)
    return drawn
