"""Blocks to HTML: one function a kind of block, everything that is not ours escaped."""

from __future__ import annotations

import base64
import html
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from faltung.tour.blocks import (
    Block,
    Cell,
    Check,
    Correction,
    Cost,
    Folded,
    Formula,
    Gallery,
    GridRow,
    Heading,
    Legend,
    Moving,
    NumberGrid,
    Picture,
    Table,
    Text,
    Timing,
)
from faltung.tour.numbers import milliseconds, number, times
from faltung.tour.pictures import PALETTES, data_uri

__all__ = ["inline", "measured", "story"]

WIDE = 560
"""Moving pictures that are wider than this, in pixels, have a row of their own."""


def inline(text: str) -> str:
    """Escaped text, with `code` and *emphasis*.

    >>> inline("`a<b` is *true*")
    '<code>a&lt;b</code> is <em>true</em>'
    """
    escaped = re.sub(r"(\d) × (\d)", "\\1\u00a0×\u00a0\\2", html.escape(text))
    return re.sub(r"\*([^*`]+)\*", r"<em>\1</em>", re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped))


def story(blocks: Iterable[Block]) -> str:
    """Everything but checks, costs and timings, in order; grids and moving pictures that follow each other stand side by side."""
    shown = [block for block in blocks if not isinstance(block, Check | Cost | Timing)]
    parts = []
    for kind, run in itertools.groupby(shown, type):
        drawn = [block_html(block) for block in run]
        if kind in (NumberGrid, Moving):
            parts.append(f'<div class="row {kind.__name__.lower()}s">{"".join(drawn)}</div>')
        else:
            parts.extend(drawn)
    return "\n".join(parts)


def block_html(block: Any) -> str:
    """One block."""
    return _RENDERERS[type(block)](block)


# -- text ----------------------------------------------------------------------------------------


def _heading(block: Heading) -> str:
    return f"<h3>{inline(block.text)}</h3>"


def _text(block: Text) -> str:
    return f"<p>{inline(block.text)}</p>"


def _correction(block: Correction) -> str:
    return (
        f'<aside class="correction"><p class="taught"><b>Often said</b> <span>{inline(block.taught)}</span></p>'
        f"<p><b>Better</b> <span>{inline(block.right)}</span></p></aside>"
    )


def _formula(block: Formula) -> str:
    return f'<pre class="formula" tabindex="0">{html.escape(chr(10).join(block.lines))}</pre>'


def _folded(block: Folded) -> str:
    return f"<details><summary>{inline(block.summary)}</summary>{story(block.blocks)}</details>"


# -- numbers -------------------------------------------------------------------------------------


def cell_text(value: Cell) -> str:
    """A number with a true minus sign and set-off thousands, or a text."""
    if isinstance(value, str):
        return inline(value)
    shown = f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
    return shown.replace("-", "−")


def _number_grid(grid: NumberGrid) -> str:
    numbers = [abs(value) for row in grid.values for value in row if not isinstance(value, str)]
    largest = max(numbers, default=0) or 1
    rows = []
    for i, row in enumerate(grid.values):
        cells = []
        for j, value in enumerate(row):
            sign = "t" if isinstance(value, str) else "z" if value == 0 else "p" if value > 0 else "n"
            classes = sign + (" m" if (i, j) in grid.marked else "")
            # Eight to 45 per cent of the tint: text stays readable on all of it.
            tint = f' style="--t:{8 + 37 * abs(value) / largest:.0f}%"' if not isinstance(value, str) and value else ""
            cells.append(f'<td class="{classes}"{tint}>{cell_text(value)}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<table class="grid"><caption>{inline(grid.title)}</caption><tbody>{"".join(rows)}</tbody></table>'


def _grid_row(block: GridRow) -> str:
    items = "".join(f'<span class="sign">{inline(item)}</span>' if isinstance(item, str) else _number_grid(item) for item in block.items)
    caption = f"<figcaption>{inline(block.caption)}</figcaption>" if block.caption else ""
    return f'<figure class="gridrow"><div class="row" tabindex="0">{items}</div>{caption}</figure>'


def _table(block: Table) -> str:
    numeric = [all(_is_numeric(row[column]) for row in block.rows) for column in range(len(block.header))]
    classes = ['class="number"' if flag else "" for flag in numeric]
    head = "".join(f'<th scope="col" {kind}>{inline(name)}</th>' for name, kind in zip(block.header, classes, strict=True))
    body = []
    for row in block.rows:
        first, *others = (cell_text(value) for value in row)
        cells = "".join(f"<td {kind}>{text}</td>" for text, kind in zip(others, classes[1:], strict=True))
        body.append(f'<tr><th scope="row" {classes[0]}>{first}</th>{cells}</tr>')
    caption = f"<caption>{inline(block.caption)}</caption>"
    return _scrolled(f'<table class="plain">{caption}<thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>')


def _is_numeric(value: Cell) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"[−+\d][\d,.]*(\s?[MGk×%])?|", value) is not None


