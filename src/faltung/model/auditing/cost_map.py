"""A map of what a model costs: modules above what lies in them, as wide as their share, in the order in which they run.

An icicle plot (Kruskal & Landwehr, "Icicle plots", The American Statistician, 1983) as SVG; its colours are the page's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from faltung.amounts import readable_share
from faltung.model.auditing.cells import tame
from faltung.model.auditing.rows import Layer
from faltung.model.auditing.tree import Branch

__all__ = ["LEGEND", "cost_map", "hue_of"]

WIDTH, HEIGHT, GAP = 1160.0, 34.0, 2.0

MOST_LEVELS = 8

LEAST_WIDTH = 0.25
"""In pixels: narrower cells cannot be seen, and a model may have thousands."""

SIGN_WIDTH = 7.2
"""Of one sign of a label, in pixels."""

LEGEND = (
    ("dense", "dense convolution"), ("pointwise", "pointwise"), ("grouped", "depthwise, grouped"), ("transposed", "transposed"),
    ("product", "matrix product, attention"), ("other", "other"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """A module or layer on the map."""

    item: Branch | Layer
    label: str
    level: int
    left: float
    width: float


def hue_of(layer: Layer) -> str:
    """Which of the colours of `LEGEND` a layer has."""
    if layer.spec is not None:
        kinds = layer.spec.kinds
        for kind, hue in (("transposed", "transposed"), ("pointwise", "pointwise"), ("depthwise", "grouped"), ("grouped", "grouped")):
            if kind in kinds:
                return hue
        return "dense"
    return "product" if layer.family in ("matrix product", "attention") else "other"


def cost_map(
    tree: Branch, amount: Callable[[Branch | Layer], int], text: Callable[[int], str], title: str, link: Callable[[Layer], str]
) -> str:
    """The map as an SVG element.

    Parameters
    ----------
    tree : Branch
    amount : callable
        What a module's or layer's width stands for; that of a module is the sum of what lies in it, or less where it is shared.
    text : callable
        The amount as people read it.
    title : str
    link : callable
        Where a layer's cell leads.
    """
    total = amount(tree)
    if not total:
        return f'<p class="fineprint">{escape(title)}: nothing to show.</p>'
    cells: list[Cell] = []
    _place(tree, tame(tree.label), 0, 0.0, WIDTH, amount, cells)
    levels = 1 + max(cell.level for cell in cells)
    height = levels * (HEIGHT + GAP)
    drawn = "".join(_drawn(cell, amount(cell.item), total, text, link) for cell in cells)
    return (
        f'<svg class="map" viewBox="0 0 {WIDTH:g} {height:g}" width="{WIDTH:g}" height="{height:g}" role="img" '
        f'aria-label="{escape(title)}">{drawn}</svg>'
    )


def _place(
    item: Branch | Layer, label: str, level: int, left: float, width: float, amount: Callable[[Branch | Layer], int], cells: list[Cell]
) -> None:
    """The cell of an item, and those of what lies in it."""
    # A module of which but one part costs something is one cell with it.
    while level and isinstance(item, Branch) and len(parts := [child for child in item.children if amount(child)]) == 1:
        (item,) = parts
        label = f"{label} › {tame(_label(item))}"
    if width < LEAST_WIDTH:
        return
    cells.append(Cell(item, label, level, left, width))
    if isinstance(item, Layer) or level + 1 >= MOST_LEVELS:
        return
    whole = sum(amount(child) for child in item.children)
    for child in item.children:
        share = width * amount(child) / whole if whole else 0.0
        _place(child, tame(_label(child)), level + 1, left, share, amount, cells)
        left += share


def _label(item: Branch | Layer) -> str:
    if isinstance(item, Branch):
        return item.label
    return item.name.removeprefix(item.module).lstrip("./") or item.name.replace("/", ".").rpartition(".")[2]


def _drawn(cell: Cell, value: int, total: int, text: Callable[[int], str], link: Callable[[Layer], str]) -> str:
    item = cell.item
    gap = GAP if cell.width > 3 * GAP else 0.0
    top = cell.level * (HEIGHT + GAP)
    name = tame(item.name) if isinstance(item, Layer) else cell.label
    kind = f", {tame(item.kind)}" if isinstance(item, Layer) else ""
    said = escape(f"{name}{kind}: {text(value)}, {readable_share(value / total)}")
    room = int((cell.width - gap - 10) / SIGN_WIDTH)
    share = f" {readable_share(value / total)}"
    words = cell.label + share if len(cell.label + share) <= room else cell.label
    words = words if len(words) <= room else f"{words[: room - 1]}…" if room >= 4 else ""
    label = f'<text x="{cell.left + 5:.2f}" y="{top + HEIGHT / 2 + 4.5:.1f}">{escape(words)}</text>' if words else ""
    hue = hue_of(item) if isinstance(item, Layer) else "module"
    box = (
        f'<g class="{hue}"><title>{said}</title><rect x="{cell.left:.2f}" y="{top:g}" width="{cell.width - gap:.2f}" height="{HEIGHT:g}" '
        f'rx="{3 if gap else 0}"/>{label}</g>'
    )
    return f'<a href="{escape(link(item))}">{box}</a>' if isinstance(item, Layer) else box
