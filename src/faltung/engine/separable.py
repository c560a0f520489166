"""Kernels that are outer products, or sums of a few: found in the weights, run as passes along one axis at a time.

Owns how they are found, when that pays, and the proof that the error bound of direct summation holds for them. Shapes alone do not
tell, so it is asked when weights are packed.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from faltung.engine.arrays import Array
from faltung.engine.native import Correlation, PackedWeight, chosen_isa, native_problem
from faltung.engine.panels import panel_refusal
from faltung.engine.problem import Problem
from faltung.engine.processor import product_cycles

__all__ = ["IDEA", "Factors", "SeparableKernel", "cycles", "factorize", "keeps_bound", "most_rank", "refusal", "workspace_bytes"]

IDEA = "kernels that are outer products, or sums of a few, as passes down the columns and along the rows"

MAX_RANK = 8

CALL_CYCLES = 24_000
"""What a call costs beyond its arithmetic: its arrays pass through Python, where those of other kernels are one native call."""


@dataclass(frozen=True, eq=False)
class Factors:
    """Kernels as sums of outer products, and what their error bound needs.

    Attributes
    ----------
    values : array (rank, groups, out, taps of all axes but the last + taps of the last)
    largest : array (groups, out), or None
        The largest |weight| of each kernel; None for single outer products: each weight alone is within the bound then, and an input
        that is not finite makes the outputs so that the definition says.
    strays : array (groups, out), or None
        The part of the bound that is relative to the largest |weight| times the largest |input|, over what is left for it.
    """

    values: Array
    largest: Array | None = None
    strays: Array | None = None

    @property
    def rank(self) -> int:
        """Outer products of each kernel."""
        return len(self.values)


def refusal(problem: Problem, dtype: str) -> str | None:
    """Why no kernel of `problem` is run so, whatever its weights; None if some are."""
    if problem.in_channels != 1:
        return f"it has {problem.in_channels} input channels a group, this takes one"
    if math.prod(problem.kernel_size[:-1]) < 2 or problem.kernel_size[-1] < 2:
        return "it has taps along one axis only"
    if problem.out_size[-1] < 4:
        return "it has fewer than four columns"
    return panel_refusal(Correlation, "separable", problem, dtype)


# Cycles as measured on one Zen 4 core with AVX-512; only their ratios matter.


def cycles(problem: Problem, dtype: str, rank: int) -> float:
    """Estimated for one sample on one core."""
    lanes = {"baseline": 16, "neon": 16, "avx2": 32, "avx512": 64}[chosen_isa()] // np.dtype(dtype).itemsize
    *rows, columns = problem.out_size
    down, along = math.prod(problem.kernel_size[:-1]), problem.kernel_size[-1]
    is_shared = problem.stride[-2] == problem.dilation[-2] == 1
    is_long = along > lanes and problem.stride[-1] == problem.dilation[-1] == 1
    read = math.ceil(min(problem.in_size[-1], columns * problem.stride[-1] + along) / lanes)
    vectors = math.ceil(columns / lanes)
    row = (
        60
        + read * (product_cycles() * down * (1.1 if is_shared else 1.6) + 5)
        + vectors * (product_cycles() * along * (1.15 if is_long else 1.5) + 5)
    )
    if problem.stride[-1] > 1:
        row += 1.5 * problem.in_size[-1]
    return CALL_CYCLES + rank * problem.groups * problem.out_channels * math.prod(rows) * row


def _search_cycles(problem: Problem) -> float:
    """Estimated for looking at the weights."""
    return 3e5 + 60.0 * problem.groups * problem.out_channels * problem.terms


@functools.lru_cache(maxsize=1024)
def most_rank(problem: Problem, dtype: str, other_cycles: float, *, is_prepared: bool) -> int:
    """Up to which rank kernels run faster so than in `other_cycles`; 0 where looking at the weights does not pay."""
    if not is_prepared and other_cycles < 10 * _search_cycles(problem):
        return 0
    if refusal(problem, dtype) is not None:
        return 0
    most = 1 if dtype == "uint64" or max(problem.stride) > 1 else MAX_RANK  # sums of several have no proof there
    # Of several the data are looked at.
    fitting = [rank for rank in range(1, most + 1) if cycles(problem, dtype, rank) < (0.9 if rank == 1 else 0.7) * other_cycles]
    return max(fitting, default=0)


def workspace_bytes(problem: Problem, dtype: str, threads: int) -> int:
    """Scratch memory of one call and the packed factors, of whatever rank."""
    along = math.prod(problem.kernel_size[:-1]) + problem.kernel_size[-1]
    packed = MAX_RANK * problem.groups * problem.out_channels * along * np.dtype(dtype).itemsize
    return packed + threads * Correlation.panel_bytes("separable", dtype, chosen_isa(), native_problem(problem))


def factorize(weight: Array, rank: int, terms: int) -> Factors | None:
    """`weight` (groups, out, 1, *kernel), finite, as sums of at most `rank` outer products; None where these are not exact to rounding.

    `terms` is the number of products for which direct summation states its bound. Integers must be outer products exactly, modulo 2**64;
    floating-point numbers that are whole, or are so over a power of two, get factors that are exact.

    Examples
    --------
    >>> binomial = np.array([1, 4, 6, 4, 1], np.float32)
    >>> factorize(np.outer(binomial, binomial).reshape(1, 1, 1, 5, 5), 1, 25).rank
    1
    >>> factorize(np.eye(5, dtype=np.float32).reshape(1, 1, 1, 5, 5), 1, 25) is None
    True
    """
    matrices = weight.reshape(weight.shape[0] * weight.shape[1], -1, weight.shape[-1])
    if matrices.size == 0:
        return None
    find = _integer_factors if matrices.dtype == np.uint64 else functools.partial(_factors, rank=rank, terms=terms)
    found = find(matrices[:1])
    if found is None:
        return None
    if len(matrices) > 1:
        found = find(matrices)
        if found is None:
            return None
    channels = weight.shape[:2]
    values, largest, strays = found
    values = np.ascontiguousarray(values.reshape(len(values), *channels, -1))
    return Factors(values) if largest is None or strays is None else Factors(values, largest.reshape(channels), strays.reshape(channels))


def _integer_factors(matrices: Array) -> tuple[Array, None, None] | None:
    """Modulo 2**64."""
    factors = _whole_factors(matrices.view(np.int64))
    return None if factors is None else (factors[None].view(np.uint64), None, None)


def _whole_factors(signed: Array) -> Array | None:
    """Columns and rows of whole numbers: the row of the largest element over its greatest common divisor, and how often each holds it."""
    count, _, along = signed.shape
    pivots = np.abs(signed).reshape(count, -1).argmax(1)
    every = np.arange(count)
    row = signed[every, pivots // along]
    row = row // np.maximum(np.gcd.reduce(row, axis=1), 1)[:, None]
    held = row[every, pivots % along]
    column = signed[every, :, pivots % along] // np.where(held == 0, 1, held)[:, None]
    return np.concatenate([column, row], axis=1) if np.array_equal(column[:, :, None] * row[:, None, :], signed) else None


def _exact_factors(matrices: Array) -> Array | None:
    """Factors whose products are `matrices` exactly: those of numbers that are whole, or are so over some power of two.

    Their sums are exact wherever direct ones are, which those of rounded factors would not be.
    """
    largest = np.abs(matrices).max((1, 2))
    exponents = np.frexp(np.where(largest == 0, 1, largest).astype(np.float64))[1]
    scaled = np.ldexp(matrices.astype(np.float64), (62 - exponents)[:, None, None])
    if not np.array_equal(scaled, np.rint(scaled)):
        return None
    whole = _whole_factors(scaled.astype(np.int64))
    if whole is None:
        return None
    down = matrices.shape[1]
    column, row = whole[:, :down], whole[:, down:]
    # Columns sum up to one at most, so that sums down the columns are no larger than cells.
    scale = np.frexp(np.abs(column.astype(np.float64)).sum(1))[1]
    parts = (np.ldexp(column.astype(np.float64), -scale[:, None]), np.ldexp(row.astype(np.float64), (scale + exponents - 62)[:, None]))
    factors = np.concatenate(parts, axis=1).astype(matrices.dtype)
    exact = all(
        np.array_equal(np.ldexp(part.astype(np.float64), shift[:, None]).astype(np.int64), wanted)
        for part, shift, wanted in ((factors[:, :down], scale, column), (factors[:, down:], 62 - exponents - scale, row))
    )
    return factors if exact else None


def _factors(matrices: Array, *, rank: int, terms: int) -> tuple[Array, Any, Any] | None:
    """By cross approximation with the largest element left as the pivot; the first rank whose error is within the bound."""
    dtype = matrices.dtype
    if sum(matrices.shape[1:]) <= terms:
        whole = _exact_factors(matrices)
        if whole is not None:
            return whole[None], None, None
    exact = matrices.astype(np.float64)
    count, down, along = exact.shape
    magnitude = np.abs(exact)
    every = np.arange(count)
    left, sizes = exact.copy(), np.zeros_like(exact)
    found: list[Array] = []
    with np.errstate(all="ignore"):
        for _ in range(min(rank, down, along)):
            pivots = np.abs(left).reshape(count, -1).argmax(1)
            column, row = left[every, :, pivots % along], left[every, pivots // along]
            pivot = left[every, pivots // along, pivots % along]
            row = row / np.where(pivot == 0, 1, pivot)[:, None]
            # Columns sum up to one at most, so that sums down the columns are no larger than cells.
            scale = np.exp2(np.ceil(np.log2(np.maximum(np.abs(column).sum(1), np.finfo(dtype).tiny))))[:, None]
            column, row = (column / scale).astype(dtype), (row * scale).astype(dtype)
            products = column[:, :, None].astype(np.float64) * row[:, None, :]
            left -= products
            sizes += np.abs(products)
            found.append(np.concatenate([column, row], axis=1))
            bound = _bound(magnitude, np.abs(left), sizes, len(found), terms, dtype)
            if bound is not None:
                return np.stack(found), *bound
    return None


def _bound(magnitude: Array, left: Array, sizes: Array, rank: int, terms: int, dtype: np.dtype[Any]) -> tuple[Any, Any] | None:
    """Whether sums of outer products keep the bound of direct summation, and what must then be asked of the data.

    `magnitude` is |w|, `left` how far the products are from w, `sizes` the sum of their magnitudes. An output errs by at most
    ``sum((gamma * sizes + left) * |x|)``, where gamma is that of a chain of one sum down a column and one along the row for each outer
    product. Whatever part of this is a multiple of |w| counts as it stands; the rest, over the largest |w|, is relative to the sum at
    the output where the largest |x| meets the largest |w|.
    """
    count, down, along = magnitude.shape
    unit = float(np.finfo(dtype).eps) / 2
    chain = (down + rank * along + 1) * unit
    allowed = (terms + 1) * unit
    if not chain < allowed < 0.1:
        return None
    # The products and their difference are rounded in 64 bits.
    error = chain / (1 - chain) * sizes + left + 2.0**-52 * sizes
    largest = magnitude.reshape(count, -1).max(1)
    if rank == 1:
        return (None, None) if bool((error <= allowed * magnitude).all()) else None
    best = np.full(count, np.inf)
    for share in (0.25, 0.5, 0.75):
        strays = np.maximum(error - share * allowed * magnitude, 0).reshape(count, -1).sum(1) / np.where(largest == 0, 1, largest)
        best = np.minimum(best, strays / ((1 - share) * allowed))
    return (largest, best) if bool((best <= 1).all()) else None


class SeparableKernel:
    """The correlation of one problem with kernels given as `Factors`; see `faltung.engine.kernel.Kernel`."""

    def __init__(self, problem: Problem, dtype: str, factors: Factors) -> None:
        self.problem = problem
        self.factors = factors
        self._native = Correlation("separable", dtype, chosen_isa(), native_problem(problem))

    @property
    def packed_bytes(self) -> int:
        """Bytes of the packed factors."""
        return 64 + self.factors.values.nbytes

    def workspace_bytes(self, threads: int) -> int:
        """Scratch memory of one call."""
        return self._native.workspace_bytes(threads)

    def pack(self, weight: Array, threads: int = 1, borrows: bool = False) -> PackedWeight:
        """The factors; `weight` is what they were found in."""
        del weight, threads, borrows
        return self._native.pack_factors(self.factors.values)

    def run(
        self, x: Array, packed: Any, bias: Array | None, y: Array, accumulate: bool, threads: int,
        activation: str = "none", residual: Array | None = None,
    ) -> None:  # fmt: skip
        """As of every kernel, and ``y = activation(y + residual)`` at once."""
        self._native.run(x, packed, bias, y, accumulate, threads, activation, residual)


def keeps_bound(kernel: SeparableKernel, x: Array, _packed: Any) -> bool:
    """Whether the bound holds for one sample `x` (groups, 1, *in_size) of finite values: whether some output is as large as it asks.

    The largest cell of each group must meet a tap that is large enough, somewhere in the output.
    """
    factors, problem = kernel.factors, kernel.problem
    if factors.largest is None or factors.strays is None or x.size == 0:
        return True
    weight = np.abs(np.einsum("rgom,rgon->gomn", *np.split(factors.values, [math.prod(problem.kernel_size[:-1])], axis=-1)))
    weight = weight.reshape(*weight.shape[:2], *problem.kernel_size)
    for group, cells in enumerate(x[:, 0]):
        peaks = cells.reshape(-1)
        peak = np.unravel_index(int(max(peaks.argmax(), peaks.argmin(), key=lambda place: abs(peaks[place]))), cells.shape)
        met = []
        for axis, place in enumerate(peak):
            taps = np.arange(problem.kernel_size[axis])
            outputs = int(place) + problem.before[axis] - taps * problem.dilation[axis]
            met.append(taps[(outputs >= 0) & (outputs < problem.out_size[axis])])
        here = weight[(group, slice(None), *np.ix_(*met))].reshape(problem.out_channels, -1)
        if here.shape[1] == 0 or not (here.max(1) >= 1.001 * factors.strays[group] * factors.largest[group]).all():
            return False
    return True