def _scrolled(table: str) -> str:
    """Wide tables scroll by themselves on a narrow screen; the keyboard reaches them too."""
    return f'<div class="scroll" tabindex="0">{table}</div>'


# -- pictures ------------------------------------------------------------------------------------


def _picture(picture: Picture) -> str:
    height, width = picture.pixels.shape[:2]
    title = f"<strong>{inline(picture.title)}</strong> " if picture.title else ""
    crisp = ' class="crisp"' if picture.crisp else ""
    image = f'<img{crisp} src="{data_uri(picture)}" width="{width}" height="{height}" alt="{html.escape(picture.alt)}" decoding="async">'
    return f"<figure>{image}{_legend(picture.legend)}<figcaption>{title}{inline(picture.caption)}</figcaption></figure>"


def _legend(legend: Legend | None) -> str:
    if legend is None:
        return ""
    colours = ", ".join(PALETTES[legend.palette])
    low, high = html.escape(legend.low), html.escape(legend.high)
    return f'<div class="legend"><span>{low}</span><i style="background:linear-gradient(90deg, {colours})"></i><span>{high}</span></div>'


def _gallery(block: Gallery) -> str:
    return f'<div class="gallery c{block.columns}">{"".join(_picture(picture) for picture in block.pictures)}</div>'


def _moving(block: Moving) -> str:
    case, animation = block.case, block.case.animation()
    # As an image: its style sheet and this page's cannot meet.
    source = base64.b64encode(animation.to_svg().encode()).decode()
    size = f'width="{animation.drawing.width:g}" height="{animation.drawing.height:g}"'
    alt = html.escape(f"{case.heading}, step by step. The last: {animation.captions[-1]}")
    wide = " wide" * (animation.drawing.width > WIDE)
    return (
        f'<figure class="moving{wide}"><img src="data:image/svg+xml;base64,{source}" {size} alt="{alt}" decoding="async">'
        f"<figcaption><strong>{inline(case.heading)}</strong> {inline(block.caption or case.note)}</figcaption></figure>"
    )


# -- what was measured ---------------------------------------------------------------------------


def measured(checks: tuple[Check, ...], costs: tuple[Cost, ...], timings: tuple[Timing, ...]) -> str:
    """The section's end: its checks, counts and times."""
    return f'<div class="measured">{_checks(checks)}<div class="pair">{_costs(costs)}{_timings(timings)}</div></div>'


def _checks(checks: tuple[Check, ...]) -> str:
    rows = []
    for check in checks:
        mark = '<span class="ok">✓<span class="hidden"> holds</span></span>' if check.passed else '<span class="bad">✗ fails</span>'
        rows.append(
            f'<tr><td>{mark}</td><th scope="row">{inline(check.name)}</th><td>{inline(check.compared)}</td>'
            f'<td class="number">{number(check.difference)}</td><td>{inline(check.rule)}</td></tr>'
        )
    held = sum(check.passed for check in checks)
    verdict = f'<span class="{"ok" if held == len(checks) else "bad"}">{held} of {len(checks)} checks hold</span>'
    head = "".join(f'<th scope="col">{name}</th>' for name in ("", "claim", "compared", "largest difference", "must be"))
    table = f'<table class="plain checks"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f"<details open><summary>{verdict}</summary>{_scrolled(table)}</details>"


def _costs(costs: tuple[Cost, ...]) -> str:
    if not costs:
        return ""
    rows = [(cost.what, f"{cost.parameters:,}", f"{cost.macs / 1e6:,.2f} M", f"{cost.memory_bytes / 2**20:,.2f} MiB") for cost in costs]
    return _measures(("cost", "parameters", "MACs", "memory"), rows)


def _timings(timings: tuple[Timing, ...]) -> str:
    if not timings:
        return ""
    peers = {timing.peer for timing in timings} - {None}
    peer = str(peers.pop()) if len(peers) == 1 else "peer"
    rows = [(timing.what, milliseconds(timing.faltung_ms), milliseconds(timing.peer_ms), times(timing.ratio)) for timing in timings]
    return _measures(("time, float32", "Faltung", peer, "speed"), rows)


def _measures(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table of a name and numbers."""
    first, *others = map(inline, header)
    head = f'<th scope="col">{first}</th>' + "".join(f'<th scope="col" class="number">{name}</th>' for name in others)
    body = ""
    for name, *numbers in rows:
        body += f'<tr><th scope="row">{inline(name)}</th>' + "".join(f'<td class="number">{text}</td>' for text in numbers) + "</tr>"
    return _scrolled(f'<table class="plain"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')


_RENDERERS: dict[type, Callable[[Any], str]] = {
    Heading: _heading,
    Text: _text,
    Correction: _correction,
    Formula: _formula,
    NumberGrid: _number_grid,
    GridRow: _grid_row,
    Table: _table,
    Picture: _picture,
    Gallery: _gallery,
    Moving: _moving,
    Folded: _folded,
}
