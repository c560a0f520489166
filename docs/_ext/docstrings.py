"""Docstrings are written to be read: an asterisk in them is a product or any number of axes, a bar is a magnitude, neither is markup."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

_LITERAL = re.compile(r"(``.*?``|`.*?`)")


def escaped(lines: list[str]) -> list[str]:
    """The lines with what would be taken for markup escaped, but in code."""
    found, is_example = [], False
    for line in lines:
        is_example = bool(line.strip()) and (is_example or line.lstrip().startswith(">>>"))
        pieces = _LITERAL.split(line)
        found.append(
            line if is_example else "".join(piece if at % 2 else re.sub(r"([*|])", r"\\\1", piece) for at, piece in enumerate(pieces))
        )
    return found


def _escape(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    if name.startswith("faltung."):
        lines[:] = escaped(lines)


def _without_trailing_dashes(app: Sphinx, doctree: nodes.document) -> None:
    """Errors that are named without a word on them end in no dash."""
    for body in doctree.findall(nodes.field_body):
        for paragraph in body.findall(nodes.paragraph):
            while paragraph.children and not paragraph.children[-1].astext().strip(" –-"):
                paragraph.pop()


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("doctree-read", _without_trailing_dashes)
    app.connect("autodoc-process-docstring", _escape, priority=400)  # before napoleon makes markup of it
    return {"parallel_read_safe": True, "parallel_write_safe": True}
