"""What chapters show: ``from handbook import show, side_by_side``.

Runs in the kernels that execute the chapters.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import faltung as fl

__all__ = ["Shown", "Together", "show", "side_by_side"]


class Shown:
    """What stands in the page: the live picture, and a still one for paper and for browsers without scripts."""

    def __init__(self, live: str, still: str, caption: str | None) -> None:
        self.live, self.still, self.caption = live, still, caption

    def _repr_html_(self) -> str:
        caption = f"<figcaption>{self.caption}</figcaption>" if self.caption else ""
        return (
            f'<figure class="shown"><div class="shown-live">{self.live}</div><div class="shown-still">{self.still}</div>{caption}</figure>'
        )


def show(
    spec: str | fl.ConvSpec | Sequence[str | fl.ConvSpec],
    x: object = None,
    weight: object = None,
    bias: object = None,
    *,
    input_size: int | Sequence[int] | None = None,
    vary: Mapping[str, Sequence[Any]] | None = None,
    caption: str | None = None,
    style: str = "flat",
    reading: str = "auto",
    numbers: bool = True,
    title: str | None = None,
) -> Shown:
    """A convolution to watch and to play with.

    Parameters
    ----------
    spec, x, weight, bias, input_size, style, reading, numbers, title
        As `faltung.animate` takes them.
    vary : mapping of field to values, optional
        What the reader may change: fields of the playground's state, such as ``{"stride": [1, 2, 3]}``.
    caption : str, optional
        HTML.
    """
    animation = fl.animate(
        spec,
        x,
        weight,
        bias,
        input_size=input_size,
        style=style,
        reading=reading,
        numbers=numbers,
        title=title,  # type: ignore[arg-type]
    )
    return Shown(animation._repr_html_(), animation.to_svg(animation.frames - 1), caption)


class Together:
    """Small pictures beside one another, below one another on narrow screens."""

    def __init__(self, pictures: Mapping[str, fl.Animation]) -> None:
        self.pictures = pictures

    def _repr_html_(self) -> str:
        figures = (
            f"<figure>{picture.to_svg()}<figcaption>{html.escape(caption)}</figcaption></figure>"
            for caption, picture in self.pictures.items()
        )
        return f'<div class="together">{"".join(figures)}</div>'


def side_by_side(pictures: Mapping[str, fl.Animation]) -> Together:
    """Moving pictures without controls, each with its caption, in a grid."""
    return Together(pictures)
