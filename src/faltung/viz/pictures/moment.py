"""The still of any moment of a scene: as far as it has come, with any cell or weight held.

Owns what is computed by then, and what an item takes part in. Everything is looked up in the scene's columns. Standard library only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

from faltung.errors import ConvSpecError, one_of
from faltung.viz.numbers import Number
from faltung.viz.pictures.timeline import Interval, Move, Shown, Timeline
from faltung.viz.scene.model import Scene, Step, Write, index_at
from faltung.viz.windows import Index

__all__ = ["Item", "Moment", "MomentTimeline"]


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be held.

    Attributes
    ----------
    grid : {"input", "output", "kernel", "bias"}
    channel : int
        Of a grid or of the bias; of a weight 0.
    place : int
        Of a grid counted from its first place, border included; of a weight its flat index; of a bias 0.
    """

    grid: Literal["input", "output", "kernel", "bias"]
    channel: int
    place: int


@dataclass(frozen=True, slots=True)
class Moment:
    """How far a scene has come, and what is held.

    Attributes
    ----------
    stage : int
    frame : int or None
        The last that is computed, counted within the stage: each step has one for each channel of the output, of a scatter of the input.
        None: everything is computed, of every stage.
    made : int or None
        How many products of that frame are made; None: all.
    item : Item or None
        What is held.
    """

    stage: int = 0
    frame: int | None = None
    made: int | None = None
    item: Item | None = None


class _Product(NamedTuple):
    """A product with everything that takes part in it: channels, flat indices, and the place under its tap."""

    step: int
    at: int
    oc: int
    ic: int
    tap: int
    weight: int
    place: int
    source: int


