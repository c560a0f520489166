"""Docstrings are written to be read, and made markup of here.

An asterisk in them is a product or any number of axes, a bar is a magnitude, neither is markup; examples behind a section need no
heading; a property may begin with what it is, and a colon.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

_LITERAL = re.compile(r"(``.*?``|`.*?`)")
_COLON = "\ue000"
"""Stands for the colon before which napoleon would see a property's type."""


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


def headed(lines: list[str]) -> list[str]:
    """The lines with a heading above examples that follow a section, which would be taken for entries of it."""
    found: list[str] = []
    section = ""
    for at, line in enumerate(lines):
        if at + 1 < len(lines) and line.strip() and re.fullmatch(r"-{3,}", lines[at + 1].strip()):
            section = line.strip()
        begins = line.startswith(">>>") and not (found and found[-1].strip())
        if begins and section not in ("", "Examples", "Notes"):
            found += ["Examples", "--------"]
            section = "Examples"
        found.append(line)
    return found


def _prepare(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    if name.startswith("faltung."):
        lines[:] = headed(escaped(lines))
        if what == "property" and lines:
            lines[0] = lines[0].replace(":", _COLON)


def _put_colons_back(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    lines[:] = [line.replace(_COLON, ":") for line in lines]


def _without_private_parameters(
    app: Sphinx, what: str, name: str, obj: object, options: Any, signature: str | None, annotation: str | None
) -> tuple[str | None, str | None]:
    return signature and re.sub(r", _\w+(=[^,)]*)?", "", signature), annotation


def _without_trailing_dashes(app: Sphinx, doctree: nodes.document) -> None:
    """Errors that are named without a word on them end in no dash."""
    for body in doctree.findall(nodes.field_body):
        for paragraph in body.findall(nodes.paragraph):
            while paragraph.children and not paragraph.children[-1].astext().strip(" –-"):
                paragraph.pop()


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _prepare, priority=400)  # before napoleon makes markup of it
    app.connect("autodoc-process-docstring", _put_colons_back, priority=600)
    app.connect("autodoc-process-signature", _without_private_parameters)
    app.connect("doctree-read", _without_trailing_dashes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
