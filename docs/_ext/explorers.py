"""Explorers in pages: files of their own beside the pages, found from whatever folder a page is in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from handbook import ROOT
from sphinx.application import Sphinx


def _name_folder(app: Sphinx) -> None:
    os.environ["FALTUNG_EXPLORERS"] = str(Path(app.outdir) / "_explorers")
    os.environ["FALTUNG_GALLERY"] = str(Path(app.outdir) / "_gallery")


def _resolve_root(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    if ROOT in context.get("body", ""):
        context["body"] = context["body"].replace(ROOT, context["content_root"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", _name_folder)
    app.connect("html-page-context", _resolve_root)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
