"""Tables for notebooks, in the colours of the page around them. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["table_html"]

_STYLE = """<style>
.faltung-table { color: inherit; font: 14px/1.5 system-ui, sans-serif; overflow-x: auto; }
.faltung-table table { border-collapse: collapse; margin: .3em 0 1em; color: inherit; }
.faltung-table th, .faltung-table td { background: none; border: 0; color: inherit; padding: .15em .7em; text-align: left;
  border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); font-variant-numeric: tabular-nums; }
</style>"""


def table_html(title: str, rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> str:
    """A titled table; the first cell of each row names it. Everything is escaped.

    >>> "<td>a&lt;b</td>" in table_html("a title", [("name", "a<b")])
    True
    """
    head = f"<tr>{''.join(f'<th scope=col>{escape(name)}</th>' for name in header)}</tr>" if header else ""
    body = "".join(
        f"<tr><th scope=row>{escape(str(first))}</th>{''.join(f'<td>{escape(str(cell))}</td>' for cell in rest)}</tr>"
        for first, *rest in rows
    )
    return f'<div class="faltung-table">{_STYLE}<strong>{escape(title)}</strong><table>{head}{body}</table></div>'
