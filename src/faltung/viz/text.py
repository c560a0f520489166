"""Products as lines of text, in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from faltung.viz.numbers import Number, factor_text, shorthand, sum_of

if TYPE_CHECKING:
    from faltung.viz.explanation import Explanation
    from faltung.viz.terms import Product, Terms, Uses

__all__ = [
    "bracketed", "counted", "ends", "exact_sum", "explanation_text", "has_wrapped", "hidden_products", "readings", "remarks",
    "source_of", "terms_text", "terms_title", "uses_text", "uses_title",
]  # fmt: skip

T = TypeVar("T")
_SUM_LIMIT = 12  # products in the closing line: about as many as fit on a screen


def bracketed(name: str, index: Sequence[int]) -> str:
    """An array's element: ``x[0, 1]``."""
    return f"{name}[{', '.join(map(str, index))}]"


def counted(number: int, noun: str) -> str:
    """A number of things, with the plural where it belongs.

    >>> counted(1, "product"), counted(2, "product")
    ('1 product', '2 products')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def ends(items: Sequence[T], limit: int) -> tuple[Sequence[T], Sequence[T], Sequence[T]]:
    """Items from the front, those left out, items from the back: at most `limit` are kept.

    >>> ends(range(9), 3), ends(range(3), 3)
    ((range(0, 2), range(2, 8), range(8, 9)), (range(0, 3), range(3, 3), range(3, 3)))
    """
    if len(items) <= limit:
        return items, items[len(items) :], items[len(items) :]
    last = max(limit, 0) // 3
    first = max(limit, 0) - last
    return items[:first], items[first : len(items) - last], items[len(items) - last :]


def source_of(product: Product, is_transposed: bool) -> str:
    """Where the input's value comes from: its cell, or a padding cell and what stands there."""
    place = f"({', '.join(map(shorthand, product.position))})"
    if product.input_index is None:
        return f"{'inserted' if product.origin == 'inserted' else 'padding'} {place}"
    cell = bracketed("x", product.input_index)
    if product.origin == "input":
        return cell
    return (
        f"{cell} stamps {place}, {product.origin}"
        if is_transposed
        else f"{cell} {product.origin} {'at' if product.origin == 'repeated' else 'to'} {place}"
    )


def hidden_products(hidden: Sequence[Product]) -> str:
    """What is said in place of products that are not listed."""
    return f"… {counted(len(hidden), 'more product')}, together {shorthand(sum_of([product.product for product in hidden]))}"


def columns(rows: Sequence[Sequence[str]], rights: Sequence[bool]) -> list[str]:
    """Rows with their cells in line; `rights` says which columns end flush."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = (
        [cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(row, widths, rights, strict=True)] for row in rows
    )
    return ["".join(row).rstrip() for row in cells]


def readings(terms: Terms) -> list[tuple[str, tuple[Product, ...]]]:
    """Each way to read a transposed convolution's output, with its products in that order."""
    kernel = "the kernel, flipped a second time and so as it is stored," if terms.spec.flip else "the flipped kernel"
    return [
        ("scatter: each input stamps the kernel, weighted by its value; overlaps add", terms.products),
        (f"gather: {kernel} slides over the input with zeros inserted", terms.gather),
    ]


# -- one output ----------------------------------------------------------------------------------


def terms_title(terms: Terms) -> str:
    """What the output is, in one line."""
    parts = counted(len(terms.products), "product") + ("" if terms.bias is None else " + bias")
    return f"{bracketed('output', terms.index)} = {parts} = {shorthand(terms.total)}"


def terms_text(terms: Terms, limit: int) -> str:
    """The output, a line for each product, and the sum."""
    lines = [terms_title(terms)]
    if not terms.is_transposed:
        lines += _reading(terms, terms.products, limit, "  ")
    else:
        for name, products in readings(terms):
            lines += [f"  {name}", *_reading(terms, products, limit, "    ")]
    lines += [f"  {remark}" for remark in remarks(terms)]
    return "\n".join(lines)


def remarks(terms: Terms) -> list[str]:
    """What is to be said below the products: that the readings agree, that the sum has wrapped."""
    said = []
    if terms.is_transposed and terms.readings_agree:
        said.append(f"both readings have the same {counted(len(terms.products), 'product')} of input cells, and the sum {_sum(terms)}")
    if has_wrapped(terms):
        said.append(f"the sum {exact_sum(terms)} does not fit in 64 bits and wraps to {shorthand(terms.total)}")
    return said


