"""Mathematics as MathML, made at build: no script, nothing to load, read aloud by screen readers.

Browsers lay it out themselves. The font STIX Two Math (SIL Open Font License, shipped in the package ziamath) is cut down to the
characters of formulas and copied beside the pages, so that roots and brackets grow on machines that have no font for mathematics.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import math_core
from docutils import nodes
from fontTools import subset
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.locale import _

# Latin, Greek, punctuation, letter-like signs, arrows, operators, technical signs, shapes, and letters of mathematics.
CHARACTERS = (
    "U+20-7E,U+A0-17F,U+2C6-2DD,U+300-338,U+370-3FF,U+2000-206F,U+20D0-20FF,U+2100-23FF,U+25A0-25FF,U+27C0-27FF,U+2A00-2AFF,U+1D400-1D7FF"
)

_CONVERTER = math_core.LatexToMathML(fancy_error=False)


def mathml(latex: str, *, is_block: bool) -> str:
    """The formula as MathML; a clear error where it is not understood."""
    try:
        return _CONVERTER.convert_with_local_state(latex, displaystyle=is_block)
    except math_core.LatexError as error:
        raise ExtensionError(f"the formula {latex!r} is not understood: {error}") from error


def _visit_math(self: Any, node: nodes.math) -> None:
    self.body.append(f'<span class="math">{node.get("before", "")}{mathml(node.astext(), is_block=False)}{node.get("behind", "")}</span>')
    raise nodes.SkipNode


def _keep_together(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the bracket before a formula and the full stop behind it into its element, whose line breaks nowhere."""
    for node in list(doctree.findall(nodes.math)):
        at = node.parent.index(node)
        before = node.parent[at - 1] if at else None
        if isinstance(before, nodes.Text) and before.astext().endswith("("):
            node["before"] = "("
            node.parent.replace(before, nodes.Text(before.astext()[:-1]))
        following = node.next_node(siblings=True, descend=False, ascend=False)
        if isinstance(following, nodes.Text) and following.astext()[:1] in set(".,;:!?)"):
            node["behind"] = following.astext()[0]
            following.parent.replace(following, nodes.Text(following.astext()[1:]))


def _visit_math_block(self: Any, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math math-block"))
    text = node.astext().strip()
    if r"\\" in text and r"\begin" not in text:
        text = rf"\begin{{gathered}}{text}\end{{gathered}}"
    self.body.append(mathml(text, is_block=True))
    if number := node.get("number"):
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append("</div>")
    raise nodes.SkipNode


def _write_font(app: Sphinx) -> None:
    """Cut the font down to what formulas need."""
    folder = Path(app.outdir) / "_static"
    target = folder / "stix-two-math.woff2"
    if app.builder.format != "html" or target.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    options = subset.Options(flavor="woff2", layout_features=["*"], notdef_outline=True, legacy_kern=True)
    source = resources.files("ziamath").joinpath("fonts/STIXTwoMath-Regular.ttf")
    with resources.as_file(source) as path:
        font = subset.load_font(str(path), options)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=subset.parse_unicodes(CHARACTERS))
        subsetter.subset(font)
        subset.save_font(font, str(target), options)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (_visit_math, None), (_visit_math_block, None))
    app.config.html_math_renderer = "mathml"  # type: ignore[attr-defined]
    app.connect("builder-inited", _write_font)
    app.connect("doctree-resolved", _keep_together)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
