"""Tiles of one size laid out in rows on one sheet, with empty cells between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Mosaic", "grid_columns", "mosaic"]


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Where the tiles came to lie.

    Attributes
    ----------
    cells : masked array (h, w)
        Masked between the tiles.
    tile : (int, int)
        Height and width.
    corners : tuple of (int, int)
        (x, y) of the upper left corner of each tile.
    """

    cells: Any
    tile: tuple[int, int]
    corners: tuple[tuple[int, int], ...]

    @property
    def boxes(self) -> list[tuple[float, float, float, float]]:
        """(left, top, width, height) of each tile."""
        height, width = self.tile
        return [(x, y, width, height) for x, y in self.corners]


def mosaic(tiles: Any, columns: int, gap: tuple[int, int] = (1, 1)) -> Mosaic:
    """Lay out tiles (n, h, w) in rows of `columns`, `gap` = (rows, columns) of empty cells between them.

    A tile's own masked cells stay masked.

    >>> sheet = mosaic(np.arange(1, 4).reshape(3, 1, 1), columns=2)
    >>> sheet.cells.filled(0).tolist(), sheet.corners
    ([[1, 0, 2], [0, 0, 0], [3, 0, 0]], ((0, 0), (2, 0), (0, 2)))
    """
    count, height, width = tiles.shape
    rows, step_y, step_x = -(-count // columns), height + gap[0], width + gap[1]
    shape = rows * step_y - gap[0], columns * step_x - gap[1]
    cells = np.ma.masked_array(np.zeros(shape, tiles.dtype), np.ones(shape, bool))
    corners = tuple((index % columns * step_x, index // columns * step_y) for index in range(count))
    for (x, y), tile in zip(corners, tiles, strict=True):
        cells[y : y + height, x : x + width] = tile
    return Mosaic(cells, (height, width), corners)


def grid_columns(count: int, height: int, width: int, most: int) -> int:
    """Columns of a grid of tiles that is about as high as wide, at most `most`.

    >>> grid_columns(12, 5, 5, 24), grid_columns(64, 7, 7, 4), grid_columns(2, 1, 9, 24)
    (4, 4, 1)
    """
    return max(min(math.ceil(math.sqrt(count * height / width)), count, most), 1)
