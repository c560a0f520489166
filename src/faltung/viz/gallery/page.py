"""Every picture of the gallery as files, and a page that shows them all."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from faltung.viz.gallery.cases import CASES

__all__ = ["write_gallery"]


def write_gallery(folder: Path, *, formats: tuple[str, ...] = ("svg", "gif", "png")) -> Iterator[Path]:
    """Write every case into `folder`, and a page ``index.html``; yields each file as it is written.

    Raises
    ------
    MissingExtraError
        GIF and PNG need the extra ``plot``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = []
    for case in CASES:
        animation = case.animation()
        for suffix in formats:
            path = folder / f"{case.name}.{suffix}"
            animation.save(path, frame="all" if suffix == "png" else None)
            yield path
        code = "<br>".join(map(escape, case.specs))
        figures.append(
            f'<figure><img src="{case.name}.{formats[0]}" alt="{escape(animation.captions[-1])}">'
            f"<figcaption><b>{escape(case.heading)}</b><br>{escape(case.note)}<br><code>{code}</code></figcaption></figure>"
        )
    page = folder / "index.html"
    page.write_text(_PAGE.format(figures="\n".join(figures)), encoding="utf-8")
    yield page


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Faltung: every kind of convolution</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 82rem; padding: 0 1rem; }}
main {{ display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-end; }}
figure {{ margin: 0; max-width: 100%; }}
img {{ max-width: 100%; height: auto; }}
figcaption {{ max-width: 34rem; }}
</style>
<h1>Every kind of convolution</h1>
<main>
{figures}
</main>
</html>
"""
