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
from dataclasses import replace

from faltung.borders import Image, images
from faltung.engine.lowered import Lowered, Skipping, Step, Strip
from faltung.engine.problem import Problem
from faltung.engine.skipping import by_borders, by_taps
from faltung.errors import ConvPlanError, ConvShapeError
from faltung.geometry import Phase
from faltung.spec import ConvSpec

__all__ = ["is_gather", "lower"]

MAX_STEPS = 4096
MAX_NDIM = 61


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
    taken_apart = by_taps(main) if skipping == "taps" else by_borders(main)
    return whole if taken_apart == main else replace(whole, main=taken_apart, skipping=skipping)


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
