"""`Lowered`: a convolution as problems for the kernels, and where each of them reads its taps and writes.

Standard library only.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass, replace
from typing import Literal

from faltung.borders import Image
from faltung.engine.problem import Problem
from faltung.geometry import Phase

__all__ = ["Lowered", "Skipping", "Step", "Strip"]

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

    def in_order(self) -> Lowered:
        """The same with taps summed in the order of the axes."""

        def ordered(strip: Strip) -> Strip:
            return replace(strip, steps=tuple(replace(step, problem=replace(step.problem, keeps_axes=True)) for step in strip.steps))

        return replace(self, main=ordered(self.main), folded=tuple(map(ordered, self.folded)))

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
