"""What the positions of an axis see of an axis before them, through any chain of layers: spans that repeat.

Owns the composition of layers along one axis, and where branches meet, exactly and for axes without ends: padding is a position like any
other. Taps and phases come from `geometry`. Standard library only.

Of every layer the positions repeat: position ``o + period`` sees what position ``o`` sees, ``advance`` cells farther. A correlation of
stride s has period 1 and advance s, its transposed twin period s and advance 1, and whatever is made of such layers repeats as well, so
that one period says all of it (the recurrences of Araujo, Norris & Sim, "Computing Receptive Fields of Convolutional Neural Networks",
Distill, 2019, which also hold where phases of a stride see different cells).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from faltung.errors import ConvShapeError
from faltung.geometry import Axis

__all__ = ["MOST_PERIOD", "Reach", "Span", "hull", "of_axis", "of_resize", "of_shift", "of_step"]

Span = tuple[int, int]
"""First and last cell."""

MOST_PERIOD = 2**12
"""Longer periods are refused; networks have strides of 2, 4, … 64."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Between which cells of an axis each position of another one can look.

    Attributes
    ----------
    period, advance : int
        Position ``o + period`` sees what ``o`` sees, `advance` cells farther.
    spans : tuple of (int, int) or None
        First and last cell seen by positions 0 … ``period - 1``; None where no tap arrives.
    dilation : int
        Every how many cells there is a tap, of a single layer; 1 of a chain.

    Examples
    --------
    >>> stem = of_axis(Axis(0, kernel=7, stride=2, padding=(3, 3)), 224)
    >>> pool = of_axis(Axis(0, kernel=3, stride=2, padding=(1, 1)), 112)
    >>> both = pool.over(stem)
    >>> both.size, both.stride, both.offset
    (11, Fraction(4, 1), -5)
    """

    period: int
    advance: int
    spans: tuple[Span | None, ...]
    dilation: int = field(default=1, compare=False, repr=False)

    @staticmethod
    def itself() -> Reach:
        """Each position sees its own cell."""
        return Reach(1, 1, ((0, 0),))

    def at(self, position: int) -> Span | None:
        """First and last cell that a position sees, which may both lie outside the axis.

        >>> Reach(2, 1, ((0, 0), (0, 1))).at(5)
        (2, 3)
        """
        turns, place = divmod(position, self.period)
        span = self.spans[place]
        return None if span is None else (span[0] + turns * self.advance, span[1] + turns * self.advance)

    # -- what it amounts to ------------------------------------------------------------------------

    @property
    def stride(self) -> Fraction:
        """Cells from one position to the next, on average."""
        return Fraction(self.advance, self.period)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Cells from first to last, of each position of a period; 0 where it sees none."""
        return tuple(0 if span is None else span[1] - span[0] + 1 for span in self.spans)

    @property
    def size(self) -> int:
        """Cells from first to last, of the position that sees most."""
        return max(self.sizes)

    @property
    def offset(self) -> int:
        """The first cell that position 0 sees, negative in the padding; where it sees none, the first of the next that does."""
        return next((span[0] for span in self.spans if span is not None), 0)

    @property
    def centres(self) -> tuple[Fraction, ...]:
        """The middle of what each position of a period sees, from where an even grid of its stride would have it.

        >>> of_axis(Axis(0, kernel=3, padding=(1, 1)), 9).centres
        (Fraction(0, 1),)
        """
        return tuple(Fraction(span[0] + span[1], 2) - place * self.stride for place, span in enumerate(self.spans) if span is not None)

    @property
    def centre(self) -> Fraction:
        """Where the middle of position 0 lies, on average over a period: 0 if positions lie over the cells that they stand for."""
        return sum(self.centres, Fraction(0)) / len(self.centres) if self.centres else Fraction(0)

    # -- chains and branches -----------------------------------------------------------------------

    def over(self, before: Reach) -> Reach:
        """The layer behind `before`: what its positions see of what `before` sees.

        Of the cells between the first and the last that this layer sees, each `dilation`-th counts.

        >>> double, half = of_axis(Axis(0, 2, 2, transposed=True), 4), of_axis(Axis(0, 2, 2), 8)
        >>> half.over(double).sizes, double.over(half).sizes
        ((1,), (2, 2))
        """
        turns = before.period // math.gcd(before.period, self.advance)
        period, rises = _checked(self.period * turns), before._rises
        spans = tuple(_seen(self.at(position), self.dilation, before, rises) for position in range(period))
        return Reach(period, self.advance * turns // before.period * before.advance, spans)._shortest()

    def beside(self, other: Reach) -> Reach:
        """Where two branches meet, position by position: from the first cell that either sees to the last.

        Raises
        ------
        ConvShapeError
            Their strides differ, so that they drift apart.
        """
        if self.stride != other.stride:
            raise ConvShapeError(
                f"branches of stride {self.stride} and {other.stride} meet: their positions drift apart.",
                "Give both branches the same total stride.",
            )
        period = _checked(math.lcm(self.period, other.period))
        spans = tuple(hull([self.at(place), other.at(place)]) for place in range(period))
        return Reach(period, self.advance * (period // self.period), spans)._shortest()

    @property
    def _rises(self) -> bool:
        """Whether no position sees cells in front of those that the one before it sees."""
        pairs = itertools.pairwise(self.at(place) for place in range(self.period + 1))
        return all(one is not None and two is not None and one[0] <= two[0] and one[1] <= two[1] for one, two in pairs)

    def _shortest(self) -> Reach:
        """The same with the shortest period."""
        for period in _divisors(self.period):
            turns = self.period // period
            if self.advance % turns:
                continue
            short = Reach(period, self.advance // turns, self.spans[:period], self.dilation)
            if all(short.at(place) == span for place, span in enumerate(self.spans)):
                return short
        return self


# -- layers ----------------------------------------------------------------------------------------


def of_axis(axis: Axis, input_size: int) -> Reach:
    """A convolution or a pooling window along one axis; `input_size` settles padding that is given as a rule.

    >>> of_axis(Axis(0, kernel=4, stride=2, padding=(1, 1), transposed=True), 8)
    Reach(period=2, advance=1, spans=((-1, 0), (0, 1)))
    """
    before, _ = axis.sides(input_size)
    if not axis.transposed:
        return Reach(1, axis.stride, ((-before, axis.extent - 1 - before),), axis.dilation)
    # Enough outputs that every phase has one, whatever the axis' own number of them.
    spans: list[Span | None] = [None] * _checked(axis.stride)
    for phase in axis.phases(axis.stride, before):
        spans[phase.first] = (-phase.before, (phase.taps - 1) * phase.dilation - phase.before)
    return Reach(axis.stride, 1, tuple(spans), axis.dilation // math.gcd(axis.stride, axis.dilation))._shortest()


def of_shift(before: int) -> Reach:
    """Padding of so many cells in front of an axis, or cropping where negative.

    >>> of_shift(2).at(0)
    (-2, -2)
    """
    return Reach(1, 1, ((-before, -before),))


def of_step(start: int, step: int) -> Reach:
    """Every `step`-th cell from `start` on.

    >>> of_step(1, 2).at(3)
    (7, 7)
    """
    return Reach(1, step, ((start, start),))


def of_resize(input_size: int, output_size: int, how: str, *, places: str = "", rounding: str = "floor") -> Reach:
    """Interpolation from one size to another, by the cells whose weights are not zero.

    Parameters
    ----------
    input_size, output_size : int
        At least 1.
    how : {"nearest", "linear", "cubic", "area"}
        An area is averaged from the cell in which its share of the axis begins to the one in which it ends.
    places : str
        Where in the input an output lies, by ONNX's names: ``"half_pixel"`` (the outer edges of input and output lie over one another),
        ``"pytorch_half_pixel"``, ``"half_pixel_symmetric"``, ``"tf_half_pixel_for_nn"``, ``"align_corners"`` (the first and the last cells
        do) or ``"asymmetric"`` (the first edges do). By default PyTorch's: asymmetric for the nearest cell, else half-pixel.
    rounding : {"floor", "ceil", "round_prefer_floor", "round_prefer_ceil"}
        To the nearest cell.

    Raises
    ------
    ConvShapeError
        `places` is another.

    >>> of_resize(4, 8, "nearest")
    Reach(period=2, advance=1, spans=((0, 0), (0, 0)))
    >>> of_resize(4, 8, "linear").spans, of_resize(9, 3, "linear").spans
    (((-1, 0), (0, 1)), ((1, 1),))
    """
    places = places or ("asymmetric" if how == "nearest" else "half_pixel")
    wide, narrow, half = input_size, output_size, (Fraction(1, 2), Fraction(-1, 2))
    if how == "area" or places == "asymmetric" or (places == "pytorch_half_pixel" and output_size == 1):
        half = (Fraction(0), Fraction(0))
    elif places == "align_corners":
        if output_size == 1:
            return Reach(1, input_size, ((0, 0),))
        wide, narrow, half = input_size - 1, output_size - 1, (Fraction(0), Fraction(0))
    elif places == "tf_half_pixel_for_nn":
        half = (Fraction(1, 2), Fraction(0))
    elif places not in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
        raise ConvShapeError(f"places={places!r} is not followed.", "Resize by half_pixel, align_corners or asymmetric.")
    shared = math.gcd(wide, narrow)
    period, advance, scale = _checked(narrow // shared), wide // shared, Fraction(wide, narrow)
    spans = []
    for place in range(period):
        begin = (place + half[0]) * scale + half[1]
        spans.append((math.floor(begin), math.ceil(begin + scale) - 1) if how == "area" else _interpolated(begin, how, rounding))
    return Reach(period, advance, tuple(spans))._shortest()


def _interpolated(source: Fraction, how: str, rounding: str) -> Span:
    cell = math.floor(source)
    if source == cell:
        return cell, cell
    if how == "nearest":
        half = Fraction(1, 2)
        nearest = {"ceil": cell + 1, "round_prefer_floor": math.ceil(source - half), "round_prefer_ceil": math.floor(source + half)}
        cell = nearest.get(rounding, cell)
        return cell, cell
    return (cell, cell + 1) if how == "linear" else (cell - 1, cell + 2)


# -- spans -----------------------------------------------------------------------------------------


def hull(spans: Iterable[Span | None]) -> Span | None:
    """From the first cell of any span to the last of any; None where there is none.

    >>> hull([(0, 2), None, (-1, 1)])
    (-1, 2)
    """
    present = [span for span in spans if span is not None]
    return (min(first for first, _ in present), max(last for _, last in present)) if present else None


def _seen(span: Span | None, step: int, before: Reach, rises: bool) -> Span | None:
    if span is None:
        return None
    cells = range(span[0], span[1] + 1, step)
    if rises:
        return hull([before.at(cells[0]), before.at(cells[-1])])
    # What a whole period farther sees lies farther, so the first and the last period hold the ends.
    turn = before.period // math.gcd(before.period, step)
    ends: Iterable[int] = cells if len(cells) <= 2 * turn else itertools.chain(cells[:turn], cells[-turn:])
    return hull(before.at(cell) for cell in ends)


def _divisors(number: int) -> list[int]:
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]


def _checked(period: int) -> int:
    if period > MOST_PERIOD:
        raise ConvShapeError(f"what positions see repeats only after {period} of them, more than {MOST_PERIOD}.", "Use smaller strides.")
    return period
