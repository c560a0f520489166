"""Arrays to pictures: grey, colour, signed and error maps, mosaics, and their encoding.

Signed maps have zero in near-white, negative values blue, positive ones red (readable with every common
colour vision); error maps have exact zero in light grey. Knows nothing of sections or of markup.
"""

from __future__ import annotations

import base64
import importlib
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faltung.tour.blocks import Legend, Picture
from faltung.tour.numbers import number

__all__ = ["PALETTES", "colour", "data_uri", "error_map", "grey", "kernel_tiles", "mosaic", "positive", "reach_of", "signed"]

Pixels = NDArray[np.uint8]

PALETTES: dict[str, tuple[str, ...]] = {
    # ColorBrewer's RdBu, turned round: blue below zero, red above.
    "signed": ("#053061", "#2166ac", "#4393c3", "#92c5de", "#d1e5f0", "#f7f7f7", "#fddbc7", "#f4a582", "#d6604d", "#b2182b", "#67001f"),
    "positive": ("#f7f7f7", "#fddbc7", "#f4a582", "#d6604d", "#b2182b", "#67001f"),
    "error": ("#e4e4e4", "#f1b6da", "#de77ae", "#c51b7d", "#8e0152"),
    "grey": ("#000000", "#ffffff"),
}


def paint(values: NDArray[np.floating], palette: str) -> Pixels:
    """Colours of values in 0 … 1, (H, W) to (H, W, 3)."""
    stops = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in PALETTES[palette]], np.float64)
    at = np.clip(values, 0, 1) * (len(stops) - 1)
    return np.stack([np.interp(at, np.arange(len(stops)), stops[:, channel]) for channel in range(3)], -1).round().astype(np.uint8)


def reach_of(values: ArrayLike) -> float:
    """Where the colours of a map saturate: the size that one value in 200 exceeds, so that outliers do not fade the rest."""
    sizes = np.abs(np.asarray(values, np.float64))
    reach = float(np.percentile(sizes, 99.5)) if sizes.size else 0.0
    return reach or float(sizes.max(initial=0.0)) or 1.0


def grey(values: ArrayLike, caption: str, alt: str, low: float = 0, high: float = 255, *, crisp: bool = False) -> Picture:
    """A grey picture of an array (H, W), black at `low`, white at `high`."""
    scaled = (np.asarray(values, np.float64) - low) * (255 / (high - low))
    return Picture(np.clip(np.rint(scaled), 0, 255).astype(np.uint8), caption, alt, crisp=crisp)


def colour(values: ArrayLike, caption: str, alt: str, *, crisp: bool = False) -> Picture:
    """A colour picture of an array (3, H, W), 0 … 255."""
    pixels = np.clip(np.rint(np.asarray(values, np.float64)), 0, 255).astype(np.uint8)
    return Picture(np.moveaxis(pixels, 0, -1), caption, alt, crisp=crisp)


def signed(values: ArrayLike, caption: str, alt: str, reach: float | None = None, *, crisp: bool = False) -> Picture:
    """A map of an array (H, W) with both signs, zero in near-white; colours saturate at ± `reach`."""
    array = np.asarray(values, np.float64)
    reach = reach_of(array) if reach is None else reach
    legend = Legend("signed", f"−{number(reach)}", f"+{number(reach)}")
    return Picture(paint(array / (2 * reach) + 0.5, "signed"), caption, alt, legend, crisp)


def positive(values: ArrayLike, caption: str, alt: str, reach: float | None = None) -> Picture:
    """The positive half of `signed`: what is left after a ReLU, in the same colours."""
    array = np.asarray(values, np.float64)
    reach = reach_of(array) if reach is None else reach
    return Picture(paint(array / reach, "positive"), caption, alt, Legend("positive", "0", f"+{number(reach)}"))


def error_map(values: ArrayLike, caption: str, alt: str) -> Picture:
    """Absolute differences (H, W): exact zero is grey, anything else coloured."""
    sizes = np.abs(np.asarray(values, np.float64))
    reach = reach_of(sizes[sizes > 0]) if (sizes > 0).any() else 1.0
    # The smallest difference already stands out from zero.
    shown = np.where(sizes > 0, 0.3 + 0.7 * np.minimum(sizes / reach, 1), 0)
    legend = Legend("error", "0, exactly", number(reach)) if (sizes > 0).any() else None
    return Picture(paint(shown, "error"), caption, alt, legend, crisp=True)


def mosaic(tiles: Sequence[NDArray[np.uint8]], columns: int, gap: int = 2) -> Pixels:
    """Tiles of one size (h, w, 3) in rows of `columns`, white between them."""
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def map_tiles(maps: NDArray[np.floating], palette: str, reaches: Sequence[float]) -> list[Pixels]:
    """Each of (M, H, W) painted on its own scale, zero where `signed` and `positive` have it."""
    tiles = []
    for values, reach in zip(maps, reaches, strict=True):
        share = values / reach
        tiles.append(paint(share / 2 + 0.5 if palette == "signed" else share, palette))
    return tiles


def kernel_tiles(weights: NDArray[np.floating], enlarge: int) -> list[Pixels]:
    """Each of the kernels (M, 3, h, w) as a colour picture, zero in middle grey, cells `enlarge` pixels wide."""
    tiles = []
    for weight in weights:
        pixels = np.clip(128 + 127 * weight / max(float(np.abs(weight).max()), 1e-12), 0, 255).round().astype(np.uint8)
        tiles.append(np.moveaxis(pixels.repeat(enlarge, axis=1).repeat(enlarge, axis=2), 0, -1))
    return tiles


def data_uri(picture: Picture) -> str:
    """The picture as a ``data:`` address: JPEG, or PNG where it is to stay crisp."""
    image = importlib.import_module("PIL.Image").fromarray(np.ascontiguousarray(picture.pixels))
    buffer = io.BytesIO()
    if picture.crisp:
        # Few colours are enough for maps, and make them a third as large.
        image = image.convert("P", palette=1, colors=128) if picture.pixels.ndim == 3 and picture.pixels.size > 60_000 else image
        image.save(buffer, "PNG", optimize=True)
        kind = "png"
    else:
        image.save(buffer, "JPEG", quality=85, optimize=True, subsampling=0)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
