"""An audit as one page that needs nothing else. Owns its HTML; ``page.css`` has the looks, ``page.js`` sorting and filtering.

All text of models and files is escaped.
"""

from __future__ import annotations

import re
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from faltung.amounts import readable_bytes, readable_count, readable_share
from faltung.model.auditing.cells import COLUMNS, amount, facts, inputs_of, tame, uncounted_by_operation
from faltung.model.auditing.cost_map import LEGEND, cost_map
from faltung.model.auditing.rows import Layer
from faltung.model.auditing.tree import Branch
from faltung.pages import page_html

if TYPE_CHECKING:
    from faltung.model.auditing.audit import Audit

__all__ = ["page", "sections", "style"]

CONVENTION = (
    "A MAC is a product that is added to a sum: those of convolutions (products with padding included; of transposed ones each input times "
    "the whole kernel), matrix products and attention. FLOPs are two for each MAC and one for each bias addition. Both are for one run on "
    "the input above, its batch included. Everything else that calculates is listed under “Not counted”."
)
TREE_HEAD = (
    '<p class="head"><span>module</span>'
    + "".join(f'<span class="number">{name}</span>' for name in ("parameters", "MACs", "share"))
    + "</p>"
)

NARROW_SPACE = "\u202f"
"""Between the groups of a number: lines do not break there."""


def page(audit: Audit) -> str:
    """The whole page."""
    body = f"<main>\n<h1>{_text(audit.name)}</h1>\n{sections(audit)}\n</main>"
    return page_html(f"{tame(audit.name)} · audit · Faltung", style(), body)


def style() -> str:
    """The page's style sheet."""
    return _resource("page.css")


def sections(audit: Audit) -> str:
    """What stands below the heading, for pages that hold more than an audit."""
    return "\n".join(
        (
            f'<p class="lead">Input: {_text(inputs_of(audit))}</p>',
            _facts(audit),
            _maps(audit),
            _advice(audit),
            _layers(audit),
            f'<h2>Modules</h2><div class="tree">{TREE_HEAD}{_tree(audit.tree)}</div>',
            _uncounted(audit),
            _notes(audit),
            f"<script>\n{_resource('page.js')}</script>",
        )
    )


def _resource(name: str) -> str:
    return resources.files("faltung.model.auditing").joinpath(name).read_text(encoding="utf-8")


def _text(text: str) -> str:
    return escape(re.sub(r"(?<=\d) (?=\d{3}(?!\d))", NARROW_SPACE, tame(text)))


def _facts(audit: Audit) -> str:
    items = "".join(
        f"<div><dt>{_text(label)}</dt><dd>{_text(number)}<small>{_text(remark)}</small></dd></div>"
        for label, number, remark in facts(audit)
    )
    return f'<dl class="facts">{items}</dl>'


# -- maps ------------------------------------------------------------------------------------------


def _maps(audit: Audit) -> str:
    tree = audit.tree
    places = {id(layer): number for number, layer in enumerate(audit.layers)}

    def link(layer: Layer) -> str:
        return f"#layer-{places[id(layer)]}"

    kinds = (
        ("macs", "MACs", lambda item: item.macs or 0, lambda value: f"{readable_count(value)} MACs"),
        ("parameters", "parameters", lambda item: item.parameters, lambda value: f"{readable_count(value)} parameters"),
        ("activations", "activations", lambda item: item.activation_bytes or 0, readable_bytes),
    )
    tabs, maps = [], []
    for number, (name, title, value, text) in enumerate(kinds):
        checked = " checked" if number == 0 else ""
        tabs.append(f'<label><input type="radio" name="map" value="{name}"{checked}> {title}</label>')
        drawing = cost_map(tree, value, text, f"{title} of each module and layer", link)
        maps.append(f'<div id="map-{name}" class="scroll" tabindex="0"{" hidden" if number else ""}>{drawing}</div>')
    legend = "".join(f'<li><i class="{hue}"></i>{words}</li>' for hue, words in LEGEND)
    return (
        f'<h2>Where the cost is</h2><div class="tabs">{"".join(tabs)}</div><div class="maps">{"".join(maps)}</div>'
        f'<ul class="legend">{legend}</ul><p class="fineprint">Modules stand above what lies in them, as wide as their share, from left to '
        "right as they run. A layer leads to its row.</p>"
    )


# -- advice ----------------------------------------------------------------------------------------


