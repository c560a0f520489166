"""The problems of shapes as lines of numbers, for the check of the kernels without Python (``tests/native/problem_file.h``)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator

from faltung.engine.gradient import gradient_problem
from faltung.engine.lowering import lower
from faltung.engine.problem import Problem
from tests.exhaustive.shapes import Shape

__all__ = ["problem_lines"]

MODES = ("zeros", "absent", "circular", "reflect", "replicate", "symmetric")
"""In the order of ``Border`` in ``native/core/problem.h``."""

MOST_MACS = 300_000
"""Under emulation a product takes a hundred times as long."""


def problem_lines(shapes: Iterable[Shape]) -> list[str]:
    """Forward, both ways of the input gradient, weight gradient: every problem once."""
    return list(dict.fromkeys(line for shape in shapes for line in _lines(shape)))


def _lines(shape: Shape) -> Iterator[str]:
    spec, size = shape
    if spec.macs(size) > MOST_MACS:
        return
    for backward in (False, True):
        for bundles_phases in (False, True):
            for problem in lower(spec, size, backward=backward, bundles_phases=bundles_phases).problems:
                if problem.macs:
                    yield _line(problem, is_gradient=False)
    yield _line(gradient_problem(spec, size), is_gradient=True)


def _line(problem: Problem, *, is_gradient: bool) -> str:
    channels = (problem.groups, problem.in_channels, problem.out_channels)
    given = [int(is_gradient), *channels, MODES.index(problem.mode), int(problem.keeps_axes), len(problem.axes)]
    for axis in problem.axes:
        given += axis
    given.append(len(problem.phases))
    for phases in problem.phases:
        given.append(len(phases))
        for phase in phases:
            given += dataclasses.astuple(phase)
    assert math.prod(problem.kernel_size) > 0
    return " ".join(map(str, given))
