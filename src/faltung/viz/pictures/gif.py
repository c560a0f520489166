"""Pixels to GIF: one palette for all frames, and of each frame only what changed.

Owns the file format. Pillow writes GIFs too, but gives frames palettes of their own, so that colours
flicker in some viewers; here it compresses only. Source of the format: CompuServe, "GRAPHICS INTERCHANGE
FORMAT Version 89a", 1990, and Netscape's application extension for loops.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.extras import optional
from faltung.viz.pictures.raster import Pixels

__all__ = ["gif_bytes"]

_COLOURS = 255
_TRANSPARENT = 255
"""The index that leaves a pixel as the frame before left it."""

_BITS = 8
_LONGEST = 0xFFFF
"""Hundredths of a second that a frame can be shown."""


def gif_bytes(frames: Iterable[Pixels], *, seconds: float, loop: bool) -> bytes:
    """Frames of the same size as the bytes of a GIF file.

    Parameters
    ----------
    frames : iterable of uint8 arrays (height, width, 3)
        Equal ones that follow each other become one that is shown for longer.
    seconds : float
        That each is shown, rounded to hundredths.
    loop : bool
        Without end, or once.
    """
    palette, indexed = _indexed(frames)
    height, width = indexed[0].shape
    table = np.zeros((2**_BITS, 3), np.uint8)
    table[: len(palette)] = palette
    parts = [b"GIF89a", struct.pack("<HHBBB", width, height, 0xF0 | (_BITS - 1), 0, 0), table.tobytes()]
    if loop:
        parts.append(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")
    hundredths = max(2, round(100 * seconds))
    changed = [0] + [number for number in range(1, len(indexed)) if not np.array_equal(indexed[number], indexed[number - 1])]
    for number, after in zip(changed, [*changed[1:], len(indexed)], strict=True):
        shown = min(hundredths * (after - number), _LONGEST)
        parts.append(_frame(indexed[number], indexed[number - 1] if number else None, shown))
    return b"".join([*parts, b"\x3b"])


def _indexed(frames: Iterable[Pixels]) -> tuple[NDArray[np.uint8], list[NDArray[np.uint8]]]:
    """A palette (colours, 3), and for each pixel of each frame its place in it."""
    parts = []  # of each frame: its colours, how many pixels have them, and for each pixel the place of its colour
    for pixels in frames:
        red, green, blue = (pixels[..., channel].astype(np.uint32) for channel in range(3))
        found, places, counts = np.unique(red << 16 | green << 8 | blue, return_inverse=True, return_counts=True)
        parts.append((found, counts, places.reshape(red.shape).astype(np.uint16 if len(found) < 2**16 else np.uint32)))
    colours, places = np.unique(np.concatenate([found for found, _, _ in parts]), return_inverse=True)
    palette, nearest = _palette(colours, np.bincount(places, np.concatenate([counts for _, counts, _ in parts])).astype(np.float64))
    return palette, [nearest[np.searchsorted(colours, found)][places] for found, _, places in parts]


def _palette(colours: NDArray[np.uint32], counts: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A palette, and for each colour its nearest there.

    The most frequent colours, those of areas, are kept as they are; the shades of edges share what is left: one after the other the
    shade that is worst off, weighted by its pixels, gets a place of its own.
    """
    shades = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], -1).astype(np.int32)
    kept = np.argsort(-counts, kind="stable")[: _COLOURS // 2].tolist()
    distance = np.full(len(shades), np.inf)
    nearest = np.zeros(len(shades), np.uint8)
    for at in range(min(_COLOURS, len(shades))):
        if at >= len(kept):
            kept.append(int(np.argmax(distance * counts)))
        to_new = np.square(shades - shades[kept[at]]).sum(-1)
        nearest[to_new < distance] = at
        distance = np.minimum(distance, to_new)
    return shades[kept].astype(np.uint8), nearest


def _frame(indexed: NDArray[np.uint8], before: NDArray[np.uint8] | None, hundredths: int) -> bytes:
    """The smallest rectangle that changed, what did not change in it transparent."""
    left = top = 0
    transparent = 0
    if before is not None:
        same = indexed == before
        rows, columns = np.flatnonzero(~same.all(1)), np.flatnonzero(~same.all(0))
        top, left = int(rows[0]), int(columns[0])
        part = slice(top, rows[-1] + 1), slice(left, columns[-1] + 1)
        indexed = np.where(same[part], np.uint8(_TRANSPARENT), indexed[part])
        transparent = 1
    height, width = indexed.shape
    control = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 4 | transparent, hundredths, _TRANSPARENT, 0)
    place = struct.pack("<BHHHHBB", 0x2C, left, top, width, height, 0, 8)
    return control + place + _compressed(indexed) + b"\x00"


def _compressed(indexed: NDArray[np.uint8]) -> bytes:
    image: Any = optional("PIL.Image", extra="plot", purpose="writing GIF files", package="Pillow")
    return bytes(image.fromarray(np.ascontiguousarray(indexed)).tobytes("gif", "L"))
