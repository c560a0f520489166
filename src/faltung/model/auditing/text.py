"""An audit on the screen, as Markdown, and in a notebook."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from faltung.amounts import grouped, readable_bytes, readable_count, readable_share
from faltung.model.auditing.cells import COLUMNS, amount, facts, inputs_of, tame, uncounted_by_operation
from faltung.model.auditing.rows import Layer
from faltung.model.auditing.tree import Branch
from faltung.notebook import table_html

if TYPE_CHECKING:
    from faltung.model.auditing.audit import Audit

__all__ = ["Screen", "markdown", "notebook", "plain"]

MOST_ROWS = 400
"""In a notebook; the page and the screen have all."""


@dataclass(frozen=True)
class Screen:
    """The audit as rich prints it, with as many columns as the terminal has room for.

    Attributes
    ----------
    audit : Audit
    is_whole : bool
        Rows without parameters and MACs too.
    depth : int, optional
        Modules with their sums down to this level, in the place of rows.
    """

    audit: Audit
    is_whole: bool = False
    depth: int | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        audit, width = self.audit, options.max_width
        yield Text(tame(audit.name), style="bold")
        yield Text(f"input: {inputs_of(audit)}")
        yield Text()
        yield _pairs([(label, number, remark) for label, number, remark in facts(audit)])
        yield Text()
        rows = [layer for layer in audit.layers if self.is_whole or layer.matters]
        yield _tree(audit.tree, self.depth, width) if self.depth is not None else _rows(rows, width)
        if self.depth is None and len(rows) < len(audit.layers):
            yield Text(f"{len(audit.layers) - len(rows)} more rows have no MACs: normalisations, activations, views.", style="dim")
        yield from _uncounted(audit)
        yield from _advice(audit)
        yield from _notes(audit)


def _title(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _open_table(*columns: tuple[str, str]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for head, kind in columns:
        table.add_column(head, justify="right" if kind == "right" else "left", no_wrap=kind != "text", overflow="fold", vertical="top")
    return table


def _pairs(rows: Sequence[tuple[str, str, str]]) -> Table:
    table = _open_table(("", "left"), ("", "right"), ("", "text"))
    table.show_header = False
    for label, number, remark in rows:
        table.add_row(Text(label, style="cyan"), Text(number), Text(remark, style="dim"))
    return table


def _rows(layers: Sequence[Layer], width: int) -> Table:
    columns = [column for column in COLUMNS if column.width <= width]
    table = _open_table(*((column.head, "right" if column.is_number else "left") for column in columns))
    cells = [[column.text(layer) for column in columns] for layer in layers]
    others = sum(max(len(column.head), *(len(row[number]) for row in cells), 0) + 2 for number, column in enumerate(columns) if number)
    room = max(width - others, 18)
    for name, *row in cells:
        table.add_row(Text(broken(name, room)), *map(Text, row))
    return table


def broken(name: str, width: int) -> str:
    """A long name on several lines, broken between its parts where that is possible.

    >>> print(broken("encoder.stages.0.convolution", 16))
    encoder.stages.
      0.convolution
    """
    lines, line = [], ""
    for part in re.findall(r"[^./]*[./]?", name):
        if line.strip() and len(line + part) > width:
            lines.append(line)
            line = "  "
        line += part
        while len(line) > width:
            lines.append(line[:width])
            line = "  " + line[width:]
    return "\n".join([*lines, line] if line.strip() else lines)


def _tree(tree: Branch, depth: int | None, width: int) -> Table:
    wide = (("writes", "right"),) if width >= 100 else ()
    table = _open_table(("module", "text"), ("parameters", "right"), ("MACs", "right"), ("share", "right"), *wide)
    for level, branch in tree.walk(depth):
        is_layer = isinstance(branch, Layer)
        if isinstance(branch, Layer) and not branch.matters:
            continue
        name = branch.name.removeprefix(branch.module).lstrip("./") or branch.name if isinstance(branch, Layer) else branch.label
        cells = [
            Text("  " * level + tame(name), style="" if is_layer else "bold"),
            Text(readable_count(branch.parameters) if branch.parameters else ""),
            Text(amount(branch.macs or None)),
            Text(readable_share(branch.share) if branch.macs else ""),
            Text(readable_bytes(branch.activation_bytes or 0)),
        ]
        table.add_row(*cells[: 4 + len(wide)])
    return table


def _uncounted(audit: Audit) -> Iterator[RenderableType]:
    if not audit.uncounted:
        return
    yield _title("Not counted")
    table = _open_table(("operation", "left"), ("times", "right"), ("numbers made", "right"), ("why", "text"))
    for row in uncounted_by_operation(audit.uncounted):
        where = f" ({', '.join(row.names[:3])}{' …' if row.times > 3 else ''})" if row.is_unknown else ""
        style = "yellow" if row.is_unknown else ""
        table.add_row(*(Text(cell, style=style) for cell in (row.operation, str(row.times), amount(row.numbers), row.reason + where)))
    yield table


def _advice(audit: Audit) -> Iterator[RenderableType]:
    if not audit.advice:
        return
    yield _title("Advice")
    for piece in audit.advice:
        yield Group(
            Text.assemble((piece.kind, "cyan"), "  ", tame(piece.sentence)),
            Padding(Text(piece.source, style="dim"), (0, 0, 0, 2)),
        )


def _notes(audit: Audit) -> Iterator[RenderableType]:
    if audit.notes:
        yield _title("Notes")
        for note in audit.notes:
            yield Text(f"· {tame(note)}")


def plain(audit: Audit) -> str:
    """As text, 120 columns wide."""
    buffer = io.StringIO()
    Console(file=buffer, width=120, no_color=True, force_terminal=False, legacy_windows=False).print(Screen(audit))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


# -- Markdown --------------------------------------------------------------------------------------


def escaped(text: str) -> str:
    r"""Text that Markdown shows as it is.

    >>> escaped("a|b <i> *c*")
    'a\\|b &lt;i&gt; \\*c\\*'
    """
    text = re.sub(r"([\\`*_{}\[\]#|~])", r"\\\1", tame(text))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown(audit: Audit) -> str:
    """Sums, rows that cost something, advice, and what is uncounted."""
    lines = [f"# {escaped(audit.name)}", "", f"Input: {escaped(inputs_of(audit))}", "", "| | | |", "|---|--:|---|"]
    lines += [f"| {label} | {number} | {escaped(remark)} |" for label, number, remark in facts(audit)]
    lines += ["", "## Layers", ""]
    columns = [column for column in COLUMNS if column.head not in ("input", "weights")]
    lines.append("| " + " | ".join(column.head for column in columns) + " |")
    lines.append("|" + "|".join("--:" if column.is_number else "---" for column in columns) + "|")
    rows = [layer for layer in audit.layers if layer.matters]
    lines += ["| " + " | ".join(escaped(column.text(layer)) for column in columns) + " |" for layer in rows]
    if len(rows) < len(audit.layers):
        lines += ["", f"{len(audit.layers) - len(rows)} more rows have no MACs: normalisations, activations, views."]
    if audit.uncounted:
        lines += ["", "## Not counted", "", "| operation | times | numbers made | why |", "|---|--:|--:|---|"]
        for row in uncounted_by_operation(audit.uncounted):
            where = f" ({', '.join(row.names[:3])}{' …' if row.times > 3 else ''})" if row.is_unknown else ""
            lines.append(f"| {escaped(row.operation)} | {row.times} | {amount(row.numbers)} | {escaped(row.reason + where)} |")
    if audit.advice:
        lines += ["", "## Advice", ""]
        lines += [f"- **{escaped(piece.kind)}**: {escaped(piece.sentence)} ({escaped(piece.source)})" for piece in audit.advice]
    if audit.notes:
        lines += ["", "## Notes", "", *(f"- {escaped(note)}" for note in audit.notes)]
    return "\n".join(lines) + "\n"


# -- notebooks -------------------------------------------------------------------------------------


def notebook(audit: Audit) -> str:
    """Two tables in the colours of the page around them."""
    rows = [layer for layer in audit.layers if layer.matters]
    columns = [column for column in COLUMNS if column.width < 150]
    totals = audit.totals
    title = f"{tame(audit.name)}: {grouped(totals.parameters)} parameters, {grouped(totals.macs)} MACs"
    sums = table_html(title, [(label, number, remark) for label, number, remark in facts(audit)])
    # A number and its unit stay on one line.
    shown = [
        [column.text(layer).replace(" ", "\u00a0") if column.is_number else column.text(layer) for column in columns]
        for layer in rows[:MOST_ROWS]
    ]
    more = f" ({len(rows) - MOST_ROWS} more in .layers)" if len(rows) > MOST_ROWS else ""
    left = len(audit.layers) - len(rows)
    layers = table_html(f"{len(rows)} layers{more}, {left} more without MACs", shown, [column.head for column in columns])
    advice = table_html("Advice", [(piece.kind, piece.sentence) for piece in audit.advice]) if audit.advice else ""
    missing = [(row.operation, row.times, amount(row.numbers), row.reason) for row in uncounted_by_operation(audit.uncounted)]
    uncounted = table_html("Not counted", missing, ("operation", "times", "numbers made", "why")) if missing else ""
    return sums + layers + advice + uncounted
