"""Numbers as they stand in cells, and how wide text is.

Owns how a number is shortened and the estimate of widths. Standard library only. Whoever reads the picture may have any font: the
estimate is of DejaVu Sans, the widest of the usual ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from faltung.viz.numbers import Number

__all__ = ["LEAST_FONT", "factor", "fitting_size", "number_text", "text_width"]

LEAST_FONT = 11.0
"""Smallest font, in pixels at scale 1, that reads well where the picture is shown at its own size."""

# Advance widths in sizes of the font, rounded up to twentieths.
_CLASSES = {
    0.35: " ',./:;\\|·IJijl",
    0.45: "!()-[]frt",
    0.55: '"?*_`csz',
    0.6: "FLkvxy",
    0.65: "$0123456789EPSTYabdeghnopqu{}",
    0.75: "ABCKNRUVXZ",
    0.85: "#&+<=>DGHOQ^w~−×→∞±",
}
_WIDTHS = {letter: width for width, letters in _CLASSES.items() for letter in letters}
_WIDEST = 1.0
_BOLD = 1.2


def number_text(value: Number, digits: int = 3) -> str:
    """A number as short as a cell needs it: three significant digits, whole numbers below 10000 in full.

    >>> [number_text(value) for value in (-3, 0.123456, 2.0, -1234.5, 1e-7, 123456, 1 - 2j)]
    ['−3', '0.123', '2', '−1234', '1e−7', '1.23e5', '1−2i']
    >>> [number_text(value) for value in (math.nan, math.inf, -math.inf, -0.0)]
    ['NaN', '∞', '−∞', '0']
    """
    if isinstance(value, complex):
        # Kept short: two long parts side by side fit no cell.
        parts = [number_text(part, digits) for part in (value.real, abs(value.imag))]
        if digits > 1 and sum(map(len, parts)) > 8:
            return number_text(value, digits - 1)
        return f"{parts[0]}{'−' if math.copysign(1, value.imag) < 0 else '+'}{parts[1]}i"
    if value != value:
        return "NaN"
    if value in (math.inf, -math.inf):
        return "∞" if value > 0 else "−∞"
    if abs(value) < 10**4 - 0.5 and (isinstance(value, int) or abs(value) >= 100):
        written = f"{value:.0f}"
    elif isinstance(value, int):
        written = _scientific(value, digits)
    else:
        written = f"{value:.{digits}g}"
        if "e" in written or (abs(value) < 1e-3 and value):
            written = _scientific(value, digits)
    return "0" if written in ("-0", "0") else written.replace("-", "−")


def _scientific(value: float, digits: int) -> str:
    """Without zeros at the end and without a plus; of integers of any length."""
    if isinstance(value, int) and abs(value) >= 10**300:
        text = str(abs(value))[:digits]
        power = len(str(abs(value))) - 1
        mantissa, sign = f"{text[0]}.{text[1:]}", "-" if value < 0 else ""
    else:
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        power, sign = int(exponent), ""
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{sign}{mantissa}e{power}"


def factor(value: Number) -> str:
    """The number inside a product: in parentheses where it has a sign or two parts.

    >>> factor(3), factor(-3), factor(1j)
    ('3', '(−3)', '(0+1i)')
    """
    written = number_text(value)
    return f"({written})" if isinstance(value, complex) or written.startswith("−") else written


def text_width(text: str, size: float = 1.0, *, bold: bool = False) -> float:
    """The most that `text` takes up across, in a font of that `size`.

    >>> text_width("−12", 10)
    21.5
    """
    return round(sum(_WIDTHS.get(letter, _WIDEST) for letter in text) * size * (_BOLD if bold else 1), 6)


def fitting_size(texts: Iterable[str], width: float, largest: float = 14.0) -> float:
    """The size of the font at which each of the texts fits into `width`, `largest` at most.

    >>> fitting_size(["0", "−1"], 28), fitting_size(["−1234"], 28)
    (14.0, 8.1)
    """
    widest = max((text_width(text) for text in texts), default=0.0)
    if not widest:
        return largest
    return min(largest, math.floor(10 * width / widest) / 10)
