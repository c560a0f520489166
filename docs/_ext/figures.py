"""Pictures that code has drawn are told to those who do not see them, as far as it can be known what they are."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx


def _tell(app: Sphinx, doctree: nodes.document) -> None:
    for output in doctree.findall(lambda node: isinstance(node, nodes.container) and "cell_output" in node["classes"]):
        for image in output.findall(nodes.image):
            if not image.get("alt"):
                image["alt"] = f"Figure drawn by the code above, in the section “{_heading(image)}”"


def _heading(node: nodes.Node) -> str:
    """Of the section that a node stands in."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, nodes.section):
            return node[0].astext()
    return ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("doctree-read", _tell)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
