"""What each part of a picture is coloured like: palettes that colour-blind people can read, in light and dark.

Owns the roles that a shape may have and their colours. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faltung.errors import ConvSpecError, one_of

__all__ = ["GROUPS", "PALETTES", "ROLES", "Paint", "Palette", "palette"]

GROUPS = 6
"""Groups with a colour of their own; further ones start again with the first."""


@dataclass(frozen=True, slots=True)
class Paint:
    """How a role is drawn.

    Attributes
    ----------
    fill, stroke : str or None
        ``#rrggbb``; None: not drawn. Text is drawn in `fill`.
    width : float
        Of the stroke, in pixels at scale 1.
    opacity : float
        Of the fill, 0 to 1.
    dash : float
        Length of dashes and gaps of the stroke; 0: solid.
    is_bold : bool
        Of text.
    """

    fill: str | None = None
    stroke: str | None = None
    width: float = 1.0
    opacity: float = 1.0
    dash: float = 0.0
    is_bold: bool = False


# Hues by palette: Tol's "bright" scheme (Tol, "Colour schemes", SRON 2021, §1) and Okabe & Ito's ("Color universal design", 2008) stay
# apart for all common kinds of colour blindness; grey relies on outlines, hatching and letters alone.
_TOL = {"blue": "#4477aa", "cyan": "#66ccee", "green": "#228833", "yellow": "#ccbb44", "red": "#ee6677", "purple": "#aa3377"}
_OKABE_ITO = {"blue": "#0072b2", "cyan": "#56b4e9", "green": "#009e73", "yellow": "#e69f00", "red": "#d55e00", "purple": "#cc79a7"}
_GREY = {"blue": "#777777", "cyan": "#aaaaaa", "green": "#888888", "yellow": "#c0c0c0", "red": "#999999", "purple": "#666666"}
_HUES = {"tol": _TOL, "okabe-ito": _OKABE_ITO, "grey": _GREY}

PALETTES = tuple(_HUES)

# What a cell may be, and its hue.
_CELLS = {
    "input": "blue", "kernel": "yellow", "output": "cyan", "red": "red", "green": "green", "blue": "blue",
    "wrapped": "purple", "mirrored": "green", "repeated": "red",
    **{f"group-{number}": hue for number, hue in enumerate(("blue", "yellow", "green", "purple", "cyan", "red"))},
}  # fmt: skip
_EMPTY = ("zero", "inserted", "cropped", "blank")
_PLAIN = ("text", "muted", "strong", "faint", "link", "arrow", "shadow", "hatch", "focus", "background")

ROLES = (*_PLAIN, *_EMPTY, *(f"{cell}{part}" for cell in _CELLS for part in ("", "-strong", "-line", "-shadow")))
"""Every role. Of a cell there are four: the cell, ``-strong`` where attention is on it, ``-line`` a frame around cells, ``-shadow`` what
a window throws. Empty cells are ``zero`` (padding), ``inserted`` (between the inputs of a transposed convolution), ``cropped`` (beyond the
output) and ``blank`` (an output that is not computed yet)."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by role, light and dark.

    Examples
    --------
    >>> palette("tol").paint("input-line", "light").stroke
    '#335980'
    """

    name: str

    def paint(self, role: str, theme: Literal["light", "dark"]) -> Paint:
        """How `role` is drawn on a `theme` background."""
        dark = theme == "dark"
        page, ink = ("#15181e", "#e8eaee") if dark else ("#ffffff", "#1b1f27")
        plain = {
            "background": Paint(fill=page),
            "text": Paint(fill=ink),
            "strong": Paint(fill=ink, is_bold=True),
            "muted": Paint(fill=_mix(ink, page, 0.62)),
            "faint": Paint(stroke=_mix(ink, page, 0.3), width=0.8),
            "link": Paint(stroke=_mix(ink, page, 0.75), width=1.2, dash=3),
            "arrow": Paint(stroke=_mix(ink, page, 0.6), width=1.5),
            "shadow": Paint(fill=ink, opacity=0.14),
            "hatch": Paint(stroke=_mix(ink, page, 0.45), width=0.8),
            "focus": Paint(stroke=ink, width=2.2),
            "zero": Paint(fill=_mix(ink, page, 0.07), stroke=_mix(ink, page, 0.35), width=0.8, dash=2),
            "inserted": Paint(fill=page, stroke=_mix(ink, page, 0.35), width=0.8, dash=2),
            "cropped": Paint(fill=page, stroke=_mix(ink, page, 0.35), width=0.8, dash=3),
            "blank": Paint(fill=page, stroke=_mix(ink, page, 0.45), width=0.8),
        }
        if role in plain:
            return plain[role]
        cell, part = next((role.removesuffix(end), end) for end in ("-strong", "-line", "-shadow", "") if role.endswith(end))
        hue = _HUES[self.name][_CELLS[cell]]
        edge = _mix(hue, "#ffffff" if dark else "#000000", 0.75)
        if part == "-line":
            return Paint(stroke=edge, width=2.4)
        if part == "-shadow":
            return Paint(fill=hue, opacity=0.25)
        return Paint(fill=_mix(hue, page, (0.72 if dark else 0.6) if part else (0.38 if dark else 0.26)), stroke=edge, width=0.8)


def palette(name: str) -> Palette:
    """The palette of that name, one of `PALETTES`.

    Raises
    ------
    ConvSpecError
        There is no such palette.
    """
    return Palette(one_of("palette", name, PALETTES, ConvSpecError))


def _mix(colour: str, other: str, share: float) -> str:
    """`share` of one colour and the rest of the other."""
    pairs = ((int(colour[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(share * one + (1 - share) * two):02x}" for one, two in pairs)
