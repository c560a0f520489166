"""The gallery's pictures as files beside the pages, and the part of a page that shows them."""

from __future__ import annotations

import html
import os
from pathlib import Path

from handbook import ROOT

from faltung.viz.gallery import CASES


class Gallery:
    """All cases of `faltung.viz.gallery`, each with its heading, its note and the convolution."""

    def _repr_html_(self) -> str:
        folder = Path(os.environ["FALTUNG_GALLERY"])
        folder.mkdir(parents=True, exist_ok=True)
        figures = []
        for case in CASES:
            (folder / f"{case.name}.svg").write_text(case.animation().to_svg(), encoding="utf-8", newline="\n")
            code = "<br>".join(f"<code>{html.escape(spec)}</code>" for spec in dict.fromkeys(case.specs))
            source = f"{ROOT}_gallery/{case.name}.svg"
            words = f"<strong>{html.escape(case.heading)}</strong> {html.escape(case.note)}<br>{code}"
            picture = f'<img src="{source}" alt="{html.escape(case.heading)}: {html.escape(case.note)}" loading="lazy">'
            figures.append(f'<figure><a href="{source}">{picture}</a><figcaption>{words}</figcaption></figure>')
        return f'<div class="together gallery">{"".join(figures)}</div>'
