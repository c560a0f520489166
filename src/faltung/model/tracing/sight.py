"""What an array's cells see of a model's input: for each axis a reach, and what all cells see at once.

Owns what layers do to that, one primitive each: windows, sums over dimensions, branches that meet. Knows neither nodes nor graphs.
Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from faltung.errors import ConvShapeError
from faltung.model.tracing import layout as lay
from faltung.model.tracing.layout import Layout, Part
from faltung.reach import MOST_PERIOD, Reach, Span, hull

__all__ = ["Seen", "Sight"]


@dataclass(frozen=True, slots=True)
class Sight:
    """What the positions along one input axis see of it.

    Attributes
    ----------
    cells : int
        Size of the input axis.
    reach : Reach or None
        What each position sees; None where no dimension runs along the axis.
    still : (int, int) or None
        First and last cell of what every position sees, as through global pooling; None where there is nothing.
    repeats : (int, int) or None
        By how many positions the result moves with how many cells of the input, were there no ends; None where it does not.
    centre : Fraction
        Over the middle of which cell position 0 stands, on average over a period. What all positions of a window see at once does not
        move them.
    lost : str
        Why it is not known what positions see; empty where it is.
    """

    cells: int
    reach: Reach | None = None
    still: Span | None = None
    repeats: tuple[int, int] | None = None
    centre: Fraction = Fraction(0)
    lost: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether every position sees the axis from end to end."""
        return self.still is not None and self.still[0] <= 0 and self.still[1] >= self.cells - 1

    def at(self, position: int) -> Span | None:
        """First and last cell that a position sees, past the ends too; None where it sees none, or where that is not known."""
        if self.lost:
            return None
        return hull([self.still, self.reach.at(position) if self.reach else None])

    def through(self, layer: Reach, repeats: tuple[int, int], centre: Fraction | None = None) -> Sight:
        """Behind a layer whose positions see what `layer` says, and stand over the middle of that unless `centre` is given."""
        if self.reach is None:
            return self
        centre = self.centre + self.reach.stride * (layer.centre if centre is None else centre)
        moves = None
        if self.repeats is not None:
            times = self.repeats[0] // math.gcd(self.repeats[0], repeats[1])
            moves = (times * repeats[0], times * repeats[1] // self.repeats[0] * self.repeats[1])
        return replace(self, reach=layer.over(self.reach), repeats=moves, centre=centre)

    def beside(self, other: Sight) -> Sight:
        """Where two branches meet, position by position. They stand where the first one stands."""
        reaches = [reach for reach in (self.reach, other.reach) if reach]
        moves: tuple[int, int] | None = None
        if self.reach is None or other.reach is None:
            moves = (self if self.reach else other).repeats
        elif self.repeats and other.repeats:
            cells = math.lcm(self.repeats[1], other.repeats[1])
            moves = (self.repeats[0] * (cells // self.repeats[1]), cells)
        both, why = hull([self.still, other.still]), self.lost or other.lost
        if why:
            return Sight(self.cells, None, both, lost=why)._settled()
        reach = reaches[0].beside(reaches[1]) if len(reaches) == 2 else reaches[0] if reaches else None
        return Sight(self.cells, reach, both, moves, self.centre if self.reach else other.centre)

    def unknown(self, why: str) -> Sight:
        """The same where it is no longer known which positions see what."""
        is_empty = self.reach is None and self.still is None and not self.lost
        return self if is_empty else replace(self, reach=None, repeats=None, lost=self.lost or why)._settled()

    def _settled(self) -> Sight:
        return replace(self, reach=None, repeats=None, lost="") if self.lost and self.is_whole else self


@dataclass(frozen=True, slots=True)
class Seen:
    """What the cells of one array see.

    Attributes
    ----------
    layout : tuple of tuple of Part
        For each dimension, along which axes it runs.
    sights : tuple of Sight
        For each input axis.
    """

    layout: Layout
    sights: tuple[Sight, ...]

    def with_dim(self, dim: int, parts: Sequence[Part]) -> Seen:
        """Another dimension in the place of one; none of `parts` takes it away."""
        dim %= len(self.layout)
        return replace(self, layout=(*self.layout[:dim], *([tuple(parts)] if parts else []), *self.layout[dim + 1 :]))

    def lose(self, axes: Iterable[int], why: str) -> Seen:
        """Positions along these axes are no longer known."""
        gone = frozenset(axes)
        sights = tuple(sight.unknown(why) if axis in gone else sight for axis, sight in enumerate(self.sights))
        return Seen(lay.blurred(self.layout, gone), sights)

    def lose_all(self, shape: Sequence[int] | None, why: str) -> Seen:
        """Nothing is known any more but what every cell sees."""
        return Seen(lay.of_shape(shape or ()), tuple(sight.unknown(why) for sight in self.sights))

    def window(self, dim: int, layer: Reach, repeats: tuple[int, int], size: int, why: str) -> Seen:
        """A layer along one dimension whose result has `size` positions there."""
        parts = self.layout[dim]
        axes = lay.carried([parts])
        if not axes:
            return self.with_dim(dim, [Part(size)])
        if lay.is_aligned(parts, self.layout):
            (axis,) = axes
            try:
                seen = self._with_sight(axis, self.sights[axis].through(layer, repeats))
            except ConvShapeError as error:
                return self.with_dim(dim, [Part(size, (axis,))]).lose(axes, f"{why}: {error.problem}")
            return seen.with_dim(dim, [Part(size, (axis,))])
        if layer == Reach.itself() and size == math.prod(part.size for part in parts):
            return self
        return self.with_dim(dim, [Part(size, tuple(sorted(axes)), is_known=False)]).lose(axes, why)

    def mixed(self, dims: Iterable[int], why: str) -> Seen:
        """Each cell sees what all cells along these dimensions see."""
        places = {dim % len(self.layout) for dim in dims}
        inside = [self.layout[dim] for dim in sorted(places)]
        seen = self
        for axis in sorted(lay.carried(inside)):
            sight, parts = seen.sights[axis], lay.parts_of(axis, seen.layout)
            here = lay.parts_of(axis, inside)
            if sight.lost:
                if len(here) == len(parts):  # all of them meet, in whatever order they lie
                    sight = replace(sight, still=(0, sight.cells - 1))._settled()
            elif sight.reach is not None:
                if len(here) == len(parts):
                    positions = math.prod(part.size for part in here)
                    everything = Reach(1, positions, ((0, positions - 1),)).over(sight.reach).spans[0]
                    sight = replace(sight, still=hull([sight.still, everything]))
                else:
                    try:
                        for part in here:
                            sight = sight.through(*_block(part))
                    except ConvShapeError as error:
                        seen = seen.lose([axis], f"{why}: {error.problem}")
                        continue
            seen = seen._with_sight(axis, sight)
        return seen

    def taken(self, dim: int, index: int | None = None) -> Seen:
        """The cells at one index of a dimension, which stays with size 1; without one, what stands for all, behind `mixed`."""
        seen = self
        for part in reversed(self.layout[dim]):
            digit = None
            if index is not None:
                index, digit = divmod(index, part.size) if part.size else (index, 0)
            if part.axis is not None:
                seen = seen._at_digit(part.axis, part, digit)
        return seen.with_dim(dim, [Part(1)])

    def _at_digit(self, axis: int, part: Part, chosen: int | None) -> Seen:
        digit = chosen or 0
        sight = self.sights[axis]
        layout = tuple(tuple(self._without(other, axis, part) for other in dim) for dim in self.layout)
        if len(lay.parts_of(axis, self.layout)) == 1:
            if sight.reach is not None:
                sight = replace(sight, reach=None, repeats=None, still=hull([sight.still, sight.reach.at(digit * part.step)]))
        else:
            step, stride = part.step, part.step * part.size
            layer = Reach(step, stride, tuple((place + digit * step,) * 2 for place in range(step)))
            centre = layer.centre if chosen is not None else layer.centre + Fraction((part.size - 1) * step, 2)
            sight = sight.through(layer, (step, stride), centre)
        return Seen(layout, self.sights)._with_sight(axis, sight)

    @staticmethod
    def _without(other: Part, axis: int, part: Part) -> Part:
        if other.axis != axis:
            return other
        if other.step == part.step:
            return Part(other.size)
        return replace(other, step=other.step // part.size) if other.step > part.step else other

    def _with_sight(self, axis: int, sight: Sight) -> Seen:
        return replace(self, sights=(*self.sights[:axis], sight, *self.sights[axis + 1 :]))

    def reshaped(self, shape: Sequence[int], why: str) -> Seen:
        """The same cells in another shape."""
        layout, gone = lay.reshaped(self.layout, shape)
        seen = self
        for axis in lay.carried(self.layout) - lay.carried(layout):  # of size 1
            sight = self.sights[axis]
            if sight.reach is not None:
                seen = seen._with_sight(axis, replace(sight, reach=None, repeats=None, still=hull([sight.still, sight.reach.at(0)])))
        seen = replace(seen, layout=layout).lose(gone, why)
        for dim in range(len(layout)):
            seen = seen._interleaved(dim)
        return seen

    def _interleaved(self, dim: int) -> Seen:
        """Channels that a dimension runs through at each position are positions of their own, as behind a pixel shuffle."""
        parts = self.layout[dim]
        if len(parts) != 2 or parts[1].axes or not lay.is_aligned(parts[:1], self.layout):
            return self
        (axis,), many = parts[0].axes, parts[1].size
        sight = self.sights[axis]
        if sight.reach is None or sight.reach.period * many > MOST_PERIOD:
            return self
        seen = self._with_sight(axis, sight.through(Reach(many, 1, ((0, 0),) * many), (many, 1)))
        return seen.with_dim(dim, [Part(parts[0].size * many, (axis,))])


def _block(part: Part) -> tuple[Reach, tuple[int, int]]:
    """Each position sees those that differ from it in one digit alone."""
    step, positions = part.step, part.step * part.size
    first = [place % step for place in range(positions)]
    return Reach(positions, positions, tuple((cell, cell + positions - step) for cell in first), step), (positions, positions)
