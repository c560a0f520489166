"""Steps taken apart, so that products with zeros of the padding are left out (decision 14): by taps, or by blocks at the borders.

All sizes come from `geometry`. Standard library only.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

from faltung.engine.lowered import Step, Strip
from faltung.engine.problem import Problem
from faltung.geometry import Axis

__all__ = ["by_borders", "by_taps"]

# With fewer channels a tap alone has too little to do, and with less padding there is too little to skip.
MIN_CHANNELS = 32
MOST_INSIDE = 0.75
MOST_TAPS = 64


def by_taps(strip: Strip) -> Strip:
    """The strip with those steps taken apart that spend their time on zeros."""
    steps = tuple(itertools.chain.from_iterable(map(_taps_of, strip.steps)))
    return replace(strip, steps=steps)


def _taps_of(step: Step) -> tuple[Step, ...]:
    """A step as one for each of its taps, those first that meet the input everywhere."""
    problem = step.problem
    taps, windows = math.prod(problem.kernel_size), math.prod(problem.out_size)
    if (
        problem.mode not in ("zeros", "absent")
        or min(problem.in_channels, problem.out_channels) < MIN_CHANNELS
        or not 1 < taps <= MOST_TAPS
    ):
        return (step,)
    axes = [Axis(index, along.kernel, along.stride, along.dilation) for index, along in enumerate(problem.axes)]
    inside = [
        [axis.outputs_inside(tap, along.out, along.size, along.before) for tap in range(axis.kernel)]
        for axis, along in zip(axes, problem.axes, strict=True)
    ]
    met = math.prod(sum(map(len, outputs)) for outputs in inside)
    if met > MOST_INSIDE * taps * windows:
        return (step,)
    places = [place for place in itertools.product(*map(range, problem.kernel_size)) if all(map(len, _at(inside, place)))]
    # A stable sort: those that meet the input everywhere write, the others add to what is there.
    places.sort(key=lambda place: not _is_everywhere(_at(inside, place), problem))
    writers = sum(_is_everywhere(_at(inside, place), problem) for place in places[:1])
    return tuple(_tap_step(step, axes, place, _at(inside, place), accumulates=number >= writers) for number, place in enumerate(places))


def _at(inside: list[list[range]], place: tuple[int, ...]) -> tuple[range, ...]:
    return tuple(along[tap] for along, tap in zip(inside, place, strict=True))


def _is_everywhere(outputs: tuple[range, ...], problem: Problem) -> bool:
    return all(len(along) == windows for along, windows in zip(outputs, problem.out_size, strict=True))


def _tap_step(step: Step, axes: list[Axis], place: tuple[int, ...], outputs: tuple[range, ...], *, accumulates: bool) -> Step:
    """One tap, where it meets the input."""
    problem = step.problem
    ones = (1,) * len(axes)
    before = tuple(
        front - tap * axis.dilation - along.start * axis.stride
        for front, tap, axis, along in zip(problem.before, place, axes, outputs, strict=True)
    )
    is_apart = problem.is_apart or not _is_everywhere(outputs, problem)
    alone = replace(problem, out_size=tuple(map(len, outputs)), kernel_size=ones, dilation=ones, before=before, is_apart=is_apart)
    taps = tuple(_one_of(taken, tap) for taken, tap in zip(step.taps, place, strict=True))
    writes = tuple(_part(written, along) for written, along in zip(step.writes, outputs, strict=True))
    return Step(alone, taps, writes, accumulates)


# With less padding, or less to do, setting out anew takes what was saved.
MOST_INSIDE_BORDERS = 0.92
LEAST_MACS = 2**18
MOST_BORDER_TAPS = 1024
"""Along each axis: at each of them a block may begin or end."""

LAST_AXES = 2
"""Along these an output of the border is no block of memory, and kernels have their own ways with them."""


def by_borders(strip: Strip) -> Strip:
    """The strip with a step for each block of outputs whose windows lie over the same borders, along the axes before the last two."""
    if len(strip.steps) != 1 or not strip.steps[0].is_everything:
        return strip
    problem = strip.steps[0].problem
    if problem.mode not in ("zeros", "absent") or problem.phases or 0 in problem.out_size or problem.macs < LEAST_MACS:
        return strip
    far = len(problem.out_size) - LAST_AXES
    if any(taps > MOST_BORDER_TAPS for taps in problem.kernel_size[: max(far, 0)]):
        return strip
    blocks = [_border_blocks(problem, index) if index < far else [_whole_block(problem, index)] for index in range(len(problem.out_size))]
    inside = math.prod(sum(len(outputs) * len(taps) for outputs, taps in along) for along in blocks)
    if inside > MOST_INSIDE_BORDERS * math.prod(problem.out_size) * math.prod(problem.kernel_size):
        return strip
    if any(not taps for along in blocks for _, taps in along):
        return strip
    return replace(strip, steps=tuple(_block_step(problem, block) for block in itertools.product(*blocks)))


Block = tuple[range, range]
"""Outputs along an axis, and the taps that meet the input there."""


def _whole_block(problem: Problem, index: int) -> Block:
    return range(problem.out_size[index]), range(problem.kernel_size[index])


def _border_blocks(problem: Problem, index: int) -> list[Block]:
    """The outputs along an axis, cut wherever a tap begins or ends to meet the input."""
    along = problem.axes[index]
    axis = Axis(index, along.kernel, along.stride, along.dilation)
    inside = [axis.outputs_inside(tap, along.out, along.size, along.before) for tap in range(along.kernel)]
    cuts = sorted({0, along.out}.union(*((outputs.start, outputs.stop) for outputs in inside if outputs)))
    return [
        (range(first, end), _run([tap for tap, outputs in enumerate(inside) if first in outputs]))
        for first, end in itertools.pairwise(cuts)
    ]


def _run(taps: list[int]) -> range:
    """Neighbours all: a window that leaves the input does not come back."""
    return range(taps[0], taps[-1] + 1) if taps else range(0)


def _block_step(problem: Problem, block: tuple[Block, ...]) -> Step:
    """Some outputs by the taps that meet the input there."""
    before = tuple(
        along.before - taps.start * along.dilation - outputs.start * along.stride
        for along, (outputs, taps) in zip(problem.axes, block, strict=True)
    )
    part = replace(
        problem,
        out_size=tuple(len(outputs) for outputs, _ in block),
        kernel_size=tuple(len(taps) for _, taps in block),
        before=before,
    )
    return Step(part, tuple(_part(slice(None), taps) for _, taps in block), tuple(_part(slice(None), outputs) for outputs, _ in block))


def _one_of(taken: slice, number: int) -> slice:
    """The slice of the one entry that comes as number `number` in the entries of `taken`."""
    entry = (taken.start or 0) + number * (taken.step or 1)
    return slice(entry, entry + 1)


def _part(written: slice, along: range) -> slice:
    """The entries of a rising slice whose numbers are `along`."""
    start, step = written.start or 0, written.step or 1
    return slice(start + along.start * step, start + (along.stop - 1) * step + 1, step)
