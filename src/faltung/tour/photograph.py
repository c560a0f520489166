"""The photograph that the tour looks at, brought to one working size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faltung.photo import default_photograph, read_photo, resize_photo

__all__ = ["LONG_SIDE", "Photograph"]

LONG_SIDE = 480
"""Pixels along the longer side: large enough to look at, small enough for a page that can be mailed."""

LONGEST_SHAPE = 2.0
"""Longer than this times its width, a picture is cut to its middle."""


@dataclass(frozen=True)
class Photograph:
    """A colour photograph as integers, so that results can be compared for equality.

    Attributes
    ----------
    name : str
        The file's name, without its folder.
    file_size : (int, int)
        Height and width in the file.
    rgb : uint8 array (3, H, W)
    """

    name: str
    file_size: tuple[int, int]
    rgb: NDArray[np.uint8]

    @classmethod
    def open(cls, path: str | Path | None, long_side: int = LONG_SIDE) -> Photograph:
        """Read the file, or the default photograph, and bring it to the working size."""
        if path is None:
            return cls.of(default_photograph(), "coffee.png (by Rachel Michetti, CC0; from scikit-image)", long_side)
        return cls.of(read_photo(path), Path(path).name, long_side)

    @classmethod
    def of(cls, photo: NDArray[np.float32], name: str, long_side: int = LONG_SIDE) -> Photograph:
        """Bring an array (1, H, W) or (3, H, W), 0 … 255, to the working size.

        >>> Photograph.of(np.zeros((1, 10, 80), np.float32), "band").rgb.shape
        (3, 240, 480)
        """
        height, width = photo.shape[1:]
        longest = max(round(LONGEST_SHAPE * min(height, width)), 1)
        top, left = max(height - longest, 0) // 2, max(width - longest, 0) // 2
        cut = photo[:, top : top + longest, left : left + longest]
        scale = long_side / max(cut.shape[1:])
        # Even sides, so that halving loses no row or column.
        size = tuple(max(round(side * scale / 2) * 2, 2) for side in cut.shape[1:])
        resized = resize_photo(cut, (size[0], size[1]))
        pixels = np.clip(np.rint(resized), 0, 255).astype(np.uint8)
        return cls(name, (height, width), np.ascontiguousarray(np.broadcast_to(pixels, (3, *size))))

    @property
    def size(self) -> tuple[int, int]:
        """Working height and width."""
        return self.rgb.shape[1], self.rgb.shape[2]

    @cached_property
    def grey(self) -> NDArray[np.uint8]:
        """Brightness (H, W): 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), rounded."""
        red, green, blue = self.rgb.astype(np.int64)
        return np.asarray((299 * red + 587 * green + 114 * blue + 500) // 1000, np.uint8)

    def square(self, side: int) -> Photograph:
        """The middle of it, as a square of `side` pixels."""
        shorter = min(self.size)
        top, left = (self.size[0] - shorter) // 2, (self.size[1] - shorter) // 2
        middle = self.rgb[:, top : top + shorter, left : left + shorter]
        pixels = np.clip(np.rint(resize_photo(middle, (side, side))), 0, 255).astype(np.uint8)
        return Photograph(self.name, self.file_size, pixels)

    def halved(self) -> Photograph:
        """Half as high and half as wide: means of 2 × 2 pixels, rounded."""
        channels, height, width = self.rgb.shape
        sums = self.rgb.astype(np.int64).reshape(channels, height // 2, 2, width // 2, 2).sum(axis=(2, 4))
        return Photograph(self.name, self.file_size, ((sums + 2) // 4).astype(np.uint8))
