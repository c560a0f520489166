"""The walk of the window: where it lies, which products there are and what is written, step by step, as lists of numbers.

Owns the step from places along each axis to patterns of products, products and sums. A scene's objects and its columns
are both read off these lists. Standard library only.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import mul

from faltung.errors import ConvShapeError
from faltung.taps import AxisTaps
from faltung.viz.numbers import Number, sum_of
from faltung.viz.scene.places import Places
from faltung.viz.windows import Index, Windows

__all__ = ["MAX_TERMS", "Pattern", "Walk", "Written", "check_terms", "walk"]

MAX_TERMS = 2**16
"""Products of one stage that a scene lists."""

Numbers = tuple[Number, ...]

Written = tuple[int, int, Number | None, Number]
"""Output channel, flat output cell, its value before, its value after."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """The products of a step in their order, wherever the window lies; most steps share one.

    Attributes
    ----------
    oc, ic : tuple of int
        Output and input channel of each product.
    tap : tuple of int
        Which of the step's taps.
    weight : tuple of int
        Flat index into the weight array.
    """

    oc: Index
    ic: Index
    tap: Index
    weight: Index


@dataclass(frozen=True, slots=True)
class Walk:
    """All steps of a stage, an entry a step in each column.

    Attributes
    ----------
    windows : tuple of tuple of int
        The places under the taps.
    taps : tuple of tuple of int
        The taps there, as flat indices into the kernel.
    pattern : tuple of int
        Which of `patterns`.
    products : tuple of tuple of (int, float or complex)
    sums : tuple of tuple of (int, float or complex)
        After each product: of a gather those of its output channel so far, of a scatter what its output cell holds by then.
    writes : tuple of tuple of Written
    patterns : tuple of Pattern
    result : tuple of tuple of (int, float or complex)
        The output after the last step, a list a channel.
    """

    windows: tuple[Index, ...]
    taps: tuple[Index, ...]
    pattern: Index
    products: tuple[Numbers, ...]
    sums: tuple[Numbers, ...]
    writes: tuple[tuple[Written, ...], ...]
    patterns: tuple[Pattern, ...]
    result: tuple[Numbers, ...]


def walk(windows: Windows, places: Places, x: Sequence[Numbers], weight: Numbers, bias: Numbers | None) -> Walk:
    """Go through every step.

    Parameters
    ----------
    windows : Windows
    places : Places
        The grid under the window, of either reading.
    x : sequence of tuples
        The input, the cells of a channel each.
    weight : tuple
        In C order.
    bias : tuple, optional
        One an output channel.

    Raises
    ------
    ConvShapeError
        There are more than `MAX_TERMS` products.
    """
    return _Walker(windows, places, x, weight, bias).walk()


def check_terms(count: int, arithmetic: str) -> None:
    """Refuse more products than a scene lists."""
    if count > MAX_TERMS:
        raise ConvShapeError(
            f"there are {arithmetic} = {count} products, more than {MAX_TERMS}, the most that a scene lists."
            if arithmetic != str(count)
            else f"there are more than {MAX_TERMS} products, the most that a scene lists.",
            "Show the same layer on a smaller input and with fewer channels, such as input_size=(8, 8).",
        )


class _Walker:
    def __init__(self, windows: Windows, places: Places, x: Sequence[Numbers], weight: Numbers, bias: Numbers | None) -> None:
        self.windows, self.places, self.x, self.weight, self.bias = windows, places, x, weight, bias
        spec = windows.spec
        self.is_scatter = places.reading == "scatter"
        per_group = spec.out_channels // spec.groups
        self.groups = [(range(first, first + per_group), windows.inputs_of(first)) for first in range(0, spec.out_channels, per_group)]
        self.patterns: dict[tuple[Index, Index], int] = {}
        self.made: list[Pattern] = []
        self.factors: list[list[list[Number]]] = []
        zero = type(x[0][0])(0)
        # The number at each place, a zero where there is none.
        self.spread = [] if self.is_scatter else [[zero if at < 0 else cells[at] for at in places.sources] for cells in x]
        self.skips_zeros = spec.transposed and not self.is_scatter
        starts: Sequence[Number] = bias or (0,) * spec.out_channels
        cells = math.prod(windows.output_size)
        self.y: list[list[Number]] = [[start] * cells for start in starts]
        self.parts: dict[tuple[int, int], list[Number]] = {}

    def walk(self) -> Walk:
        """All steps."""
        found = []
        sources = self.places.sources
        for focus, (window, taps) in enumerate(self._windows()):
            # A transposed convolution does not multiply what is cut off.
            kept = tuple(number for number, at in enumerate(window) if sources[at] >= 0) if self.is_scatter else tuple(range(len(window)))
            number = self._pattern(taps, kept)
            products = self._products(focus, window, kept, number)
            pattern = self.made[number]
            sums, writes = (self._stamp if self.is_scatter else self._gather)(focus, window, pattern, products)
            found.append((window, taps, number, tuple(products), tuple(sums), tuple(writes)))
        windows, listed, numbers, multiplied, summed, written = zip(*found, strict=True)
        return Walk(windows, listed, numbers, multiplied, summed, written, tuple(self.made), tuple(map(tuple, self.y)))

    def _windows(self) -> Iterator[tuple[Index, Index]]:
        """At each focus in C order the places under the taps, and the taps as flat indices into the kernel."""
        listed: dict[Index, Index] = {}
        each, count = self._products_a_tap, 0
        for entries in itertools.product(*self._along()):
            count += math.prod(map(len, entries)) * each
            check_terms(count, str(count))
            places, taps = [0], [0]
            for along in entries:
                places = [place + offset for place in places for offset, _ in along]
                taps = [tap + offset for tap in taps for _, offset in along]
            key = tuple(taps)
            yield tuple(places), listed.setdefault(key, key)

    def _along(self) -> Iterator[list[list[tuple[int, int]]]]:
        """For each axis, for each focus along it: the meetings as what they add to a place and to an index into the kernel."""
        spec, places = self.windows.spec, self.places
        stride, kernel_stride = len(places.sources), math.prod(spec.kernel_size)
        for axis, first, last, kernel in zip(self.windows.axes, places.first, places.last, spec.kernel_size, strict=True):
            stride //= last - first + 1
            kernel_stride //= kernel
            rows, count = [], 0
            for focus in range(axis.input_size if self.is_scatter else axis.output_size):
                met = list(itertools.islice(self._meetings(axis, focus), MAX_TERMS + 1))
                count += len(met) * self._products_a_tap
                check_terms(count, str(count))
                rows.append([((at - first) * stride, (kernel - 1 - tap if spec.flip else tap) * kernel_stride) for at, tap in met])
            yield rows

    def _meetings(self, axis: AxisTaps, focus: int) -> Iterator[tuple[int, int]]:
        """Positions on the grid under the window, and the taps there."""
        if self.windows.spec.transposed and not self.is_scatter:
            return ((cell.position, cell.tap) for cell in axis.gather(focus))
        return ((met.position, met.tap) for met in (axis.of_input(focus) if self.is_scatter else axis.of_output(focus)))

    @property
    def _products_a_tap(self) -> int:
        """Pairs of channels that a tap connects."""
        return math.prod(self.windows.spec.weight_shape[:2])

    def _pattern(self, taps: Index, kept: Index) -> int:
        """The number of the pattern of a window with these taps, of which these take part."""
        found = self.patterns.get((taps, kept))
        if found is not None:
            return found
        kernel, (_, second, *_) = math.prod(self.windows.spec.kernel_size), self.windows.spec.weight_shape
        entries = []
        for outputs, inputs in self.groups:
            for oc in outputs:
                for ic in inputs:
                    one, other = self.windows.weight_channels(ic, oc)
                    entries += [(oc, ic, tap, (one * second + other) * kernel + taps[tap]) for tap in kept]
        self.made.append(Pattern(*zip(*entries, strict=True)) if entries else Pattern((), (), (), ()))
        per_output = len(self.groups[0][1]) * len(kept)
        factors = [self.weight[at] for at in self.made[-1].weight]
        self.factors.append([factors[start : start + per_output] for start in range(0, len(factors), per_output)] if per_output else [])
        return self.patterns.setdefault((taps, kept), len(self.made) - 1)

    def _products(self, focus: int, window: Index, kept: Index, number: int) -> list[Number]:
        """By output channel, input channel, tap."""
        if not kept:
            return []
        products: list[Number] = []
        factors = iter(self.factors[number])
        for outputs, inputs in self.groups:
            if self.is_scatter:
                values = [self.x[ic][focus] for ic in inputs for _ in kept]
            else:
                values = [self.spread[ic][at] for ic in inputs for at in window]
            if self.skips_zeros:
                # It multiplies no zeros: an infinite weight does not make them NaN in its gather.
                is_read = [self.places.sources[at] >= 0 for at in window] * len(inputs)
                for _ in outputs:
                    rows = zip(values, next(factors), is_read, strict=True)
                    products += [value * factor if read else value for value, factor, read in rows]
            else:
                for _ in outputs:
                    products += map(mul, values, next(factors))
        return products

    def _gather(self, focus: int, _window: Index, _pattern: Pattern, products: list[Number]) -> tuple[list[Number], list[Written]]:
        """One output on every channel, from its own products."""
        sums: list[Number] = []
        writes: list[Written] = []
        each = len(products) // len(self.y)
        for channel, cells in enumerate(self.y):
            own = products[channel * each : (channel + 1) * each]
            sums += running_sums(own)
            total = sum_of(own if self.bias is None else [*own, self.bias[channel]])
            cells[focus] = total
            writes.append((channel, focus, None, total))
        return sums, writes

    def _stamp(self, _focus: int, window: Index, pattern: Pattern, products: list[Number]) -> tuple[list[Number], list[Written]]:
        """One input times the kernel, added to what the outputs hold."""
        sums: list[Number] = []
        before: dict[tuple[int, int], Number] = {}
        sources = self.places.sources
        for channel, tap, product in zip(pattern.oc, pattern.tap, products, strict=True):
            cell = sources[window[tap]]
            held = self.y[channel][cell]
            before.setdefault((channel, cell), held)
            parts = self.parts.setdefault((channel, cell), [] if self.bias is None else [self.bias[channel]])
            parts.append(product)
            # From the start each time: so the sum is correctly rounded, as that of a gather is.
            self.y[channel][cell] = held + product if type(held) is type(product) is int else sum_of(parts)
            sums.append(self.y[channel][cell])
        return sums, [(channel, cell, held, self.y[channel][cell]) for (channel, cell), held in before.items()]


def running_sums(values: Sequence[Number]) -> list[Number]:
    """The sum after each value: of integers exact, of floats correctly rounded each time.

    >>> running_sums([1, 2, 3]), running_sums([0.1] * 3)
    ([1, 3, 6], [0.1, 0.2, 0.30000000000000004])
    """
    kinds = set(map(type, values))
    if kinds == {int}:
        return list(itertools.accumulate(values))
    if kinds == {float} and all(map(math.isfinite, values)):  # type: ignore[arg-type]
        try:
            return [math.fsum(values[:count]) for count in range(1, len(values) + 1)]  # type: ignore[arg-type]
        except OverflowError:  # past the largest float on the way
            pass
    return [sum_of(values[:count]) for count in range(1, len(values) + 1)]
