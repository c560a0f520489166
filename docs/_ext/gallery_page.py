"""The gallery's pictures as files beside the pages, and the part of a page that shows them."""

from __future__ import annotations

import html
import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

from handbook import ROOT

from faltung.viz.gallery import CASES, Case

_SHADES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_WIDE = 600
"""Pictures of so many pixels take the whole width, so that what is written in them stays readable."""


class Gallery:
    """All cases of `faltung.viz.gallery`, each with its heading, its note and the convolution."""

    def _repr_html_(self) -> str:
        folder = Path(os.environ["FALTUNG_GALLERY"])
        folder.mkdir(parents=True, exist_ok=True)
        return f'<div class="together gallery">{"".join(_figure(case, folder) for case in CASES)}</div>'


def _figure(case: Case, folder: Path) -> str:
    """A picture in a file cannot see which theme the reader has given the page: there is one for each, and the page hides the other."""
    animation, pictures = case.animation(), ""
    said = html.escape(f"{case.heading}: {case.note}")
    for shade in _SHADES:
        name = f"{case.name}-{shade}.svg"
        (folder / name).write_text(replace(animation, theme=shade).to_svg(), encoding="utf-8", newline="\n")
        source = f"{ROOT}_gallery/{name}"
        pictures += f'<a class="only-{shade}" href="{source}"><img src="{source}" alt="{said}" loading="lazy"></a>'
    code = "<br>".join(f"<code>{html.escape(spec)}</code>" for spec in dict.fromkeys(case.specs))
    words = f"<strong>{html.escape(case.heading)}</strong> {html.escape(case.note)}<br>{code}"
    wide = ' class="wide"' if animation.drawing.width >= _WIDE else ""
    return f"<figure{wide}>{pictures}<figcaption>{words}</figcaption></figure>"
