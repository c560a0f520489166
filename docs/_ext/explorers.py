"""Explorers in pages: where their files lie, whatever folder the page is in."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

ROOT = "faltung-root:"
"""Stands in the output of cells for the way back to the top folder of the pages."""


def _resolve_root(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    if ROOT in context.get("body", ""):
        context["body"] = context["body"].replace(ROOT, context["content_root"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("html-page-context", _resolve_root)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
