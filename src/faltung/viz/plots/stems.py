"""Kernels of one axis as stems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.viz.plots.canvas import axes_for, count_in_whole, matplotlib, set_title, without_frame
from faltung.viz.plots.values import Reals, check_cells, cut_short, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_lanes", "draw_stems"]

MOST_STEMS = 64
"""Taps of a single kernel, beyond which a line is easier to read."""


def draw_stems(kernel: Reals, ax: Axes | None) -> Axes:
    """One kernel (k,) over its taps, on an axis of values."""
    drawn = axes_for(ax, (5.5, 3.2))
    taps = np.arange(len(kernel))
    if len(kernel) <= MOST_STEMS:
        _, lines, base = drawn.stem(taps, kernel)
        lines.set_linewidth(1.2)
        base.set(linewidth=0.8, color=drawn.xaxis.label.get_color())
    else:
        drawn.plot(taps, kernel)
    count_in_whole(drawn.xaxis)
    drawn.set_xlabel("tap")
    drawn.set_ylabel("weight")
    bad = np.flatnonzero(~np.isfinite(kernel))
    set_title(drawn, f"kernel of {len(kernel)} taps", f"not finite: {len(bad)} of {len(kernel)}" if len(bad) else "")
    return drawn


def draw_lanes(array: Reals, ax: Axes | None, most: int, limit: float, names: tuple[str, str]) -> Axes:
    """Kernels (a, b, k), each in a lane one high around its own zero line, ±`limit` being half a lane."""
    shown = array[:most, :most]
    check_cells("the plot", shown.shape, "Give a smaller max_channels, or a part of the weight.")
    rows, columns, taps = shown.shape
    drawn = axes_for(ax, (min(0.16 * columns * (taps + 1), 9) + 1.2, min(0.45 * rows, 8) + 1.1))
    step = taps + 1.0
    places: Any = np.indices(shown.shape)
    row, column, tap = places
    x = column * step + tap + 0.5
    # A value that is not finite gets no stem but a cross on its zero line.
    good = np.isfinite(shown)
    heights = np.clip(np.where(good, shown, 0) / limit, -1, 1) * 0.5
    tips = row - heights
    collections = matplotlib("collections")
    ink = drawn.xaxis.label.get_color()
    lanes = [[(c * step, r), (c * step + taps, r)] for r in range(rows) for c in range(columns)]
    drawn.add_collection(collections.LineCollection(lanes, colors=ink, linewidths=0.5, alpha=0.6), autolim=False)
    stems = np.stack([np.stack([x, row], -1)[good], np.stack([x, tips], -1)[good]], axis=1)
    drawn.add_collection(collections.LineCollection(list(stems), colors="C0", linewidths=1.2), autolim=False)
    drawn.plot(x[good], tips[good], linestyle="none", marker="o", markersize=2.5, color="C0")
    if not good.all():
        drawn.plot(x[~good], row[~good], linestyle="none", marker="x", markersize=5, color="C1", label="not finite")
    drawn.set_xlim(-0.5, columns * step - 0.5)
    drawn.set_ylim(rows - 0.4, -0.6)
    for count, set_ticks, places in (
        (rows, drawn.set_yticks, np.arange(rows)),
        (columns, drawn.set_xticks, np.arange(columns) * step + taps / 2),
    ):
        every = -(-count // 16)
        set_ticks(places[::every], [str(channel) for channel in range(0, count, every)], fontsize="small")
    without_frame(drawn)
    drawn.set_ylabel(names[0])
    drawn.set_xlabel(names[1])
    left_out = ", ".join(filter(None, (cut_short(rows, array.shape[0], "rows"), cut_short(columns, array.shape[1], "columns"))))
    crosses = "" if good.all() else f"; ×: not finite, {np.count_nonzero(~good)} weights"
    scale = f"half a lane is {short(limit)}{crosses}"
    set_title(drawn, f"{array.shape[0]}×{array.shape[1]} kernels of {taps} taps", left_out, scale)
    return drawn
