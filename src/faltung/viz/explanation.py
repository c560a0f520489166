"""`explain`: a convolution of given arrays, taken apart where it is asked about.

Owns the way from an index to its products: the contacts of the window (`windows`) with batch, channels and
values put to them. Nothing is computed before it is asked for.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from faltung.engine.arrays import Array, as_array, element_types_of
from faltung.engine.checks import as_spec, check_bias, check_weight
from faltung.errors import ConvShapeError, ConvTypeError, shown
from faltung.functional.convolution import as_bias
from faltung.spec import ConvSpec
from faltung.viz import markup, text
from faltung.viz.numbers import Number, sum_of
from faltung.viz.terms import Product, Terms, Uses
from faltung.viz.windows import Contact, Contacts, Index, Windows

__all__ = ["Explanation", "explain"]

MAX_PRODUCTS = 2**22
"""What is listed at once: some gigabytes of memory would be the next step."""


def explain(spec: ConvSpec | str, x: object, weight: object, bias: object = None) -> Explanation:
    """Take a convolution apart: every product of every output, and where each input cell and each weight goes.

    Parameters
    ----------
    spec : ConvSpec or str
    x : array (N, in, *i) or (in, *i)
    weight : array of ``spec.weight_shape``
    bias : array (out,), optional

    Returns
    -------
    Explanation
        It keeps the arrays and computes nothing until it is indexed.

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError
        Spec and arrays do not fit, as in `faltung.conv`.

    Notes
    -----
    A transposed convolution is read both ways, as a scatter and as a correlation of the zero-inserted input with the flipped
    kernel (Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2018, §4).

    Examples
    --------
    >>> import numpy as np
    >>> explanation = explain("conv1d(1, 1, 3, padding=1)", np.array([[1, 2, 3]]), np.array([[[1, 0, -1]]]))
    >>> print(explanation[0, 0])
    output[0, 0] = 3 products = −2
      input                weight
      padding (−1) = 0  ×  w[0, 0, 0] =  1  =   0
      x[0, 0]      = 1  ×  w[0, 0, 1] =  0  =   0
      x[0, 1]      = 2  ×  w[0, 0, 2] = −1  =  −2
      total                                 =  −2
      0·1 + 1·0 + 2·(−1) = −2
    """
    return Explanation(as_spec(spec), as_array("x", x), as_array("weight", weight), as_bias(bias))


class Explanation:
    """A convolution of given arrays; ``explanation[n, oc, *position]`` gives the `Terms` of that output.

    Iterating gives the terms of every output in turn. Indices are those of the arrays: an unbatched input has no n.
    Negative ones count from the end. The arrays are kept, not copied.

    Attributes
    ----------
    spec : ConvSpec
    input_shape, output_shape : tuple of int
    """

    def __init__(self, spec: ConvSpec, x: Array, weight: Array, bias: Array | None) -> None:
        self._types = element_types_of(x=x, weight=weight, bias=bias)
        check_weight(spec, weight)
        check_bias(spec, bias)
        self._batch, size = spec.split_shape(x.shape)
        self.spec = spec
        self.input_shape: Index = tuple(x.shape)
        self.output_shape: Index = spec.output_shape(x.shape)
        self._x, self._weight, self._bias = x, weight, bias
        self._windows = Windows(spec, size)

    # -- what is asked ---------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Terms:
        """The `Terms` of one output.

        Raises
        ------
        ConvShapeError, ConvTypeError
            The index has the wrong length, is out of range, or is not made of whole numbers.
        """
        index = self._checked("output", index, self.output_shape)
        batch, channel, place = self._split(index)
        partners = self._windows.inputs_of(channel)
        self._check_reach("output", index, len(partners), through_copies=self.spec.transposed)
        contacts = _listed("output", index, len(partners), self._windows.of_output(place))
        products = [self._product(batch, ic, channel, contact) for ic in partners for contact in contacts]
        gather = products
        if self.spec.transposed:
            products.sort(key=lambda product: product.input_index or ())
            contacts = list(self._windows.gather(place))
            gather = [self._product(batch, ic, channel, contact) for ic in partners for contact in contacts]
        bias = None if self._bias is None else self._read(self._bias, (channel,))
        total = self._wrapped(sum_of([product.product for product in products] + ([] if bias is None else [bias])))
        return Terms(self.spec, index, tuple(products), bias, total, tuple(gather))

    def __iter__(self) -> Iterator[Terms]:
        return (self[index] for index in itertools.product(*map(range, self.output_shape)))

    def uses(self, input_index: Sequence[int]) -> Uses:
        """All outputs that an input cell feeds, with what weight, its copies in the padding included.

        Raises
        ------
        ConvShapeError, ConvTypeError
            As for an output's index.

        >>> print(explain("conv1d(1, 1, 2, padding=1, padding_mode='circular')", [[5, 7]], [[[1, 10]]]).uses((0, 0)))
        x[0, 0] = 5 takes part in 3 products of 3 outputs
          output                     input                          weight
          output[0, 0]  gets  50  =  x[0, 0]                = 5  ×  w[0, 0, 1] = 10
          output[0, 1]  gets   5  =  x[0, 0]                = 5  ×  w[0, 0, 0] =  1
          output[0, 2]  gets  50  =  x[0, 0] wrapped to (2) = 5  ×  w[0, 0, 1] = 10
        """
        index = self._checked("input", input_index, self.input_shape)
        batch, channel, place = self._split(index)
        partners = self._windows.outputs_of(channel)
        self._check_reach("input", index, len(partners), through_copies=not self.spec.transposed)
        contacts = _kept(_listed("input", index, len(partners), self._windows.of_input(place)))
        found = (self._product(batch, channel, oc, contact) for oc in partners for contact in contacts)
        return Uses(self.spec, "input", index, self._read(self._x, index), _in_order(found))

    def of_weight(self, weight_index: Sequence[int]) -> Uses:
        """All products that a weight takes part in, those with zeros of the padding included.

        Raises
        ------
        ConvShapeError, ConvTypeError
            As for an output's index.
        """
        index = self._checked("weight", weight_index, self.spec.weight_shape)
        spec = self.spec
        windows = self.input_shape if spec.transposed else self.output_shape
        samples = math.prod(self._batch)
        _check_count("weight", index, samples, windows[-spec.ndim :])
        first, second, *taps = index
        # The first axis counts the channels of all groups, the second those of one.
        partners = (self._windows.outputs_of if spec.transposed else self._windows.inputs_of)(first)
        ic, oc = (first, partners[second]) if spec.transposed else (partners[second], first)
        contacts = _kept(_listed("weight", index, samples, self._windows.of_tap(tuple(taps))))
        batches = itertools.product(*map(range, self._batch))
        found = (self._product(batch, ic, oc, contact) for batch in batches for contact in contacts)
        return Uses(spec, "weight", index, self._read(self._weight, index), _in_order(found))

    # -- how it is shown -------------------------------------------------------------------------

    def __str__(self) -> str:
        return text.explanation_text(self)

    def __repr__(self) -> str:
        return f"<Explanation of {self.spec} on {self.input_shape}>"

    def _repr_html_(self) -> str:
        return markup.explanation_html(self)

    # -- how it is found -------------------------------------------------------------------------

    def _split(self, index: Index) -> tuple[Index, int, Index]:
        """Batch, () where there is none, channel and position."""
        axes = len(self._batch)
        return index[:axes], index[axes], index[axes + 1 :]

    def _product(self, batch: Index, ic: int, oc: int, contact: Contact) -> Product:
        """The product of one contact, which is not cropped."""
        assert contact.output is not None
        input_index = None if contact.input is None else (*batch, ic, *contact.input)
        weight_index = (*self._windows.weight_channels(ic, oc), *contact.tap)
        value, weight = self._value_of(input_index), self._read(self._weight, weight_index)
        # A transposed convolution multiplies no zeros: an infinite weight does not make them NaN in its gather.
        product = value if input_index is None and self.spec.transposed else value * weight
        output_index = (*batch, oc, *contact.output)
        return Product(output_index, input_index, value, weight_index, weight, product, contact.origin, contact.position)

    # -- values ----------------------------------------------------------------------------------

    def _value_of(self, input_index: Index | None) -> Number:
        if input_index is not None:
            return self._read(self._x, input_index)
        return 0 if self._types.is_exact else 0j if self._types.is_complex else 0.0

    def _read(self, array: Array, index: Index) -> Number:
        value = array[index]
        return int(value) if self._types.is_exact else complex(value) if self._types.is_complex else float(value)

    def _wrapped(self, total: Number) -> Number:
        """A sum of integers as 64 bits hold it."""
        if not isinstance(total, int):
            return total
        lowest = 0 if self._types.result == np.uint64 else -(2**63)
        return (total - lowest) % 2**64 + lowest

    def _check_reach(self, name: str, index: Index, outer: int, *, through_copies: bool) -> None:
        """Refuse, before anything is listed, a window or copies of a cell that are too many to list."""
        _check_count(name, index, outer, self.spec.kernel_size)
        if through_copies:
            for axis in self._windows.axes:
                _check_count(name, index, axis.axis.kernel, [axis.most_copies])

    def _checked(self, name: str, index: Any, shape: Index) -> Index:
        """`index` with every entry from 0 to its size less 1."""
        given = tuple(index) if isinstance(index, Iterable) and not isinstance(index, str | bytes) else (index,)
        letters = _entries(name, self.spec, batched=bool(self._batch))
        if len(given) != len(shape):
            raise ConvShapeError(
                f"{name} index {shown(given)} has {len(given)} entries, {'a' if name == 'weight' else 'the'} {name} of shape {shape} takes"
                f" {len(shape)}.",
                f"Give ({', '.join(letters)}).",
            )
        found = []
        for entry, letter, size in zip(given, letters, shape, strict=True):
            try:
                number = operator.index(entry)
            except TypeError:
                raise ConvTypeError(
                    f"{name} index {shown(given)}: {letter}={shown(entry)} is of type {type(entry).__name__}, an int is needed.",
                    "Write a whole number; slices are not taken, loop over the outputs instead.",
                ) from None
            if not -size <= number < size:
                allowed = f"{letter} goes from 0 to {size - 1}, or from -{size} to -1 counted from the end." if size else "It is empty."
                raise ConvShapeError(
                    f"{name} index {shown(given)}: {letter}={shown(number)} is outside the {name} of shape {shape}, {size} along {letter}.",
                    allowed,
                )
            found.append(number % size)
        return tuple(found)


def _entries(name: str, spec: ConvSpec, *, batched: bool) -> tuple[str, ...]:
    """What the entries of an index are called."""
    axes = ("z", "y", "x")[-spec.ndim :] if spec.ndim <= 3 else tuple(f"position_{axis}" for axis in range(spec.ndim))
    if name == "weight":
        within = ("in_channel", "out_channel_of_group") if spec.transposed else ("out_channel", "in_channel_of_group")
        return (*within, *(f"k{letter}" for letter in axes))
    return (*(("n",) if batched else ()), "oc" if name == "output" else "ic", *axes)


def _check_count(name: str, index: Index, outer: int, sizes: Sequence[int]) -> None:
    count = outer * math.prod(sizes)
    if count > MAX_PRODUCTS:
        arithmetic = f"{outer}*{'*'.join(map(str, sizes))} = {count}"
        raise ConvShapeError(
            f"{name} index {index} has {arithmetic} products, more than {MAX_PRODUCTS}, the most that are listed.",
            "Explain a smaller convolution of the same kind.",
        )


def _listed(name: str, index: Index, outer: int, contacts: Contacts) -> list[Contact]:
    """The contacts, each of which is used `outer` times."""
    _check_count(name, index, outer, contacts.sizes)
    return list(contacts)


def _kept(contacts: Iterable[Contact]) -> list[Contact]:
    """Without those that stamp outside the output."""
    return [contact for contact in contacts if contact.output is not None]


def _in_order(products: Iterable[Product]) -> tuple[Product, ...]:
    return tuple(sorted(products, key=lambda product: (product.output_index, product.position)))
