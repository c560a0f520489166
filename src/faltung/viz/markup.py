"""Products as LaTeX formulas and as HTML tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from faltung.errors import ConvSpecError, one_of
from faltung.viz.numbers import factor_latex, latex, shorthand
from faltung.viz.text import (
    bracketed,
    ends,
    exact_sum,
    explanation_text,
    has_wrapped,
    hidden_products,
    readings,
    remarks,
    source_of,
    terms_title,
    uses_title,
)

if TYPE_CHECKING:
    from faltung.viz.explanation import Explanation
    from faltung.viz.terms import Product, Terms, Uses

__all__ = ["explanation_html", "terms_html", "terms_latex", "uses_html", "uses_latex"]

# Everything is drawn in the colour of the text around it, so that light and dark pages need no rules of their own.
_STYLE = """<style>
.faltung-terms { color: inherit; font: 14px/1.5 system-ui, sans-serif; overflow-x: auto; }
.faltung-terms table { border-collapse: collapse; margin: .3em 0 1em; color: inherit; }
.faltung-terms caption { text-align: left; font-style: italic; padding: .2em 0; white-space: nowrap; color: inherit; }
.faltung-terms th, .faltung-terms td { background: none; border: 0; color: inherit;
  border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); padding: .15em .7em; text-align: left; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.faltung-terms th { font-weight: 600; border-bottom-color: currentColor; }
.faltung-terms .n { text-align: right; }
.faltung-terms .pad { font-style: italic; opacity: .7; }
.faltung-terms .sum td { font-weight: 600; border-top: 1px solid currentColor; border-bottom: 0; }
</style>"""


# -- LaTeX ---------------------------------------------------------------------------------------


def terms_latex(terms: Terms, limit: int, reading: str) -> str:
    """``y = a·b + … + bias = total``."""
    one_of("reading", reading, ("scatter", "gather"), ConvSpecError)
    products = terms.gather if reading == "gather" else terms.products
    first, hidden, last = ends(products, limit)
    parts = [_latex_product(product) for product in (*first, *last)]
    if hidden:
        parts.insert(len(first), r"\cdots")
    if terms.bias is not None:
        parts.append(factor_latex(terms.bias))
    count = rf"\quad ({len(products)}\ \mathrm{{products}})" if hidden else ""
    total = (
        rf"{latex(exact_sum(terms))} \equiv {latex(terms.total)}\ (\mathrm{{mod}}\ 2^{{64}})" if has_wrapped(terms) else latex(terms.total)
    )
    return f"{_subscripted('y', terms.index)} = {' + '.join(parts) or '0'} = {total}{count}"


def uses_latex(uses: Uses, limit: int) -> str:
    """What the outputs receive, one after the other."""
    first, hidden, last = ends(uses.products, limit)
    parts = [rf"{_subscripted('y', product.output_index)} \leftarrow {_latex_product(product)}" for product in (*first, *last)]
    if hidden:
        parts.insert(len(first), r"\cdots")
    count = rf"\quad ({len(uses.products)}\ \mathrm{{products}})" if hidden else ""
    head = f"{_subscripted('x' if uses.of == 'input' else 'w', uses.index)} = {latex(uses.value)}"
    return r",\quad ".join([head, *parts]) + count


def _latex_product(product: Product) -> str:
    zero = {"zero": r"_{\mathrm{pad}}", "inserted": r"_{\mathrm{ins}}"}.get(product.origin, "")
    return rf"{factor_latex(product.input_value)}{zero} \cdot {factor_latex(product.weight_value)}"


def _subscripted(name: str, index: Sequence[int]) -> str:
    return f"{name}_{{{','.join(map(str, index))}}}"


# -- HTML ----------------------------------------------------------------------------------------


def terms_html(terms: Terms, limit: int) -> str:
    """A table for each reading."""
    captioned = readings(terms) if terms.is_transposed else [(str(terms.spec), terms.products)]
    tables = [_table(caption, _terms_rows(terms, products, limit)) for caption, products in captioned]
    return _block(terms_title(terms), *tables, *(_line(remark) for remark in remarks(terms)))


def _terms_rows(terms: Terms, products: Sequence[Product], limit: int) -> Iterator[str]:
    yield _header("input", "value", "weight", "value", "product")
    for product in _or_hidden(products, limit):
        yield product if isinstance(product, str) else _row(product, _cells(product, terms.is_transposed))
    if terms.bias is not None:
        yield f'<tr><td colspan="4">{escape(bracketed("bias", (terms.channel,)))}</td>{_number(shorthand(terms.bias))}</tr>'
    yield f'<tr class="sum"><td colspan="4">total</td>{_number(shorthand(exact_sum(terms)))}</tr>'


def uses_html(uses: Uses, limit: int) -> str:
    """One table."""
    if not uses.products:
        return _block(uses_title(uses))
    rows = [_header("output", "input", "value", "weight", "value", "product")]
    for product in _or_hidden(uses.products, limit):
        if isinstance(product, str):
            rows.append(product.replace('colspan="5"', 'colspan="6"'))
        else:
            rows.append(_row(product, [_text(bracketed("output", product.output_index)), *_cells(product, uses.is_transposed)]))
    return _block(uses_title(uses), _table(str(uses.spec), rows))


def explanation_html(explanation: Explanation) -> str:
    """What can be asked."""
    head, *lines = explanation_text(explanation).splitlines()
    return _block(head, *(_line(line.strip()) for line in lines))


def _or_hidden(products: Sequence[Product], limit: int) -> Iterator[Product | str]:
    first, hidden, last = ends(products, limit)
    yield from first
    if hidden:
        yield f'<tr class="pad"><td colspan="5">{escape(hidden_products(hidden))}</td></tr>'
    yield from last


def _cells(product: Product, is_transposed: bool) -> list[str]:
    cells = [_text(source_of(product, is_transposed)), _number(shorthand(product.input_value)), _text(bracketed("w", product.weight_index))]
    return [*cells, _number(shorthand(product.weight_value)), _number(shorthand(product.product))]


def _row(product: Product, cells: Sequence[str]) -> str:
    dimmed = ' class="pad"' if product.origin != "input" else ""
    return f"<tr{dimmed}>{''.join(cells)}</tr>"


def _header(*names: str) -> str:
    numeric = ("value", "product")
    cells = (f'<th scope="col" class="{"n" if name in numeric else ""}">{escape(name)}</th>' for name in names)
    return f"<tr>{''.join(cells)}</tr>"


def _text(content: str) -> str:
    return f"<td>{escape(content)}</td>"


def _number(content: str) -> str:
    return f'<td class="n">{escape(content)}</td>'


def _line(content: str) -> str:
    return f"<div>{escape(content)}</div>"


def _table(caption: str, rows: Sequence[str] | Iterator[str]) -> str:
    return f"<table><caption>{escape(caption)}</caption>{''.join(rows)}</table>"


def _block(title: str, *parts: str) -> str:
    return f'<div class="faltung-terms">{_STYLE}<strong>{escape(title)}</strong>{"".join(parts)}</div>'
