"""Pictures as the cells of an input. Pillow and NumPy are imported at call time."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from faltung.errors import ConvShapeError
from faltung.viz.scene.build import MAX_CELLS
from faltung.viz.scene.values import Block

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["cells_of", "default_cells"]

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601, what image libraries call grey."""


@lru_cache(maxsize=8)
def default_cells(channels: int, size: tuple[int, ...]) -> Block:
    """The photograph that is always at hand, as the cells of an input."""
    from faltung.photo import default_photograph

    return cells_of(default_photograph(), channels, size)


def cells_of(photo: NDArray[Any], channels: int, size: tuple[int, ...]) -> Block:
    """A photograph (C, H, W) as whole numbers 0 … 255 of (channels, *size), averaged over what a cell covers.

    Three channels are its colours, others its brightness. Along one axis it is the middle row; along three every slice is the same.

    Raises
    ------
    ConvShapeError
        More cells than a scene shows.
    """
    import numpy as np

    from faltung.photo import resize_photo

    if channels * math.prod(size) > MAX_CELLS:
        arithmetic = "*".join(map(str, (channels, *size)))
        raise ConvShapeError(f"the input has {arithmetic} cells, more than {MAX_CELLS}.", "Use a smaller input.")
    height, width = (max(size[-1] * 2 // 3, 1), size[-1]) if len(size) == 1 else size[-2:]
    grey = np.tensordot(np.asarray(LUMA, photo.dtype), photo, axes=1)[None] if len(photo) == 3 else photo
    planes = resize_photo(photo if channels == 3 and len(photo) == 3 else grey, (height, width))
    planes = np.clip(np.rint(planes), 0, 255).astype(int)
    if len(planes) != channels:
        planes = np.repeat(planes[:1], channels, axis=0)
    if len(size) == 1:
        planes = planes[:, height // 2]
    elif len(size) == 3:
        planes = np.repeat(planes[:, None], size[0], axis=1)
    return Block((channels, *size), tuple(planes.ravel().tolist()))
