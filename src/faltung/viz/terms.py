"""Products and their sums as plain values: what one output is made of, what one cell or weight goes into.

Owns what a product tells of itself. Text, LaTeX and HTML are in the modules
beside this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from faltung.spec import ConvSpec
from faltung.viz import markup, text
from faltung.viz.numbers import Number, jsonable, sum_of

__all__ = ["Product", "Terms", "Uses"]


@dataclass(frozen=True, slots=True)
class Product:
    """One input cell times one weight, added to one output.

    Attributes
    ----------
    output_index, weight_index : tuple of int
        Indices of the arrays, batch and channels first.
    input_index : tuple of int or None
        None where a zero is read that is no cell of the input.
    input_value, weight_value, product : int, float or complex
    origin : str
        ``"input"`` where the window lies on the cell itself; ``"zero"``, ``"wrapped"``, ``"mirrored"`` or ``"repeated"`` where
        it lies in the padding; ``"inserted"`` on a zero between the inputs of a transposed convolution that is read as a gather.
    position : tuple of int
        Spatial. Where the window lies: a cell of the input, negative or past its end in the padding. Of a transposed
        convolution: the cell of the output that is stamped, past its border where the mode brings it back to another; in its
        gather the cell of the zero-inserted input.
    """

    output_index: tuple[int, ...]
    input_index: tuple[int, ...] | None
    input_value: Number
    weight_index: tuple[int, ...]
    weight_value: Number
    product: Number
    origin: str
    position: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain data for JSON."""
        return {
            "output_index": list(self.output_index),
            "input_index": None if self.input_index is None else list(self.input_index),
            "input_value": jsonable(self.input_value),
            "weight_index": list(self.weight_index),
            "weight_value": jsonable(self.weight_value),
            "product": jsonable(self.product),
            "origin": self.origin,
            "position": list(self.position),
        }


class Listed:
    """A list of products that can be counted and walked through."""

    products: tuple[Product, ...]

    def __len__(self) -> int:
        return len(self.products)

    def __iter__(self) -> Iterator[Product]:
        return iter(self.products)


@dataclass(frozen=True)
class Terms(Listed):
    """One output: its products, its bias, their total.

    Attributes
    ----------
    spec : ConvSpec
    index : tuple of int
        Of the output.
    products : tuple of Product
        In the order of the weight: channel, then taps as the window lies, padding zeros included. Of a transposed convolution
        the scatter: in the order of the input cells, each of which stamps the kernel onto the output, where overlaps add.
    bias : int, float, complex or None
    total : int, float or complex
        Exact for integers, past 64 bits wrapped as `faltung.conv` does; else the correctly rounded sum of the products,
        which are taken in double precision.
    gather : tuple of Product
        Of a transposed convolution the same sum read the other way: the window of the flipped kernel over the input with
        zeros inserted between its cells, every zero listed. Of others the products themselves.

    Examples
    --------
    >>> from faltung.viz import explain
    >>> terms = explain("conv1d(1, 1, 3, padding=1)", [[5, 7]], [[[1, 10, 100]]], [3])[0, 0]
    >>> [(product.input_value, product.weight_value, product.origin) for product in terms.products]
    [(0, 1, 'zero'), (5, 10, 'input'), (7, 100, 'input')]
    >>> terms.total
    753
    """

    spec: ConvSpec
    index: tuple[int, ...]
    products: tuple[Product, ...]
    bias: Number | None
    total: Number
    gather: tuple[Product, ...] = field(repr=False)

    @property
    def is_transposed(self) -> bool:
        """Whether there are two readings, scatter and gather."""
        return self.spec.transposed

    @property
    def channel(self) -> int:
        """Of the output."""
        return self.index[-self.spec.ndim - 1]

    @property
    def gather_total(self) -> Number:
        """The sum of `gather` and the bias, not wrapped: what `total` is compared with."""
        return sum_of([product.product for product in self.gather] + ([] if self.bias is None else [self.bias]))

    @property
    def readings_agree(self) -> bool:
        """Whether scatter and gather hold the same products of the same cells and weights."""
        return _real_products(self.products) == _real_products(self.gather)

    def to_text(self, limit: int = 32) -> str:
        """The arithmetic as text; of more than `limit` products the first and the last, and how many there are."""
        return text.terms_text(self, limit)

    def __str__(self) -> str:
        return self.to_text()

    def to_latex(self, limit: int = 12, *, reading: str = "scatter") -> str:
        r"""The sum in LaTeX's math mode, without dollar signs, in the subset that matplotlib draws.

        Parameters
        ----------
        limit : int
            Of more products only the first and the last are written, and how many there are.
        reading : {"scatter", "gather"}
            Of a transposed convolution; others have one.

        >>> from faltung.viz import explain
        >>> print(explain("conv1d(1, 1, 2)", [[5, -7]], [[[1, 10]]])[0, 0].to_latex())
        y_{0,0} = 5 \cdot 1 + (-7) \cdot 10 = -65
        """
        return markup.terms_latex(self, limit, reading)

    def to_html(self, limit: int = 32) -> str:
        """A table in HTML, in the colours of the page around it, without scripts."""
        return markup.terms_html(self, limit)

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data for JSON, nothing abbreviated."""
        facts = {
            "spec": str(self.spec),
            "output_index": list(self.index),
            "products": [product.to_dict() for product in self.products],
            "bias": jsonable(self.bias),
            "total": jsonable(self.total),
        }
        return facts | {"gather": [product.to_dict() for product in self.gather]} if self.is_transposed else facts


def _real_products(products: Sequence[Product]) -> list[tuple[Any, ...]]:
    return sorted((product.input_index, product.weight_index) for product in products if product.input_index is not None)


@dataclass(frozen=True)
class Uses(Listed):
    """Every product that one input cell, or one weight, takes part in.

    Attributes
    ----------
    spec : ConvSpec
    of : {"input", "weight"}
    index : tuple of int
        Of the input cell or of the weight.
    value : int, float or complex
    products : tuple of Product
        In the order of the outputs, those through copies in the padding included.

    Examples
    --------
    >>> from faltung.viz import explain
    >>> uses = explain("conv1d(1, 1, 2)", [[5, 7, 9]], [[[1, 10]]]).uses((0, 1))
    >>> [(product.output_index, product.weight_value) for product in uses]
    [((0, 0), 10), ((0, 1), 1)]
    """

    spec: ConvSpec
    of: str
    index: tuple[int, ...]
    value: Number
    products: tuple[Product, ...]

    @property
    def is_transposed(self) -> bool:
        """Whether a product's position lies on the output."""
        return self.spec.transposed

    @property
    def outputs(self) -> tuple[tuple[int, ...], ...]:
        """The outputs that are reached, each once."""
        return tuple(dict.fromkeys(product.output_index for product in self.products))

    def to_text(self, limit: int = 32) -> str:
        """A line for each product; of more than `limit` the first and the last, and how many there are."""
        return text.uses_text(self, limit)

    def __str__(self) -> str:
        return self.to_text()

    def to_latex(self, limit: int = 12) -> str:
        r"""The outputs that are reached, in LaTeX's math mode: what this cell or weight adds to each."""
        return markup.uses_latex(self, limit)

    def to_html(self, limit: int = 32) -> str:
        """A table in HTML, in the colours of the page around it, without scripts."""
        return markup.uses_html(self, limit)

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data for JSON, nothing abbreviated."""
        return {
            "spec": str(self.spec),
            "of": self.of,
            "index": list(self.index),
            "value": jsonable(self.value),
            "products": [product.to_dict() for product in self.products],
        }
