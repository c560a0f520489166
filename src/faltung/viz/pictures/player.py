"""Drawings as pages: a player with buttons and keys, as a file of its own or as a piece of a notebook.

Owns the page around the picture; ``player.css`` has its looks and ``player.js`` its behaviour. Standard
library only. Without scripts the picture moves by CSS, and a list says what each frame shows.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from importlib import resources
from typing import Literal

from faltung.viz.pictures.drawing import Drawing
from faltung.viz.pictures.palette import Palette
from faltung.viz.pictures.svg import Theme, animated_svg, escaped, themed

__all__ = ["fragment", "page"]

SPEEDS = ("0.25", "0.5", "1", "2", "4")
"""Times as fast as the animation asks for."""

# Drawn rather than written: the characters for these signs become coloured pictures on some machines.
_ICONS = {
    "first": "M4 3h2v10H4zM13 3v10L7 8z",
    "back": "M11 3v10L4 8z",
    "play": "M4 2.5v11L13.5 8z",
    "pause": "M4 3h3v10H4zM9 3h3v10H9z",
    "forward": "M5 3v10l7-5z",
    "last": "M10 3h2v10h-2zM3 3v10l6-5z",
}


def fragment(drawing: Drawing, palette: Palette, theme: Theme, *, seconds: float, still: int, loop: bool = True, scale: float = 1.0) -> str:
    """The player as a piece of a page, such as a notebook: any number of them may stand in one.

    It takes no name for itself alone: its rules are scoped by classes, and its script starts every player that has none yet.
    """
    svg = animated_svg(drawing, palette, theme, seconds=seconds, still=still, loop=loop, scale=scale, hosted=True)
    player = _player(drawing, svg, _look(palette, theme), seconds=seconds, loop=loop, is_page=False)
    return f"<style>{_style(palette, theme)}</style>\n{player}\n<script>{_file('player.js')}</script>\n"


def page(drawing: Drawing, palette: Palette, theme: Theme, *, seconds: float, still: int, loop: bool = True, scale: float = 1.0) -> str:
    """The player as a page of its own, which requests nothing and forbids itself to."""
    svg = animated_svg(drawing, palette, theme, seconds=seconds, still=still, loop=loop, scale=scale, hosted=True)
    player = _player(drawing, svg, _look(palette, theme), seconds=seconds, loop=loop, is_page=True)
    style, script = _style(palette, theme), _file("player.js")
    styles = [style, *re.findall("<style>(.*?)</style>", svg, re.DOTALL)]
    policy = f"default-src 'none'; style-src {' '.join(map(_hash, styles))}; script-src {_hash(script)}; img-src data:; base-uri 'none'"
    schemes = "light dark" if theme == "auto" else theme
    return f"""<!DOCTYPE html>
<html lang="en" class="faltung-page">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="{schemes}">
<title>{escaped(drawing.title)}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main>
<h1>{escaped(drawing.title)}</h1>
{player}
</main>
<script>{script}</script>
</body>
</html>
"""


# -- parts ---------------------------------------------------------------------------------------


def _player(drawing: Drawing, svg: str, look: str, *, seconds: float, loop: bool, is_page: bool) -> str:
    title = escaped(drawing.title)
    captions = "".join(f"<li>{escaped(caption)}</li>" for caption in drawing.captions)
    words = f'<details class="faltung-words"><summary>Frame by frame, in words</summary><ol>{captions}</ol></details>'
    # JupyterLab takes no keys for itself that are pressed inside an element with data-lm-suppress-shortcuts.
    marks = f'data-count="{drawing.frames}" data-seconds="{seconds:g}" data-loop="{int(loop)}" data-page="{int(is_page)}"'
    return f"""<div class="faltung-player {look}" role="group" aria-label="{title}" {marks} data-lm-suppress-shortcuts="true">
<div class="faltung-picture" tabindex="-1">{svg}</div>
{_controls() if drawing.frames > 1 else ""}
<p class="faltung-caption" aria-live="polite" aria-atomic="true"></p>
{words if any(drawing.captions) else ""}
</div>"""


def _controls() -> str:
    """Hidden until the script that moves them is there."""
    buttons = {name: f'<svg viewBox="0 0 16 16" aria-hidden="true"><path d="{path}"/></svg>' for name, path in _ICONS.items()}
    speeds = "".join(f'<option value="{speed}"{" selected" if speed == "1" else ""}>{speed}×</option>' for speed in SPEEDS)
    return f"""<div class="faltung-controls" hidden>
<div class="faltung-buttons">
<button type="button" data-do="first" aria-label="First frame" title="First frame (Home)">{buttons["first"]}</button>
<button type="button" data-do="back" aria-label="One frame back" title="One frame back (←)">{buttons["back"]}</button>
<button type="button" data-do="toggle" aria-label="Play" title="Play or pause (space)">\
<span class="faltung-play">{buttons["play"]}</span><span class="faltung-pause">{buttons["pause"]}</span></button>
<button type="button" data-do="forward" aria-label="One frame forward" title="One frame forward (→)">{buttons["forward"]}</button>
<button type="button" data-do="last" aria-label="Last frame" title="Last frame (End)">{buttons["last"]}</button>
</div>
<input type="range" min="1" value="1" step="1" aria-label="Frame">
<output class="faltung-count"></output>
<select aria-label="Speed" title="Speed">{speeds}</select>
</div>"""


def _style(palette: Palette, theme: Theme) -> str:
    def colours(before: str, shade: Literal["light", "dark"]) -> str:
        page_colour, ink, muted, hue = (palette.paint(role, shade) for role in ("background", "text", "muted", "input"))
        chosen = f"--page:{page_colour.fill};--ink:{ink.fill};--muted:{muted.fill};--accent:{hue.stroke};color-scheme:{shade}"
        return f"{before}.{_look(palette, theme)}{{{chosen}}}" + (
            f"\n.faltung-page body{{background:{page_colour.fill};color:{ink.fill}}}" if not before else ""
        )

    return f"\n{themed(theme, colours, hosted=True)}\n{_file('player.css')}"


def _look(palette: Palette, theme: Theme) -> str:
    """The class of players that are coloured alike: others may stand in the same page."""
    return f"faltung-{palette.name}-{theme}"


@functools.cache
def _file(name: str) -> str:
    return resources.files("faltung.viz.pictures").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """By which a page says which styles and scripts are its own."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