def exact_sum(terms: Terms) -> Number:
    """Products and bias, not wrapped."""
    return sum_of(_addends(terms))


def has_wrapped(terms: Terms) -> bool:
    """Whether the total is the sum only modulo 2**64."""
    return isinstance(terms.total, int) and terms.total != exact_sum(terms)


def _addends(terms: Terms) -> list[Number]:
    return [product.product for product in terms.products] + ([] if terms.bias is None else [terms.bias])


def _sum(terms: Terms) -> str:
    return shorthand(exact_sum(terms))


def _reading(terms: Terms, products: Sequence[Product], limit: int, indent: str) -> list[str]:
    first, hidden, last = ends(products, limit)
    rows: list[Sequence[str]] = [("input", "", "", "     weight", "", "", "", "")]
    rows += [_row(product, terms.is_transposed) for product in (*first, *last)]
    if terms.bias is not None:
        rows.append((bracketed("bias", (terms.channel,)), "", "", "", "", "", "  =  ", shorthand(terms.bias)))
    rows.append(("total", "", "", "", "", "", "  =  ", _sum(terms)))
    lines = columns(rows, (False, False, True, False, False, True, False, True))
    if hidden:
        lines.insert(1 + len(first), hidden_products(hidden))
    return [indent + line for line in (*lines, _arithmetic(terms, products))]


def _row(product: Product, is_transposed: bool) -> tuple[str, ...]:
    weight = bracketed("w", product.weight_index)
    values = shorthand(product.input_value), shorthand(product.weight_value), shorthand(product.product)
    return (source_of(product, is_transposed), " = ", values[0], f"  ×  {weight}", " = ", values[1], "  =  ", values[2])


def _arithmetic(terms: Terms, products: Sequence[Product]) -> str:
    first, hidden, last = ends(products, _SUM_LIMIT)
    written = [f"{factor_text(product.input_value)}·{factor_text(product.weight_value)}" for product in (*first, *last)]
    if hidden:
        written.insert(len(first), "…")
    if terms.bias is not None:
        written.append(factor_text(terms.bias))
    return f"{' + '.join(written) or '0'} = {_sum(terms)}"


# -- one input cell, one weight ------------------------------------------------------------------


def uses_title(uses: Uses) -> str:
    """What the cell or the weight goes into, in one line."""
    name = bracketed("x" if uses.of == "input" else "w", uses.index)
    if not uses.products:
        return f"{name} = {shorthand(uses.value)} takes part in no product"
    reach = f"{counted(len(uses.products), 'product')} of {counted(len(uses.outputs), 'output')}"
    return f"{name} = {shorthand(uses.value)} takes part in {reach}"


def uses_text(uses: Uses, limit: int) -> str:
    """The cell or the weight, and a line for each product."""
    if not uses.products:
        return uses_title(uses)
    first, hidden, last = ends(uses.products, limit)
    rows = [("output", "", "", "     input", "", "", "     weight", "", "")]
    for product in (*first, *last):
        cell, equals, value, weight, _, factor, _, result = _row(product, uses.is_transposed)
        output = bracketed("output", product.output_index)
        rows.append((output, "  gets  ", result, f"  =  {cell}", equals, value, weight, equals, factor))
    lines = columns(rows, (False, False, True, False, False, True, False, False, True))
    if hidden:
        lines.insert(1 + len(first), hidden_products(hidden))
    return "\n".join([uses_title(uses), *(f"  {line}" for line in lines)])


# -- the whole -----------------------------------------------------------------------------------


def explanation_text(explanation: Explanation) -> str:
    """What can be asked."""
    last = ", ".join(str(size - 1) for size in explanation.output_shape)
    indices = f"indices up to ({last})" if all(explanation.output_shape) else "of which there is none here"
    return (
        f"{explanation.spec}\n  input {explanation.input_shape} → output {explanation.output_shape}\n"
        f"  explanation[index] lists the products of an output, {indices};\n"
        "  .uses(input_index) what an input cell feeds, .of_weight(weight_index) what a weight takes part in"
    )
