"""The Axes that a plot is drawn on: taken or made, its title, its colour bar, its room for text.

matplotlib is imported when something is drawn, and its global state is left alone: no settings, no `show`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from faltung.errors import ConvTypeError
from faltung.extras import optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["axes_for", "colour_bar", "count_in_whole", "draw_boxes", "matplotlib", "points_per_unit", "set_title", "without_frame"]

Box = tuple[float, float, float, float]

LARGEST_INCHES = 12.0
"""Of a figure that is made here, along either side."""


def matplotlib(module: str) -> Any:
    """A module of matplotlib, by its name inside the package.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    return optional(f"matplotlib.{module}", extra="plot", purpose="plotting")


def axes_for(ax: Axes | None, inches: tuple[float, float]) -> Axes:
    """`ax`, or the Axes of a new figure of about this width and height.

    Raises
    ------
    ConvTypeError
        `ax` is something else.
    MissingExtraError
        matplotlib is not installed.
    """
    if ax is None:
        largest = max(1.0, *(length / LARGEST_INCHES for length in inches))
        width, height = (max(length / largest, 2.0) for length in inches)
        made: Axes = matplotlib("pyplot").subplots(figsize=(width, height), layout="compressed")[1]
        return made
    if not isinstance(ax, matplotlib("axes").Axes):
        raise ConvTypeError(
            f"ax is of type {type(ax).__name__}, a matplotlib Axes is needed.",
            "Give one Axes, such as axes[0] of figure, axes = plt.subplots(1, 2), or leave ax out.",
        )
    given: Axes = ax
    return given


def set_title(ax: Axes, *lines: str) -> None:
    """The lines that say something, above the Axes."""
    # A layer may be named with dollars, which mean no formula.
    ax.set_title("\n".join(line for line in lines if line), fontsize="medium", parse_math=False)


def count_in_whole(*axes: Any) -> None:
    """Number an axis in whole numbers alone."""
    for axis in axes:
        axis.set_major_locator(matplotlib("ticker").MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def without_frame(ax: Axes) -> None:
    """Take the outline and the tick marks away; labels of ticks stay."""
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.tick_params(length=0)


def colour_bar(ax: Axes, image: Any, label: str, *, side: Literal["left", "right"] = "right") -> None:
    """A bar beside an Axes of equal aspect, as high as its pictures, that takes no room from its neighbours."""
    x_low, x_high = sorted(ax.get_xlim())
    y_low, y_high = sorted(ax.get_ylim())
    thickness = min(max(0.045 * ((y_high - y_low) / (x_high - x_low)) ** 0.5, 0.015), 0.08) if ax.get_aspect() != "auto" else 0.03
    left = 1 + thickness if side == "right" else -2 * thickness
    bar_axes = ax.inset_axes((left, 0, thickness, 1))
    bar = ax.figure.colorbar(image, cax=bar_axes, label=label)
    bar.ax.yaxis.set_ticks_position(side)
    bar.ax.yaxis.set_label_position(side)
    bar.ax.tick_params(labelsize="small")
    bar.outline.set_linewidth(0.5)


def draw_boxes(ax: Axes, boxes: Sequence[Box], **style: Any) -> None:
    """Outlines of rectangles (left, top, width, height) in the colour of the text, thin unless `style` says otherwise."""
    rectangles = [matplotlib("patches").Rectangle((left, top), width, height) for left, top, width, height in boxes]
    settings = {"facecolor": "none", "edgecolor": ax.xaxis.label.get_color(), "linewidth": 0.6, "alpha": 0.6, "clip_on": False, **style}
    ax.add_collection(matplotlib("collections").PatchCollection(rectangles, **settings), autolim=False)


def points_per_unit(ax: Axes) -> float:
    """Points of text that one unit of data takes along its tighter axis, as the Axes lies now."""
    window = ax.get_window_extent()
    spans = [abs(high - low) for low, high in (ax.get_xlim(), ax.get_ylim())]
    tightest = min(extent / span for extent, span in zip((window.width, window.height), spans, strict=True))
    return float(tightest * 72 / ax.figure.dpi)
