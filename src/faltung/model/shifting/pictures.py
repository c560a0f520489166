"""The error over the plane of shifts, in which the lattice of the stride is seen; and over the layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.viz.plots.canvas import axes_for, colour_bar, set_title, without_frame
from faltung.viz.plots.cells import SEQUENTIAL, chequer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from faltung.model.shifting.found import Equivariance

__all__ = ["draw_layers", "draw_plane"]


def draw_plane(found: Equivariance, ax: Axes | None, *, colorbar: bool) -> Axes:
    """A cell for each shift, from no error on."""
    rows, columns = found.relative.shape
    longer = max(rows, columns)
    drawn = axes_for(ax, (4.4 * columns / longer + 2.0, 4.4 * rows / longer + 1.0))
    values = np.where(np.isfinite(found.relative), found.relative, 0.0)
    most = float(values.max()) or 1.0
    image = drawn.imshow(100 * values, cmap=SEQUENTIAL, vmin=0, vmax=100 * most, extent=(0, columns, rows, 0), interpolation="nearest")
    chequer(drawn, ~np.isfinite(found.relative), (0, columns, rows, 0))
    if max(found.stride) > 1:
        down, right = np.nonzero(found.multiples())
        side = min(7.0, 120 / longer)
        style: dict[str, Any] = {"linestyle": "none", "marker": "o", "markerfacecolor": "none", "markersize": side}
        drawn.plot(right + 0.5, down + 0.5, markeredgecolor="white", markeredgewidth=1.6, **style)
    for shifts, set_ticks in ((found.shifts[0], drawn.set_yticks), (found.shifts[1], drawn.set_xticks)):
        places = range(0, len(shifts), -(-len(shifts) // 9))
        set_ticks([place + 0.5 for place in places], [str(shifts[place]) for place in places], fontsize="small")
    drawn.set_ylabel("moved down by")
    drawn.set_xlabel("moved right by")
    without_frame(drawn)
    rings = f"rings: multiples of {'×'.join(map(str, found.stride))}" if max(found.stride) > 1 else ""
    what = "how far the answer is from moving along" if found.has_positions else "how far the answer is from staying as it is"
    set_title(drawn, f"{found.name}: {what}", rings)
    if colorbar:
        colour_bar(drawn, image, "error, % of the result (RMS)")
    return drawn


def draw_layers(found: Equivariance, ax: Axes | None) -> Axes:
    """A line from layer to layer."""
    drawn = axes_for(ax, (min(3.5 + 0.16 * len(found.layers), 11), 5.6))
    place = np.arange(len(found.layers))
    drawn.plot(place, [100 * one.error for one in found.layers], marker=".", color="#0072b2", label="as the network is")
    if any(one.circular is not None for one in found.layers):
        circular = [np.nan if one.circular is None else 100 * one.circular for one in found.layers]
        drawn.plot(place, circular, marker=".", color="#e69f00", label="with circular borders")
    before = None
    for number, one in enumerate(found.layers):
        if one.stride is not None and before is not None and one.stride != before:
            drawn.axvline(number - 0.5, linewidth=0.6, color="grey", alpha=0.6)
            drawn.text(number - 0.4, drawn.get_ylim()[1], f"stride {one.stride[-1]}", fontsize="x-small", va="top", rotation=90)
        before = one.stride or before
    step = max(-(-len(found.layers) // 24), 1)
    drawn.set_xticks(place[::step], [one.name for one in found.layers][::step], rotation=90, fontsize="x-small", parse_math=False)
    drawn.set_ylim(bottom=0)
    drawn.set_ylabel("error, % of the result (RMS)")
    drawn.legend(fontsize="small")
    set_title(drawn, f"{found.name}: layer by layer, mean over {len(found.examined)} shifts")
    return drawn
