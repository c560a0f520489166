"""From a spec and sizes to correlations on strided views: phases instead of inserted zeros.

A spec is run in one of two directions. *Gather*: each small-side position sums what its window covers on
the large side (a correlation; also the input's gradient of a transposed spec). *Scatter*: each small-side
position stamps the kernel onto the large side (a transposed convolution; also the input's gradient of a
correlation). A gather is one problem. A scatter is one problem for every phase of the stride, each written
through a strided view, or one for all of them; where the padding mode wraps, what is stamped outside is computed apart, as strips,
and folded back. All sizes come from `geometry`.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from faltung.borders import Image, images
from faltung.engine.problem import Problem
from faltung.errors import ConvPlanError, ConvShapeError
from faltung.geometry import Axis, Phase
from faltung.spec import ConvSpec

__all__ = ["Lowered", "Skipping", "Step", "Strip", "is_gather", "lower"]

MAX_STEPS = 4096
MAX_NDIM = 61

Skipping = Literal["taps", "borders"]
"""How zeros of the padding are left out: tap by tap, or with fewer taps where the window lies over the border."""


@dataclass(frozen=True)
class Step:
    """One problem, the taps of the kernel that it uses, and where in the strip it writes, or adds where it `accumulates`."""

    problem: Problem
    taps: tuple[slice, ...]
    writes: tuple[slice, ...]
    accumulates: bool = False

    @functools.cached_property
    def is_everything(self) -> bool:
        """Whether it uses every tap and writes every cell."""
        return all(taken == slice(None) for taken in (*self.taps, *self.writes))


@dataclass(frozen=True)
class Strip:
    """A block of the output's continued grid: the output itself, or a part outside that folds back onto it.

    Of a scatter it knows the `phases` of each axis that its steps combine.
    """

    images: tuple[Image, ...]
    steps: tuple[Step, ...]
    phases: tuple[tuple[Phase, ...], ...] = ()

    @property
    def size(self) -> tuple[int, ...]:
        """Its extents."""
        return tuple(image.length for image in self.images)

    @functools.cached_property
    def is_covered(self) -> bool:
        """Whether the steps write every cell; the others receive nothing, or what is added to them."""
        return sum(math.prod(step.problem.out_size) for step in self.steps if not step.accumulates) == math.prod(self.size)


@dataclass(frozen=True)
class Lowered:
    """A convolution in one direction for one input size, as problems for the kernels.

    `skipping` tells how zeros of the padding take no part in some of them; None: all do.
    """

    in_size: tuple[int, ...]
    out_size: tuple[int, ...]
    main: Strip
    folded: tuple[Strip, ...]
    skipping: Skipping | None = None

    @property
    def skips_padding(self) -> bool:
        """Whether zeros of the padding take no part in some of the problems."""
        return self.skipping is not None

    @functools.cached_property
    def problems(self) -> tuple[Problem, ...]:
        """Every problem to solve, the largest first."""
        steps = itertools.chain(self.main.steps, *(strip.steps for strip in self.folded))
        return tuple(sorted((step.problem for step in steps), key=lambda problem: -problem.macs))

    @functools.cached_property
    def leaves_cells_out(self) -> bool:
        """Whether cells outside take no part at all, rather than as zeros."""
        return any(problem.mode == "absent" for problem in self.problems)

    @property
    def terms(self) -> int:
        """At most so many products, each rounded once, are summed for one output."""
        writing = [step.problem.terms for step in self.main.steps if not step.accumulates]
        adding = [step.problem.terms for step in self.main.steps if step.accumulates]
        main = max(writing, default=0) + sum(adding)
        folded = sum(_strip_terms(strip) for strip in self.folded)
        return main + folded


def _strip_terms(strip: Strip) -> int:
    """Products that a strip adds to one output; a run that repeats a single cell adds all of its cells."""
    most = max((step.problem.terms for step in strip.steps), default=0)
    for image in strip.images:
        most *= image.length if image.step == 0 else 1
    return most


def is_gather(spec: ConvSpec, *, backward: bool) -> bool:
    """Whether running `spec` forward (or its input gradient, `backward`) gathers from the large side."""
    return spec.transposed == backward


@functools.lru_cache(maxsize=512)
def lower(
    spec: ConvSpec, input_size: tuple[int, ...], *, backward: bool, skipping: Skipping | None = None, bundles_phases: bool = False
) -> Lowered:
    """`spec` for an input of `input_size`, or its input gradient.

    Where it `bundles_phases`, those of a scatter are one problem as far as that is possible.

    By `skipping`, a kernel that lies in the padding for much of its time is taken apart: into its taps, each of which is computed
    only where it meets the input; or along the axes before the last two, where the outputs at the borders have fewer taps.

    Raises
    ------
    ConvShapeError
        No output, or a wrapping mode on an empty axis.
    ConvPlanError
        Too many axes, phases or strips.
    """
    if spec.ndim > MAX_NDIM:
        raise ConvPlanError(
            f"a convolution of {spec.ndim} axes is more than the {MAX_NDIM} that can be computed.",
            "NumPy arrays have at most 64 axes; batch, groups and channels take 3.",
        )
    output_size = spec.output_size(input_size)
    small, large = (input_size, output_size) if spec.transposed else (output_size, input_size)
    before = tuple(side for side, _ in spec.sides(input_size))
    _check_wrapping(spec, large, small)
    first, second = spec.weight_shape[0] // spec.groups, spec.weight_shape[1]
    if is_gather(spec, backward=backward):
        # Outputs that a transposed convolution crops send no gradient back.
        mode = "absent" if backward and spec.padding_mode == "zeros" else spec.padding_mode
        problem = Problem(spec.groups, second, first, large, small, spec.kernel_size, spec.stride, spec.dilation, before, mode)
        everything = tuple(slice(None) for _ in small)
        main = Strip(_identity(small), (Step(problem, everything, everything),))
        whole = Lowered(large, small, main, ())
    else:
        main, *folded = _strips(spec, small, large, before, first, second)
        if bundles_phases:
            main, *folded = (_bundled(spec, small, strip) for strip in (main, *folded))
        whole = Lowered(small, large, main, tuple(folded))
    if skipping is None or whole.folded:
        return whole
    taken_apart = _by_taps(main) if skipping == "taps" else _by_borders(main)
    return whole if taken_apart == main else replace(whole, main=taken_apart, skipping=skipping)


# With fewer channels a tap alone has too little to do, and with less padding there is too little to skip.
MIN_CHANNELS = 32
MOST_INSIDE = 0.75
MOST_TAPS = 64


def _by_taps(strip: Strip) -> Strip:
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


# With less padding, setting out anew takes what was saved.
MOST_INSIDE_BORDERS = 0.92
LAST_AXES = 2
"""Along these an output of the border is no block of memory, and kernels have their own ways with them."""


def _by_borders(strip: Strip) -> Strip:
    """The strip with a step for each block of outputs whose windows lie over the same borders, along the axes before the last two."""
    if len(strip.steps) != 1 or not strip.steps[0].is_everything:
        return strip
    problem = strip.steps[0].problem
    if problem.mode not in ("zeros", "absent") or problem.phases or 0 in problem.out_size:
        return strip
    far = len(problem.out_size) - LAST_AXES
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


def _check_wrapping(spec: ConvSpec, large: tuple[int, ...], small: tuple[int, ...]) -> None:
    if spec.padding_mode == "zeros":
        return
    for axis, (cells, windows) in enumerate(zip(large, small, strict=True)):
        if cells == 0 and windows > 0:
            raise ConvShapeError(
                f"padding_mode={spec.padding_mode!r} has no cell to repeat along axis {axis} of size 0.", "Use padding_mode='zeros'."
            )


def _identity(size: tuple[int, ...]) -> tuple[Image, ...]:
    return tuple(Image(0, length, 0, 1) for length in size)


def _strips(
    spec: ConvSpec, small: tuple[int, ...], large: tuple[int, ...], before: tuple[int, ...], in_channels: int, out_channels: int
) -> list[Strip]:
    """The large side and, for a wrapping mode, every strip outside it that windows reach."""
    runs = []
    for axis, length, windows, front in zip(spec.axes, large, small, before, strict=True):
        after = axis.reached_after(length, windows, front) if windows else 0
        run = list(itertools.islice(images(length, front if windows else 0, after, spec.padding_mode), MAX_STEPS + 1))
        _check_steps(spec, len(run), f"axis {axis.index} wraps")
        runs.append(run)
    strips: list[Strip] = []
    for combination in itertools.product(*runs):
        phases = [
            list(itertools.islice(axis.phases(image.length, front + image.start), MAX_STEPS + 1))
            for axis, image, front in zip(spec.axes, combination, before, strict=True)
        ]
        _check_steps(spec, math.prod(map(len, phases)) * (len(strips) + 1), "the stride makes")
        steps = tuple(_phase_step(spec, small, p, in_channels, out_channels) for p in itertools.product(*phases))
        strips.append(Strip(combination, steps, tuple(map(tuple, phases)) if steps else ()))
    return strips


MOST_BUNDLED = 1024


def _bundled(spec: ConvSpec, small: tuple[int, ...], strip: Strip) -> Strip:
    """All phases as one problem, where every phase has an output and there are several."""
    if (
        not 1 < math.prod(spec.stride) <= MOST_BUNDLED
        or not strip.phases
        or any(length < step for length, step in zip(strip.size, spec.stride, strict=True))
    ):
        return strip
    phases = tuple(
        tuple(_every_phase(along, length, step)) for along, length, step in zip(strip.phases, strip.size, spec.stride, strict=True)
    )
    one = strip.steps[0].problem
    problem = replace(
        one,
        out_size=strip.size,
        kernel_size=spec.kernel_size,
        stride=spec.stride,
        dilation=spec.dilation,
        before=(0,) * spec.ndim,
        phases=phases,
        is_apart=False,
    )
    everything = tuple(slice(None) for _ in small)
    return replace(strip, steps=(Step(problem, everything, everything),))


def _every_phase(phases: tuple[Phase, ...], length: int, stride: int) -> Iterator[Phase]:
    """In the order of the outputs, those that no tap reaches included."""
    reached = {phase.first: phase for phase in phases}
    for first in range(stride):
        yield reached.get(first) or Phase(first, -(-(length - first) // stride), 0, 1, 0, 1, 0)


def _check_steps(spec: ConvSpec, count: int, what: str) -> None:
    if count > MAX_STEPS:
        raise ConvPlanError(
            f"{spec}: {what} {count} or more separate correlations, more than {MAX_STEPS}.", "Use a smaller stride or padding."
        )


def _phase_step(spec: ConvSpec, small: tuple[int, ...], phases: tuple[Phase, ...], in_channels: int, out_channels: int) -> Step:
    writes = tuple(slice(phase.first, None, axis.stride) for axis, phase in zip(spec.axes, phases, strict=True))
    taps = tuple(phase.kernel_slice for phase in phases)
    ones = (1,) * spec.ndim
    problem = Problem(
        groups=spec.groups,
        in_channels=in_channels,
        out_channels=out_channels,
        in_size=small,
        out_size=tuple(phase.count for phase in phases),
        kernel_size=tuple(phase.taps for phase in phases),
        stride=ones,
        dilation=tuple(phase.dilation for phase in phases),
        before=tuple(phase.before for phase in phases),
        mode="absent",
        is_apart=any(axis.stride > 1 for axis in spec.axes),
    )
    return Step(problem, taps, writes)
