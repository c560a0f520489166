"""When few channels a group are read where they lie, and what that costs: ``grouped`` in the catalog.

Owns the estimate for the kernels in ``native/kernels/grouped``, which AVX-512 alone has.
"""

from __future__ import annotations

import math

from faltung.engine.native import chosen_isa
from faltung.engine.problem import Problem
from faltung.engine.processor import product_cycles

__all__ = ["cycles", "refusal"]

MOST_POSITIONS = 2**24
MOST_TAPS = 1024
MOST_CHANNELS = 32


def refusal(problem: Problem, _dtype: str) -> str | None:
    """Why the kernels do not serve `problem`, or None if they do."""
    if chosen_isa() != "avx512":
        return f"it needs the masked loads of AVX-512, {chosen_isa()} has none"
    if problem.mode not in ("zeros", "absent"):
        return f"padding_mode {problem.mode!r} is not 'zeros'"
    if problem.out_channels < 2:
        return f"it has {problem.out_channels} output channels a group, this takes two or more"
    if problem.in_channels > MOST_CHANNELS:
        return f"it has {problem.in_channels} input channels a group, more than {MOST_CHANNELS} would be read from afar for each tile"
    if problem.stride[-1] > 2:
        return f"stride {problem.stride[-1]} along the last axis is not 1 or 2"
    if not math.prod(problem.kernel_size) or not math.prod(problem.out_size):
        return "there is nothing to sum"
    reach = max(kernel * dilation for kernel, dilation in zip(problem.kernel_size, problem.dilation, strict=True))
    largest = max(math.prod(problem.out_size), math.prod(max(size, 1) for size in problem.in_size) // 8, *map(abs, problem.before), reach)
    if math.prod(problem.kernel_size) > MOST_TAPS or largest > MOST_POSITIONS:
        return "its planes or kernels are too large"
    return None


# Cycles as measured on one Zen 4 core with AVX-512; only their ratios matter.


def cycles(problem: Problem, lanes: int) -> float:
    """Estimated for one sample on one core."""
    *rows, columns = problem.out_size
    across = math.ceil(columns / lanes)
    vectors = math.prod(rows) * across
    whole = math.ceil(math.prod(problem.out_size) / lanes)
    is_flat = set(problem.stride) == {1} and problem.in_size == problem.out_size and 32 * vectors > 33 * whole
    vectors = whole if is_flat else vectors
    width = 2 if problem.out_channels == 2 else 4
    channels = problem.groups * math.ceil(problem.out_channels / width) * width
    # Loads off the grid of cache lines count twice; two channels share them too little, and stride 2 reads twice as much.
    product = 1.5 if width == 2 else 1.1 if problem.stride[-1] == 1 else 1.4
    product += 0.1 if problem.out_channels > 32 else 0.0  # the same cells come from afar again
    sums = channels * vectors * (product_cycles() * product * problem.terms + 8)
    # With a single tap cells are waited for: neighbouring ones come from another channel.
    waiting = 0.1 * problem.groups * problem.in_channels * math.prod(problem.in_size) if math.prod(problem.kernel_size) == 1 else 0.0
    return 200 + sums + waiting + 25.0 * problem.groups * problem.in_channels
