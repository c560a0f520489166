"""What chapters show: ``from handbook import show, side_by_side``.

Runs in the kernels that execute the chapters. An explorer's file is written into the folder that ``FALTUNG_EXPLORERS`` names (conf.py
sets it); where nobody has set it, as in a notebook of one's own, the explorer stands in the page itself.
"""

from __future__ import annotations

import hashlib
import html
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import faltung as fl
from faltung.app.embed import Explorer, explorer, state_of
from faltung.viz.pictures.palette import Palette
from faltung.viz.pictures.svg import animated_svg

__all__ = ["Ran", "Shown", "Together", "run", "show", "side_by_side"]

ROOT = "faltung-root:"
"""The way back to the top folder of the pages; explorers.py knows it when a page is written."""


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
    parts: Sequence[str] = (),
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
        As `faltung.animate` takes them. Several specs, or a style other than ``"flat"``, are watched only, unless `vary` says otherwise.
    vary : mapping of field to values, optional
        What the reader may change: fields of the playground's state, such as ``{"stride": [1, 2, 3]}``.
    parts : sequence of str
        What stands beside the drawing: ``"facts"``, ``"plan"``, ``"code"``, ``"matrices"``.
    caption : str, optional
        HTML.
    """
    animation = fl.animate(
        spec,
        x,
        weight,
        bias,
        input_size=input_size,
        style=style,  # type: ignore[arg-type]
        reading=reading,  # type: ignore[arg-type]
        numbers=numbers,
        title=title,
    )
    if vary is None and not parts and (style != "flat" or not isinstance(spec, str | fl.ConvSpec)):
        return Shown(animation._repr_html_(), animation.to_svg(animation.frames - 1), caption)
    if not isinstance(spec, str | fl.ConvSpec):
        raise TypeError(f"vary goes with one convolution, there are {len(spec)}.")
    state = state_of(spec) | {"reading": reading}
    if x is None:
        assert input_size is not None
        state["input_size"] = [input_size] * state["ndim"] if isinstance(input_size, int) else list(input_size)
    else:
        values = np.asarray(x)
        state |= {"x": {"values": values.tolist()}, "input_size": list(values.shape[-state["ndim"] :])}
    if weight is not None:
        state["weight"] = {"values": np.asarray(weight).tolist()}
    if bias is not None:
        state["bias_values"] = {"values": np.asarray(bias).tolist()}
    found = explorer(state, vary, parts=parts, title=title or animation.drawing.title)
    return Shown(_framed(found), animation.to_svg(animation.frames - 1), caption)


def _framed(found: Explorer) -> str:
    """The explorer in a frame of its own, loaded when the reader comes near it."""
    folder = os.environ.get("FALTUNG_EXPLORERS")
    if not folder:
        return found._repr_html_()
    name = hashlib.sha256(found.html.encode()).hexdigest()[:20] + ".html"
    found.save(Path(folder) / name)
    size = f'style="height:{found.height}px"'
    return (
        f'<iframe title="{html.escape(found.title)}" src="{ROOT}_explorers/{name}" loading="lazy" allow="clipboard-write" {size}></iframe>'
    )


class Together:
    """Small pictures beside one another, below one another on narrow screens."""

    def __init__(self, pictures: Mapping[str, fl.Animation]) -> None:
        self.pictures = pictures

    def _repr_html_(self) -> str:
        told = ((_moving(picture), html.escape(caption)) for caption, picture in self.pictures.items())
        figures = "".join(f"<figure>{svg}<figcaption>{caption}</figcaption></figure>" for svg, caption in told)
        return f'<div class="together">{figures}</div>'


def _moving(picture: fl.Animation) -> str:
    """As SVG that follows the theme of the page, which may be another than the reader's general one."""
    assert isinstance(picture.palette, Palette)
    seconds, still = picture.seconds_per_frame, picture.frames - 1
    return animated_svg(picture.drawing, picture.palette, picture.theme, seconds=seconds, still=still, hosted=True)


def side_by_side(pictures: Mapping[str, fl.Animation]) -> Together:
    """Moving pictures without controls, each with its caption, in a grid."""
    return Together(pictures)


class Ran:
    """What a command printed."""

    def __init__(self, line: str, printed: str, summary: str = "") -> None:
        self.line, self.printed, self.summary = line, printed, summary

    def _repr_html_(self) -> str:
        printed = f"<pre><b>$ {html.escape(self.line)}</b>\n{html.escape(self.printed)}</pre>"
        inside = f"<details><summary>{html.escape(self.summary)}</summary>{printed}</details>" if self.summary else printed
        return f'<div class="ran">{inside}</div>'

    def folded(self, summary: str) -> Ran:
        """The same, to be opened."""
        return Ran(self.line, self.printed, summary)


def run(line: str, *, folder: str | Path | None = None, most: int = 60) -> Ran:
    """Run a command line of ``faltung`` and show what it prints, at most that many lines; one that fails is an error."""
    words = shlex.split(line)
    environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    found = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, cwd=folder, env=environment, check=False)
    if found.returncode:
        raise RuntimeError(f"{line}: {found.stderr or found.stdout}")
    lines = [row.rstrip() for row in found.stdout.rstrip().splitlines()]
    return Ran(line, "\n".join([*lines[:most], "…"] if len(lines) > most else lines))
