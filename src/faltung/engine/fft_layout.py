"""How a correlation is cut into blocks for the Fourier transform: sizes, positions, memory and counted work.

Overlap-save: a block of t outputs along an axis reads t + extent - 1 cells; a cyclic correlation of at least so
many cells gives those t outputs unspoilt by its wrapping around (Oppenheim & Schafer, "Discrete-Time Signal
Processing", 3rd ed., §8.7.3). Two cases need fewer. A whole axis padded by zeros may share one run of zeros
between its two borders; a whole circular axis wraps around as the transform does.

Owns the choice of the block sizes and the estimate of their cost. Imports no SciPy: a plan asks for the cost of
every algorithm, and only few of them take this one.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass

from faltung.engine.problem import Problem
from faltung.geometry import extent_of

__all__ = ["AxisBlocks", "Layout", "best_layout", "fast_size", "memory_limit"]

MIN_LIMIT_BYTES = 64 * 2**20

MOST_BLOCKS = 2**20
"""All are listed beforehand; so many are for outputs of many gigabytes."""

TASK_CELLS = 2**17
WORTH_THREADS_CYCLES = 2e6
MAX_OPTIONS = {0: 1, 1: 12, 2: 7, 3: 4, 4: 2}

_ITEMSIZE = {"float32": 4, "float64": 8}


@dataclass(frozen=True, slots=True)
class AxisBlocks:
    """One axis cut into blocks of equal size.

    Block b holds outputs ``b*outputs`` and on; it reads `cells` positions from ``origin + b*outputs`` of the
    continued input into the first cells of a transform of size `transform`. Tap k stands at
    ``tap_origin + k*dilation`` of it, modulo its size.
    """

    transform: int
    cells: int
    outputs: int
    blocks: int
    origin: int
    tap_origin: int


@functools.lru_cache(maxsize=4096)
def fast_size(least: int, primes: tuple[int, ...] = (5, 3)) -> int:
    """The smallest size from `least` on that has no prime factor but 2 and `primes`.

    >>> fast_size(71), fast_size(7919), fast_size(1)
    (72, 8000, 1)
    """
    if not primes:
        return 1 << max(0, least - 1).bit_length()
    best, factor = fast_size(least, primes[1:]), primes[0]
    while factor < best:
        best = min(best, factor * fast_size(-(-least // factor), primes[1:]))
        factor *= primes[0]
    return best


def _axis_options(problem: Problem, axis: int) -> list[AxisBlocks]:
    """Every way worth considering to cut one axis, the sizes of the transform about a factor 1.5 apart."""
    size, outputs, before = problem.in_size[axis], max(1, problem.out_size[axis]), problem.before[axis]
    reach = extent_of(problem.kernel_size[axis], problem.dilation[axis]) - 1
    # Complex transforms have passes for 7 and 11 too; the real ones, along the last axis, take a general one there.
    good = functools.partial(fast_size, primes=(5, 3) if axis == len(problem.in_size) - 1 else (11, 7, 5, 3))
    options = []
    if problem.mode in ("zeros", "absent"):
        # A window that leaves one border must find zeros before it meets the other border's cells.
        after = outputs + reach - before - size
        whole = good(max(size + max(before, after, 0), outputs, 1))
        options.append(AxisBlocks(whole, size, outputs, 1, 0, -before))
    elif problem.mode == "circular" and outputs <= size == fast_size(size, (11, 7, 5, 3)):
        options.append(AxisBlocks(size, size, outputs, 1, 0, -before))
    wanted, largest = 1.3 * (reach + 1), outputs + reach
    while True:
        least = min(math.ceil(wanted), largest)
        blocks = -(-outputs // max(1, good(least) - reach))
        each = -(-outputs // blocks)
        options.append(AxisBlocks(good(each + reach), each + reach, each, blocks, -before, 0))
        if least == largest:
            break
        wanted *= 1.5
    # Blocks that are mostly overlap are never the best; of the others, every so many.
    least = min(option.transform * option.blocks for option in options)
    options = sorted({option for option in options if option.transform * option.blocks <= 2 * least}, key=lambda option: option.transform)
    most = MAX_OPTIONS[min(len(problem.in_size), 4)]
    return options[:: -(-len(options) // most)]


@dataclass(frozen=True, slots=True)
class Layout:
    """Blocks along every axis, and how much of them one task takes.

    Attributes
    ----------
    groups_at_once, blocks_at_once : int
        Groups, and blocks along the last axis, that one call transforms together.
    out_per_task, out_at_once : int
        Output channels of one task, and those that it transforms back together.
    """

    problem: Problem
    dtype: str
    axes: tuple[AxisBlocks, ...]
    groups_at_once: int
    blocks_at_once: int
    out_per_task: int
    out_at_once: int

    @property
    def bins(self) -> int:
        """Complex numbers of one block's spectrum."""
        return math.prod(self.spectrum)

    @property
    def spectrum(self) -> tuple[int, ...]:
        """Shape of one block's spectrum."""
        *outer, last = (axis.transform for axis in self.axes)
        return (*outer, last // 2 + 1)

    @property
    def packed_bytes(self) -> int:
        """Bytes of the weights' spectra."""
        problem = self.problem
        return problem.groups * problem.out_channels * problem.in_channels * self.bins * 2 * _ITEMSIZE[self.dtype]

    @property
    def tasks(self) -> int:
        """Tasks of one sample."""
        *outer, last = self.axes
        runs = -(-last.blocks // self.blocks_at_once) * -(-self.problem.groups // self.groups_at_once) * self.out_parts
        return runs * math.prod(axis.blocks for axis in outer)

    @property
    def out_parts(self) -> int:
        """Tasks that read the same blocks, for one part of the output channels each."""
        return -(-self.problem.out_channels // self.out_per_task)

    @property
    def lanes(self) -> int:
        """Rows that SciPy's transforms take through one vector together."""
        return 16 // _ITEMSIZE[self.dtype]

    def padded(self, blocks: int) -> int:
        """Blocks along the last axis that one call transforms for `blocks`: single rows left over would cost more than full vectors."""
        rows = self.groups_at_once * self.problem.in_channels
        return blocks if blocks == 1 or len(self.axes) > 1 or rows % self.lanes == 0 else -(-blocks // self.lanes) * self.lanes

    @property
    def task_bytes(self) -> int:
        """Scratch of one task at its peak."""
        together = self.groups_at_once * self.padded(self.blocks_at_once)
        read, written = together * self.problem.in_channels, together * self.out_at_once
        item, last = _ITEMSIZE[self.dtype], self.axes[-1]
        cells = math.prod(axis.cells for axis in self.axes[:-1]) * last.transform * item
        results = math.prod(axis.outputs for axis in self.axes[:-1]) * last.transform * item
        spectrum = self.bins * 2 * item
        # Forward, in the product, and backward; each step holds what it reads and what it writes.
        products = 0 if self.problem.in_channels == self.problem.out_channels == 1 else 2 * written * spectrum
        extra = read * spectrum if len(self.axes) > 1 else 0
        return read * (cells + spectrum) + extra + products + written * results + 4096

    def pass_cells(self) -> tuple[float, float, float]:
        """Cells of one block of one channel that pass through transforms: real, complex forward, complex backward."""
        rows = math.prod(axis.cells for axis in self.axes[:-1])
        results = math.prod(axis.outputs for axis in self.axes[:-1])
        real = (rows + results) * self.axes[-1].transform / 2
        return real, self._complex_cells([axis.cells for axis in self.axes]), self._complex_cells([axis.outputs for axis in self.axes])

    def _complex_cells(self, kept: list[int]) -> float:
        """Of the transforms along the outer axes, where only the rows `kept` differ from zero or are asked for."""
        return sum(math.prod(kept[:axis]) * math.prod(self.spectrum[axis:]) for axis in range(len(self.axes) - 1))

    @property
    def blocks(self) -> int:
        """Blocks of one channel, those included that only fill vectors."""
        *outer, last = self.axes
        full, rest = divmod(last.blocks, self.blocks_at_once)
        return (full * self.padded(self.blocks_at_once) + (self.padded(rest) if rest else 0)) * math.prod(axis.blocks for axis in outer)

    def packing_cycles(self) -> float:
        """Estimated cycles to transform the weights."""
        problem = self.problem
        kernels = problem.groups * problem.out_channels * problem.in_channels
        rows = math.prod(problem.kernel_size[:-1])
        kept = [min(kernel, axis.transform) for kernel, axis in zip(problem.kernel_size, self.axes, strict=True)]
        cells = REAL_CELL * rows * self.axes[-1].transform + COMPLEX_CELL * self._complex_cells(kept)
        wide = 1.0 if self.dtype == "float32" else WIDE
        return BEGIN + kernels * (1.2 * wide * (cells + MOVE_CELL * self.bins) + 40)

    def running_cycles(self) -> float:
        """Estimated cycles for one sample."""
        problem = self.problem
        wide = 1.0 if self.dtype == "float32" else WIDE
        real, forward, backward = self.pass_cells()
        read, written = problem.in_channels * self.out_parts, problem.out_channels
        calls: float = self.tasks * (4 + 2 * len(self.axes) * (1 + -(-self.out_per_task // self.out_at_once)))
        rows = (
            self.groups_at_once * self.padded(self.blocks_at_once) * problem.in_channels * math.prod(axis.cells for axis in self.axes[:-1])
        )
        scalar = 1 + (rows % self.lanes) / rows * (0.45 * self.lanes)
        moved = math.prod(axis.cells for axis in self.axes) * read + math.prod(axis.outputs for axis in self.axes) * written
        spilled = SPILL if self.task_bytes > 2**21 else 1.0
        rounds = (read + written) * real * REAL_CELL * scalar * _long(self.axes[-1].transform)
        rounds += (read * forward + written * backward) * COMPLEX_CELL
        block = rounds * spilled + moved * MOVE_CELL
        products = (PRODUCT_CELL if problem.in_channels == 1 else SUMMED_CELL) * problem.in_channels * written
        calls += 0.4 * (problem.in_channels - 1) * self.tasks * -(-self.out_per_task // self.out_at_once)
        return BEGIN + problem.groups * self.blocks * wide * (block + products * self.bins) + CALL * calls


def _long(size: int) -> float:
    """Long transforms leave the inner caches."""
    return 1 + 0.06 * max(0.0, math.log2(size) - 12)


# Cycles at a nominal 3 GHz, fitted on a Zen 4 core to some thirty layers; only their ratio to other algorithms matters.
REAL_CELL = 5.2
COMPLEX_CELL = 8.2
MOVE_CELL = 0.8
PRODUCT_CELL = 1.5
SUMMED_CELL = 3.2
SPILL = 1.15
WIDE = 1.5
CALL = 12000.0
BEGIN = 150000.0


def memory_limit(problem: Problem, dtype: str) -> int:
    """Bytes that scratch and packed weights may take beyond the size of the weights themselves.

    64 MiB, or a quarter of one sample's input, output and weights where that is more.
    """
    weights = problem.groups * problem.out_channels * problem.terms
    inputs = problem.groups * problem.in_channels * math.prod(problem.in_size)
    outputs = problem.groups * problem.out_channels * math.prod(problem.out_size)
    return max(MIN_LIMIT_BYTES, (weights + inputs + outputs) * _ITEMSIZE[dtype] // 4)


@functools.lru_cache(maxsize=1024)
def best_layout(problem: Problem, dtype: str) -> Layout | None:
    """The layout of the lowest estimated cost that keeps within `memory_limit` and `MOST_BLOCKS`; None if none does."""
    weights = problem.groups * problem.out_channels * problem.terms * _ITEMSIZE[dtype]
    limit = memory_limit(problem, dtype) + weights
    best, least = None, math.inf
    for axes in itertools.product(*(_axis_options(problem, axis) for axis in range(len(problem.in_size)))):
        layout = _grouped(problem, dtype, axes)
        if layout.task_bytes + layout.packed_bytes > limit or max(layout.tasks, *(axis.blocks for axis in axes)) > MOST_BLOCKS:
            continue
        # Threads share tasks: where threads are worth beginning, few tasks leave some of them idle.
        running = layout.running_cycles()
        cost = running + layout.packing_cycles() + max(0.0, running - WORTH_THREADS_CYCLES) / layout.tasks
        if cost < least:
            best, least = layout, cost
    return best


def _grouped(problem: Problem, dtype: str, axes: tuple[AxisBlocks, ...]) -> Layout:
    """Tasks of about `TASK_CELLS`, and of several rows at least, which the transforms take through vectors together."""
    cells = math.prod(axis.transform for axis in axes)
    every = cells * math.prod(axis.blocks for axis in axes) * problem.groups * problem.in_channels
    budget = min(TASK_CELLS, max(TASK_CELLS // 8, every // 4)) * 4 // _ITEMSIZE[dtype]
    rows = problem.in_channels * math.prod(axis.cells for axis in axes[:-1])
    blocks = axes[-1].blocks
    # Several blocks with many channels share the reading of the weights' spectra.
    together = max(1, (budget if problem.in_channels == 1 else 4 * budget) // (cells * problem.in_channels), -(-4 // max(1, rows)))
    at_once = min(blocks, together)
    if at_once < blocks:
        at_once = at_once // 4 * 4 or at_once
    groups = min(problem.groups, max(1, together // at_once))
    groups = -(-problem.groups // -(-problem.groups // groups))
    # One sample should occupy a few threads: tasks that share their input transform it each for itself, a small part of the work.
    tasks = -(-problem.groups // groups) * -(-blocks // at_once) * math.prod(axis.blocks for axis in axes[:-1])
    parts = min(-(-4 // tasks), max(1, problem.out_channels // 8))
    each = -(-problem.out_channels // parts)
    out = min(each, max(1, budget // (cells * groups * at_once)))
    return Layout(problem, dtype, axes, groups, at_once, each, out)
