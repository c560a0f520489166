"""Sections to one self-contained page: no script, no font, no address outside the file.

Owns the page around the blocks: head, contents, summary. `markup` knows the blocks, ``report.css`` the looks.
"""

from __future__ import annotations

import html
import importlib.metadata
import platform
from importlib import resources

from faltung.bench.machine import describe
from faltung.pages import page_html
from faltung.tour.markup import inline, measured, story
from faltung.tour.numbers import milliseconds, times
from faltung.tour.photograph import Photograph
from faltung.tour.pictures import colour, data_uri
from faltung.tour.section import Section, SummaryRow

__all__ = ["render"]

TITLE = "A tour of convolution"
DESCRIPTION = "Every kind of convolution, run on one photograph, checked against the definition, timed and drawn."


def render(sections: tuple[Section, ...], photograph: Photograph, seconds: float, *, threads: int, note: str = "") -> str:
    """The whole page as HTML; `threads` is how many the times are on, `note` what to know about them."""
    style = resources.files("faltung.tour").joinpath("report.css").read_text(encoding="utf-8")
    links = "".join(
        f'<li><a href="#{section.anchor}"><span>{section.number}</span> {html.escape(section.title)}</a></li>' for section in sections
    )
    body = f"""<a class="skip" href="#main">Skip to the tour</a>
<div class="page">
<nav aria-label="Contents"><strong>{TITLE}</strong><ol>{links}</ol></nav>
<main id="main">
{_head(sections, photograph, seconds)}
{_summary(sections, threads, note)}
{"".join(_section(section) for section in sections)}
<footer>{_machine(threads)}</footer>
</main>
</div>"""
    return page_html(f"{TITLE} · Faltung", style, body, description=DESCRIPTION)


def _head(sections: tuple[Section, ...], photograph: Photograph, seconds: float) -> str:
    checks = [check for section in sections for check in section.checks]
    held = sum(check.passed for check in checks)
    picture = colour(photograph.rgb, "", "")
    height, width = photograph.size
    file_height, file_width = photograph.file_size
    size = f"{file_width} × {file_height} pixels" + ("" if photograph.file_size == photograph.size else f", here {width} × {height}")
    verdict = "ok" if held == len(checks) else "bad"
    return f"""<header id="top">
<div>
<h1>{TITLE}</h1>
<p class="lead">Every kind of convolution that deep learning lives on, computed on one photograph, checked against the definition,
timed and drawn.</p>
<dl class="facts">
<div><dt>checks hold</dt><dd class="{verdict}">{held} of {len(checks)}</dd></div>
<div><dt>subjects</dt><dd>{len(sections)}</dd></div>
<div><dt>for all of it</dt><dd>{seconds:.0f} s</dd></div>
</dl>
</div>
<figure><img src="{data_uri(picture)}" width="{width}" height="{height}" alt="The photograph of this tour, {html.escape(photograph.name)}">
<figcaption>{html.escape(photograph.name)}, {size}</figcaption></figure>
</header>"""


def _summary(sections: tuple[Section, ...], threads: int, note: str) -> str:
    rows = [section.summary() for section in sections]
    peers = {row.peer for row in rows} - {None}
    peers_found = bool(peers)
    peer = html.escape(str(peers.pop())) if len(peers) == 1 else "peer"
    body = "".join(_summary_row(row, section) for row, section in zip(rows, sections, strict=True))
    counted = "one thread" if threads == 1 else f"{threads} threads"
    beside = (
        f" {peer}: the same convolutions there, in turn, in one process. Speed: how many times as fast Faltung is." if peers_found else ""
    )
    warning = f'<p class="note">{html.escape(note)}</p>' if note else ""
    return f"""<div class="scroll" tabindex="0"><table class="plain whole">
<thead><tr><th scope="col" class="number">#</th><th scope="col">subject</th><th scope="col">checks</th>
<th scope="col" class="number">Faltung</th>
<th scope="col" class="number wide">{peer}</th><th scope="col" class="number">speed</th></tr></thead>
<tbody>{body}</tbody></table></div>
{warning}<p class="fineprint">Times are medians on {counted}, of everything that a section times.{beside}</p>
<p class="fineprint">Every result is computed by Faltung and compared with the definition: a loop that slides the kernel, multiplies
and adds, and knows no trick. Where the numbers are whole, they must agree to the last bit; where they are floating-point, within the
bound that Faltung states beforehand. The definition is slow, so it is put to a corner of the photograph, borders included.</p>"""


def _summary_row(row: SummaryRow, section: Section) -> str:
    good = row.checks_passed == row.checks_total
    checks = f'<span class="{"ok" if good else "bad"}">{"✓" if good else "✗"} {row.checks_passed}/{row.checks_total}</span>'
    link = f'<a href="#{section.anchor}">{html.escape(row.subject)}</a>'
    return (
        f'<tr><td class="number">{row.number}</td><th scope="row">{link}</th><td>{checks}</td>'
        f'<td class="number">{milliseconds(row.faltung_ms)}</td><td class="number wide">{milliseconds(row.peer_ms)}</td>'
        f'<td class="number">{times(row.ratio)}</td></tr>'
    )


def _section(section: Section) -> str:
    specs = "".join(f"<li><code>{html.escape(spec)}</code></li>" for spec in section.specs)
    return f"""<section id="{section.anchor}" aria-labelledby="{section.anchor}-title">
<h2 id="{section.anchor}-title"><span>{section.number}</span> {html.escape(section.title)}</h2>
<p class="sentences">{" ".join(map(inline, section.sentences))}</p>
<ul class="specs" aria-label="The convolutions of this section">{specs}</ul>
{story(section.blocks)}
{measured(section.checks, section.costs, section.timings)}
<p class="up"><a href="#top">Back to the summary</a></p>
</section>
"""


def _machine(threads: int) -> str:
    """Versions and processor: what one needs to judge the times."""
    versions = []
    for name in ("faltung", "numpy", "scipy", "torch"):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    machine = describe(threads)
    processor = f"{machine['cpu']}, {machine['processors']} processors, instruction set {machine['isa']}"
    return html.escape(f"Python {platform.python_version()}, {', '.join(versions)}. {processor}.")
