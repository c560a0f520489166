"""The ways in which one convolution can be computed: phases apart or together, the padding skipped or not.

Owns which of them come into question; `compiled` estimates them and takes the cheapest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import get_args

from faltung.engine.algorithm import Request
from faltung.engine.catalog import BY_NAME
from faltung.engine.choice import measured, serves
from faltung.engine.lowered import Lowered, Skipping

__all__ = ["scattering_seconds", "ways_of"]

SCATTER_SECONDS = 0.75e-9
"""What an output costs that is stored apart from its neighbours: a phase's columns, alone and not by whole vectors."""


def ways_of(lower_as: Callable[..., Lowered], request: Request, *, skips_padding: bool) -> Iterator[Lowered]:
    """What is chosen among, of equally cheap ones the first: phases one by one or together, the padding left out by taps or borders."""
    apart = lower_as()
    known = measured(apart.problems[0], request) if apart.problems else None
    wanted = known.algorithm if known and known.algorithm else request.algorithm
    bundled = None
    if wanted not in BY_NAME or BY_NAME[wanted].serves_phases:
        bundled = lower_as(bundles_phases=True)
        if bundled.main == apart.main or not serves(bundled.problems[0], request) or not _is_served(bundled, request):
            bundled = None
    # Dot products cannot leave outputs to be filled in afterwards.
    needs_bundle = bundled and (not serves(apart.problems[0], request) or (request.algorithm == "dots" and not apart.main.is_covered))
    if not needs_bundle:
        yield apart
    if bundled:
        yield bundled
    if skips_padding and request.algorithm == "auto" and not (known and known.algorithm):
        for skipping in get_args(Skipping):
            if skipping == "taps" and request.is_exact and request.dtype != "uint64":
                continue  # another order of sums
            yield lower_as(skipping=skipping)


def _is_served(bundled: Lowered, request: Request) -> bool:
    """Whether there is an algorithm for all phases together of every strip; in the order of exact sums there may be none."""
    either = replace(request, algorithm="auto")
    return not request.is_exact or all(serves(problem, either) for problem in bundled.problems)


def scattering_seconds(way: Lowered) -> float:
    """Estimated for storing one sample's outputs one by one."""
    steps = itertools.chain(way.main.steps, *(strip.steps for strip in way.folded))
    apart = (step.problem for step in steps if (step.writes[-1].step or 1) > 1)
    return SCATTER_SECONDS * sum(problem.groups * problem.out_channels * math.prod(problem.out_size) for problem in apart)
