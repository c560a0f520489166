"""What is on an Axes, in plain numbers."""

from __future__ import annotations

from typing import Any

import numpy as np


def rectangles(ax: Any) -> list[tuple[float, float, float, float]]:
    """(left, top, width, height) of every outline of a collection."""
    found = []
    for collection in ax.collections:
        for path in collection.get_paths() if type(collection).__name__ == "PatchCollection" else ():
            box = path.get_extents()
            found.append((box.x0, box.y0, box.width, box.height))
    return found


def labels(axis: Any) -> dict[float, str]:
    """The text at each tick."""
    return {float(place): label.get_text() for place, label in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)}


def pixels(image: Any) -> Any:
    """The colours of an image's cells."""
    return np.asarray(image.to_rgba(image.get_array()))
