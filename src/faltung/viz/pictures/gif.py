"""Pixels to GIF: one palette for all frames, and of each frame only what changed.

Owns the file format. Pillow writes GIFs too, but gives frames palettes of their own, so that colours
flicker in some viewers; here it compresses only. Source of the format: CompuServe, "GRAPHICS INTERCHANGE
FORMAT Version 89a", 1990, and Netscape's application extension for loops.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faltung.extras import optional
from faltung.viz.pictures.changes import Patch

__all__ = ["gif_bytes"]

_COLOURS = 255
_TRANSPARENT = 255
"""The index that leaves a pixel as the frame before left it."""

_BITS = 8
_LONGEST = 0xFFFF
"""Hundredths of a second that a frame can be shown."""


def gif_bytes(changes: Iterable[Sequence[Patch]], *, seconds: float, loop: bool) -> bytes:
    """Frames of the same size as the bytes of a GIF file.

    Parameters
    ----------
    changes : iterable of sequences of Patch
        The first frame whole, of each that follows the parts that differ from the one before. Equal frames that follow each other
        become one that is shown for longer.
    seconds : float
        That each is shown, rounded to hundredths.
    loop : bool
        Without end, or once.
    """
    palette, frames = _indexed(changes)
    shown = frames[0][0].pixels.copy()
    height, width = shown.shape
    table = np.zeros((2**_BITS, 3), np.uint8)
    table[: len(palette)] = palette
    parts = [b"GIF89a", struct.pack("<HHBBB", width, height, 0xF0 | (_BITS - 1), 0, 0), table.tobytes()]
    if loop:
        parts.append(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")
    hundredths = max(2, round(100 * seconds))
    pieces = [(0, _Piece(0, 0, shown.copy(), False))]
    for number, patches in enumerate(frames[1:], 1):
        piece = _changed(shown, patches)
        if piece is not None:
            pieces.append((number, piece))
    for (number, piece), after in zip(pieces, [*(number for number, _ in pieces[1:]), len(frames)], strict=True):
        parts.append(_frame(piece, min(hundredths * (after - number), _LONGEST)))
    return b"".join([*parts, b"\x3b"])


class _Piece(NamedTuple):
    """A part of a frame as places in the palette."""

    left: int
    top: int
    pixels: NDArray[np.uint8]
    is_transparent: bool = False


def _indexed(changes: Iterable[Sequence[Patch]]) -> tuple[NDArray[np.uint8], list[list[_Piece]]]:
    """A palette (colours, 3), and the same parts of frames as places in it."""
    colours = _Colours()
    frames = [[(left, top, colours.numbered(pixels)) for left, top, pixels in patches] for patches in changes]
    counts = np.zeros(len(colours.found), np.int64)
    shown = frames[0][0][2].copy()
    for number, patches in enumerate(frames):
        # A pixel counts for each frame in which it has its colour.
        for left, top, pixels in patches:
            place = slice(top, top + pixels.shape[0]), slice(left, left + pixels.shape[1])
            more = np.bincount(pixels.ravel(), minlength=len(counts))
            if number:
                more -= np.bincount(shown[place].ravel(), minlength=len(counts))
            counts += (len(frames) - number) * more
            shown[place] = pixels
    order = np.argsort(colours.found)
    palette, sorted_places = _palette(colours.found[order], counts[order].astype(np.float64))
    nearest = np.empty(len(order), np.uint8)
    nearest[order] = sorted_places
    return palette, [[_Piece(left, top, nearest[pixels]) for left, top, pixels in patches] for patches in frames]


class _Colours:
    """Numbers colours in the order in which they come up."""

    def __init__(self) -> None:
        self.found = np.zeros(0, np.uint32)
        # By colour its number, from 1. A page of it takes memory only when a colour on it is met.
        self._numbers = np.zeros(2**24, np.uint32)

    def numbered(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint32]:
        """The numbers of the colours, from 0, of pixels (height, width, 3)."""
        red, green, blue = (pixels[..., channel].astype(np.uint32) for channel in range(3))
        colours = red << 16 | green << 8 | blue
        numbers: NDArray[np.uint32] = self._numbers[colours]
        if not numbers.all():
            new = np.unique(colours[numbers == 0])
            self._numbers[new] = np.arange(len(self.found) + 1, len(self.found) + 1 + len(new))
            self.found = np.concatenate([self.found, new])
            numbers = self._numbers[colours]
        numbers -= np.uint32(1)
        return numbers


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


def _changed(shown: NDArray[np.uint8], patches: Sequence[_Piece]) -> _Piece | None:
    """Put a frame's parts over what is shown: the smallest rectangle that changes, what does not change in it transparent."""
    before = shown.copy() if len(patches) else shown
    for left, top, pixels, _ in patches:
        shown[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    same = shown == before
    rows, columns = np.flatnonzero(~same.all(1)), np.flatnonzero(~same.all(0))
    if not len(rows):
        return None
    top, left = int(rows[0]), int(columns[0])
    part = slice(top, rows[-1] + 1), slice(left, columns[-1] + 1)
    return _Piece(left, top, np.where(same[part], np.uint8(_TRANSPARENT), shown[part]), True)


def _frame(piece: _Piece, hundredths: int) -> bytes:
    height, width = piece.pixels.shape
    control = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 4 | piece.is_transparent, hundredths, _TRANSPARENT, 0)
    place = struct.pack("<BHHHHBB", 0x2C, piece.left, piece.top, width, height, 0, 8)
    return control + place + _compressed(piece.pixels) + b"\x00"


def _compressed(indexed: NDArray[np.uint8]) -> bytes:
    image: Any = optional("PIL.Image", extra="plot", purpose="writing GIF files", package="Pillow")
    return bytes(image.fromarray(np.ascontiguousarray(indexed)).tobytes("gif", "L"))