class MomentTimeline(Timeline):
    """One frame: a moment of a scene.

    Raises
    ------
    ConvSpecError
        The scene has no such stage, frame, product or item.

    Examples
    --------
    >>> from faltung.viz.scene import scene
    >>> shown = scene("conv1d(1, 1, 2)", x=[[1, 2, 3]], weight=[[[1, 1]]])
    >>> line = MomentTimeline(shown, Moment(frame=0, item=Item("output", 0, 1)))
    >>> [(one.value, one.is_written) for (one,) in line.contents(0).values()]
    [(3, True), (None, False)]
    >>> [move.focus for move in line.moves(0)]
    [((1,),)]
    """

    def __init__(self, scene: Scene, moment: Moment) -> None:
        super().__init__(scene)
        self.total = 1
        self._moment = moment
        _check("stage", moment.stage, len(scene.stages))
        self._stage = scene.stages[moment.stage]
        self._is_scatter = self._stage.reading == "scatter"
        self._focused = self._stage.input if self._is_scatter else self._stage.output
        if moment.frame is not None:
            _check("frame", moment.frame, len(self._stage.walk.windows) * self._focused.channels)
        if moment.made is not None:
            _check("made", moment.made, len(self._of_frame) + 1)
        if moment.item:
            self._check_item(moment.item)
        self.captions = (self._caption(),)

    def during(self, _stage: int) -> Interval:
        """Always."""
        return 0, 1

    def moves(self, stage: int) -> tuple[Move, ...]:
        """What is held, in its stage."""
        item = self._moment.item
        return (self._move(item),) if item and stage == self._moment.stage else ()

    def contents(self, stage: int) -> dict[tuple[int, Index], tuple[Shown, ...]]:
        """What the outputs of a stage show."""
        made = self.scene.stages[stage]
        size = made.output.size
        found: dict[tuple[int, Index], tuple[Shown, ...]] = {}
        for channel, results in enumerate(made.walk.result):
            for cell, result in enumerate(results):
                start = made.output.values[channel][cell]
                one = Shown((0, 1), result, True)
                if self._moment.frame is not None and stage > self._moment.stage:
                    one = Shown((0, 1), start, False)
                elif self._moment.frame is not None and stage == self._moment.stage:
                    one = self._shown(channel, cell, start, result)
                found[channel, index_at(cell, size)] = (one,)
        return found

    # -- how far it has come ---------------------------------------------------------------------

    @cached_property
    def _products(self) -> list[_Product]:
        """All of the stage, in their order."""
        walk, sources = self._stage.walk, self._stage.under_window.sources
        found = []
        for step, (window, number) in enumerate(zip(walk.windows, walk.pattern, strict=True)):
            pattern = walk.patterns[number]
            for at, (oc, ic, tap, weight) in enumerate(zip(pattern.oc, pattern.ic, pattern.tap, pattern.weight, strict=True)):
                found.append(_Product(step, at, oc, ic, tap, weight, window[tap], sources[window[tap]]))
        return found

    def _frame_of(self, product: _Product) -> int:
        return product.step * self._focused.channels + (product.ic if self._is_scatter else product.oc)

    def _input(self, product: _Product) -> tuple[int, int]:
        return product.ic, product.step if self._is_scatter else product.source

    def _output(self, product: _Product) -> tuple[int, int]:
        return product.oc, product.source if self._is_scatter else product.step

    @cached_property
    def _of_frame(self) -> list[_Product]:
        """The products of the frame."""
        return [product for product in self._products if self._frame_of(product) == self._moment.frame]

    @cached_property
    def _of_output(self) -> dict[tuple[int, int], list[_Product]]:
        found: dict[tuple[int, int], list[_Product]] = {}
        for product in self._products:
            found.setdefault(self._output(product), []).append(product)
        return found

    def _is_made(self, product: _Product) -> bool:
        frame, now = self._frame_of(product), self._moment.frame
        if now is None or frame != now:
            return now is None or frame < now
        return self._moment.made is None or product in self._of_frame[: self._moment.made]

    def _shown(self, channel: int, cell: int, start: Number | None, result: Number) -> Shown:
        """What an output holds by now."""
        products = self._of_output.get((channel, cell), [])
        made = [product for product in products if self._is_made(product)]
        assert self._moment.frame is not None
        is_reached = self._is_scatter or bool(products) or cell * self._focused.channels + channel <= self._moment.frame
        if len(made) == len(products) and is_reached:
            return Shown((0, 1), result, True)
        if made:
            return Shown((0, 1), self._stage.walk.sums[made[-1].step][made[-1].at], True)
        return Shown((0, 1), start, False)

    # -- what is held ----------------------------------------------------------------------------

    def _move(self, item: Item) -> Move:
        taking = self._taking_part(item)
        inputs, outputs = frozenset(product.ic for product in taking), frozenset(product.oc for product in taking)
        cell = self._cell(item)
        if cell is not None and item.grid == self._focused.name:
            # The window of a step, the taps on zeros and on what is cut off as well.
            step = self._stage.steps[cell]
            groups = self._stage.input.groups, self._stage.output.groups
            group = groups[item.grid == "output"][item.channel]
            inputs, outputs = (frozenset(channel for channel, one in enumerate(grid) if one == group) for grid in groups)
            own = frozenset({item.channel})
            inputs, outputs = (own, outputs) if item.grid == "input" else (inputs, own)
            # Of a stamp that is not the last one, later ones lie over what it gave: no sums are told of it.
            is_told = not self._is_scatter or self._moment.frame == cell * self._focused.channels + item.channel
            told = self._step(step, cell, item.channel) if is_told else None
            return Move(0, step.window, (step.focus,), told, inputs, outputs)
        window = {}
        for product in taking:
            tap = self._stage.steps[product.step].window[product.tap]
            window[tap.position] = tap
        focus = tuple(dict.fromkeys(self._stage.steps[product.step].focus for product in taking))
        weight = index_at(item.place, self._stage.kernel.shape) if item.grid == "kernel" else None
        if item.grid == "bias":
            focus = tuple(step.focus for step in self._stage.steps) if not self._is_scatter else ()
            inputs, outputs = frozenset(), frozenset({item.channel})
        elif item.grid != "kernel":
            own = frozenset({item.channel})
            inputs, outputs = (own, outputs) if item.grid == "input" else (inputs, own)
        return Move(0, tuple(window.values()), focus, None, inputs, outputs, weight)

    def _cell(self, item: Item) -> int | None:
        """Which cell of its grid an item is, or stands for; None: none."""
        if item.grid not in ("input", "output"):
            return None
        grid = self._stage.input if item.grid == "input" else self._stage.output
        source = grid.sources[item.place]
        return None if source < 0 else source

    def _taking_part(self, item: Item) -> list[_Product]:
        """The products in which an item takes part."""
        if item.grid == "kernel":
            return [product for product in self._products if product.weight == item.place]
        if item.grid == "bias":
            return []
        grid = self._stage.input if item.grid == "input" else self._stage.output
        cell = self._cell(item)
        if cell is not None and grid.origins[item.place] == grid.name:
            of = self._input if item.grid == "input" else self._output
            return [product for product in self._products if of(product) == (item.channel, cell)]
        # A copy in the border, or a zero, stands for itself.
        if grid is not self._stage.under_window:
            return []
        return [
            product
            for product in self._products
            if product.place == item.place and (product.ic if item.grid == "input" else product.oc) == item.channel
        ]

    def _step(self, step: Step, number: int, channel: int) -> Step | None:
        """What a step does on the channel that is held, as far as it has come; None: nothing yet."""
        walk = self._stage.walk
        frame = number * self._focused.channels + channel
        own = [
            product
            for product in self._products
            if product.step == number and self._frame_of(product) == frame and (self._moment.frame != frame or self._is_made(product))
        ]
        if self._moment.frame == frame and self._moment.made is not None and len(own) < len(self._of_frame):
            return None  # a sum that is not whole is told by its cell
        terms = tuple(step.terms[product.at] for product in own)
        if not self._is_scatter:
            return replace(step, terms=terms, writes=tuple(write for write in step.writes if write.channel == channel))
        writes: dict[tuple[int, Index], Write] = {}
        for product in own:
            where = (product.oc, index_at(product.source, self._stage.output.size))
            after = walk.sums[product.step][product.at]
            before = writes[where].before if where in writes else self._before(product)
            writes[where] = Write(*where, before, after)
        return replace(step, terms=terms, writes=tuple(writes.values()))

    def _before(self, product: _Product) -> Number | None:
        """What an output held when a product came to it."""
        line = self._of_output[self._output(product)]
        at = line.index(product)
        if at:
            return self._stage.walk.sums[line[at - 1].step][line[at - 1].at]
        return self._stage.output.values[product.oc][product.source]

    # -- words and checks ------------------------------------------------------------------------

    def _caption(self) -> str:
        return ". ".join(part for part in (self._progress(), self._held()) if part) + "."

    def _progress(self) -> str:
        now, frames = self._moment.frame, len(self._stage.walk.windows) * self._focused.channels
        many = len(self.scene.stages)
        stage = f"Stage {self._moment.stage + 1} of {many}, {self._stage.name}. " if many > 1 else ""
        return f"{stage}All {frames} steps" if now is None else f"{stage}Step {now + 1} of {frames}"

    def _held(self) -> str:
        item = self._moment.item
        if item is None:
            return ""
        count = len(self._taking_part(item))
        products = f"takes part in {count} product{'' if count == 1 else 's'}"
        if item.grid == "kernel":
            return f"weight{list(index_at(item.place, self._stage.kernel.shape))} {products}"
        if item.grid == "bias":
            return f"bias[{item.channel}] is added to every output of channel {item.channel}"
        cell = self._cell(item)
        if cell is None:
            return f"A place of the border {products}"
        grid = self._stage.input if item.grid == "input" else self._stage.output
        name = f"{item.grid}{[item.channel, *index_at(cell, grid.size)]}"
        return f"{name} is the sum of {count} products" if item.grid == "output" else f"{name} {products}"

    def _check_item(self, item: Item) -> None:
        one_of("grid", item.grid, ("input", "output", "kernel", "bias"), ConvSpecError)
        if item.grid == "kernel":
            _check("place", item.place, math.prod(self._stage.kernel.shape))
        elif item.grid == "bias":
            _check("channel", item.channel, len(self._stage.kernel.bias or ()))
        else:
            grid = self._stage.input if item.grid == "input" else self._stage.output
            _check("channel", item.channel, grid.channels)
            _check("place", item.place, len(grid.sources))


def _check(name: str, value: int, count: int) -> None:
    if not 0 <= value < count:
        raise ConvSpecError(f"{name}={value} is not there: there are {count}.", f"Use 0 to {count - 1}." if count else "Leave it out.")