def _advice(audit: Audit) -> str:
    if not audit.advice:
        return ""
    items = []
    for piece in audit.advice:
        share = piece.saves_macs / audit.totals.macs if audit.totals.macs else 0
        saves = [
            f"{readable_share(share)} of the MACs" if piece.saves_macs else "",
            f"{readable_count(piece.saves_parameters)} parameters" if piece.saves_parameters else "",
            f"{readable_bytes(piece.saves_bytes)} moved" if piece.saves_bytes else "",
        ]
        saved = " · ".join(entry for entry in saves if entry)
        heading = f"{_text(piece.kind)}{f'<span>saves {saved}</span>' if saved else ''}"
        items.append(f'<li><h3>{heading}</h3><p>{_text(piece.sentence)}</p><p class="fineprint">{_text(piece.source)}</p></li>')
    return f'<h2>Advice</h2><ol class="advice">{"".join(items)}</ol>'


# -- rows ------------------------------------------------------------------------------------------


def _layers(audit: Audit) -> str:
    head = "".join(
        f'<th scope="col" title="{escape(column.title)}" data-number="{int(column.is_number)}"{_class(column.is_number, wide=False)}>'
        f"{escape(column.head)}</th>"
        for column in COLUMNS
    )
    most = max((layer.share for layer in audit.layers), default=0) or 1
    body = "".join(_row(number, layer, most) for number, layer in enumerate(audit.layers))
    tools = (
        '<div class="tools" id="tools" hidden><input id="search" type="search" placeholder="name, kind or operation" '
        'aria-label="Show rows that contain"><label><input id="whole" type="checkbox"> normalisations, activations, views</label>'
        '<span id="count" role="status"></span></div>'
    )
    return (
        f'<h2>Layers</h2>{tools}<div class="scroll tall" tabindex="0"><table id="layers"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(number: int, layer: Layer, most: float) -> str:
    cells = []
    for column in COLUMNS:
        text = _text(column.text(layer))
        value = "" if column.value is None else f' data-v="{column.value(layer):.10g}"'
        wide = column.head in ("kind", "input", "output")
        if column.head == "layer":
            cells.append(f'<th scope="row" class="wrap">{re.sub(r"(?<=[./])(?=.)", "<wbr>", text)}</th>')
        elif column.head == "share":
            cells.append(f'<td class="number share" style="--s:{100 * layer.share / most:.2f}%"{value}>{text}</td>')
        else:
            cells.append(f"<td{_class(column.is_number, wide)}{value}>{text}</td>")
    words = _text(f"{layer.name} {layer.kind} {layer.family} {layer.operation}".lower())
    return f'<tr id="layer-{number}" data-order="{number}" data-costs="{int(layer.matters)}" data-words="{words}">{"".join(cells)}</tr>'


def _class(number: bool, wide: bool) -> str:
    return ' class="number"' if number else ' class="wrap"' if wide else ""


def _tree(branch: Branch, level: int = 0) -> str:
    inside = "".join(
        _tree(child, level + 1) if isinstance(child, Branch) else _leaf(child)
        for child in branch.children
        if isinstance(child, Branch) or child.matters
    )
    return f"<details{' open' if level < 1 else ''}><summary>{_numbers(branch.label, branch)}</summary>{inside}</details>"


def _leaf(layer: Layer) -> str:
    return f"<p>{_numbers(layer.name.removeprefix(layer.module).lstrip('./') or layer.name, layer)}</p>"


def _numbers(label: str, item: Branch | Layer) -> str:
    numbers = (readable_count(item.parameters), amount(item.macs or None), readable_share(item.share) if item.macs else "")
    return f"<span>{_text(label)}</span>" + "".join(f'<span class="number">{number}</span>' for number in numbers)


# -- what is not counted ---------------------------------------------------------------------------


def _uncounted(audit: Audit) -> str:
    if not audit.uncounted:
        return ""
    rows = []
    for entry in uncounted_by_operation(audit.uncounted):
        names = _text(", ".join(entry.names))
        where = f"<details><summary>{_text(entry.reason)}</summary><code>{names}</code></details>"
        unknown = ' class="unknown"' if entry.is_unknown else ""
        rows.append(
            f'<tr{unknown}><th scope="row">{_text(entry.operation)}</th><td class="number">{entry.times}</td>'
            f'<td class="number">{amount(entry.numbers)}</td><td class="wrap">{where}</td></tr>'
        )
    head = '<th scope="col">operation</th><th scope="col" class="number">times</th><th scope="col" class="number">numbers made</th>'
    return (
        f'<h2>Not counted</h2><div class="scroll" tabindex="0"><table><thead><tr>{head}<th scope="col">why, and where</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _notes(audit: Audit) -> str:
    notes = "".join(f"<li>{_text(note)}</li>" for note in audit.notes)
    return f'<h2>How this was counted</h2>{f"<ul>{notes}</ul>" if notes else ""}<p class="fineprint">{CONVENTION}</p>'
