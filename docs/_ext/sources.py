"""Markdown that is read on its own, too: links that leave ``docs`` lead to where the pages have the same text."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

# From a file as the repository has it to its page, both as seen from the folder docs.
PAGES = {
    "../README.md": "index.md",
    "../benchmarks/README.md": "benchmarks.md",
}
_LINK = re.compile(r"(?<=\]\()(?:\.\./)*[^)#:\s]+")
_EMPTY_LAST_LINE = re.compile(r"\n\n(?=```\n)")
"""Of a block of examples: without it doctest would take the fence for what the last one prints."""


def _lead_to_pages(app: Sphinx, docname: str, source: list[str]) -> None:
    def page(match: re.Match[str]) -> str:
        way_up = "../" * docname.count("/")
        target = match[0].removeprefix(way_up) if match[0].startswith(way_up + "../") or not way_up else None
        return way_up + PAGES[target] if target in PAGES else match[0]

    source[0] = _EMPTY_LAST_LINE.sub("\n", _LINK.sub(page, source[0]))


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", _lead_to_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
