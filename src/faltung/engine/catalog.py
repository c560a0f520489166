"""The algorithms, in order of preference, each with its reason for refusing and its estimated cost.

A new family of kernels is one folder under ``native/kernels`` and one entry here; `choice` chooses.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from faltung.engine import (
    channelwise,
    dense,
    depthwise,
    dilated,
    dots,
    fft_cost,
    grouped,
    order,
    phases,
    planes,
    spectral,
    stem,
    winograd,
    winograd_phases,
    winograd_phases_cost,
)
from faltung.engine.algorithm import Algorithm
from faltung.engine.arrays import Array
from faltung.engine.kernel import Kernel
from faltung.engine.native import Correlation, get_num_threads, vector_lanes
from faltung.engine.panels import panel_refusal
from faltung.engine.problem import Problem

__all__ = ["ALGORITHMS", "BY_NAME", "CHOICES"]


def _winograd(problem: Problem) -> ModuleType:
    """Which of its two ways: three or five taps at once, or the phases of a stride and pieces of a kernel."""
    return winograd_phases if _is_by_phases(problem) else winograd


def _winograd_cost(problem: Problem) -> ModuleType:
    """The estimates of `_winograd`."""
    return winograd_phases_cost if _is_by_phases(problem) else winograd


def _is_by_phases(problem: Problem) -> bool:
    return bool(problem.phases) or winograd.form_of(problem) is None


def _dense(problem: Problem) -> ModuleType:
    """Which estimates: of one correlation, or of all phases of a transposed one."""
    return phases if problem.phases else dense


def _by_lanes(cycles: Callable[[Problem, int], float]) -> Callable[[Problem, str], float]:
    """An estimate by the numbers of a vector as one by their type."""
    return lambda problem, dtype: cycles(problem, vector_lanes(dtype))


def _general_cycles(problem: Problem, _dtype: str) -> float:
    return 10 * problem.macs


# SciPy is loaded by the first convolution that is computed so, not by every plan.


def _fft_kernel(problem: Problem, dtype: str) -> Kernel:
    from faltung.engine.fft import FFTCorrelation

    return FFTCorrelation(problem, dtype)


def _spectral_keeps_bound(kernel: Any, x: Array, packed: Any) -> bool:
    return bool(kernel.keeps_bound(x[None], packed, get_num_threads()))


def _fft_keeps_bound(kernel: Any, x: Array, packed: Any) -> bool:
    from faltung.engine.fft_guard import keeps_bound

    return keeps_bound(kernel, x, packed)


ALGORITHMS: tuple[Algorithm, ...] = (
    Algorithm(
        "pointwise",
        "a matrix product of channels, positions in the vector lanes",
        lambda problem, _dtype: _dense(problem).pointwise_refusal(problem),
        _by_lanes(lambda problem, lanes: _dense(problem).pointwise_cycles(problem, lanes)),
        lambda problem, dtype: _dense(problem).packing_cycles(problem, dtype),
        serves_phases=True,
    ),
    Algorithm(
        "dots",
        "dot products of pairs of bfloat16 numbers, positions or output channels in the vector lanes",
        dots.refusal,
        dots.cycles,
        dots.packing_cycles,
        error_growth=dots.error_growth,
        serves_phases=True,
    ),
    Algorithm(
        "winograd",
        "fewer products for few taps, on transformed tiles",
        lambda problem, dtype: _winograd(problem).refusal(problem, dtype),
        _by_lanes(lambda problem, lanes: _winograd_cost(problem).cycles(problem, lanes)),
        _by_lanes(lambda problem, lanes: _winograd_cost(problem).packing_cycles(problem, lanes)),
        error_growth=lambda problem, dtype: _winograd(problem).error_growth(problem, dtype),
        serves_phases=True,
        shared_cycles=_by_lanes(lambda problem, lanes: 0.0 if problem.phases else winograd.shared_cycles(problem, lanes)),
    ),
    Algorithm(
        "dilated",
        "fewer products for three taps that lie apart, on tiles that know the zeros around them",
        dilated.refusal,
        _by_lanes(dilated.cycles),
        _by_lanes(dilated.packing_cycles),
        error_growth=dilated.error_growth,
    ),
    Algorithm(
        "stem",
        "fewer products for large kernels of few channels, phases and pieces of them on transformed tiles",
        stem.refusal,
        _by_lanes(stem.cycles),
        _by_lanes(stem.packing_cycles),
        error_growth=stem.error_growth,
    ),
    Algorithm(
        "winograd6",
        "fewer products still, on tiles of 6 by 6 outputs",
        partial(winograd.refusal, by_six=True),
        _by_lanes(partial(winograd.cycles, by_six=True)),
        _by_lanes(partial(winograd.packing_cycles, by_six=True)),
        error_growth=partial(winograd.error_growth, by_six=True),
        by_request=True,
    ),
    Algorithm(
        "depthwise",
        "one input channel a group, read where it lies, positions of a row in the vector lanes",
        depthwise.refusal,
        _by_lanes(depthwise.cycles),
        dense.packing_cycles,
        in_order=order.depthwise,
    ),
    Algorithm(
        "channelwise",
        "one input channel a group, a channel in each vector lane",
        channelwise.refusal,
        _by_lanes(channelwise.cycles),
        _by_lanes(channelwise.packing_cycles),
        in_order=order.channelwise,
    ),
    Algorithm(
        "grouped",
        "few channels a group, planes read where they lie, positions in the vector lanes",
        grouped.refusal,
        _by_lanes(grouped.cycles),
        dense.packing_cycles,
    ),
    Algorithm(
        "planes",
        "few channels a group, planes copied with their border, positions over the ends of rows in the vector lanes",
        planes.refusal,
        _by_lanes(planes.cycles),
        planes.packing_cycles,
        serves_phases=True,
    ),
    Algorithm(
        "direct",
        "rows packed with their padding, output channels in the vector lanes",
        partial(panel_refusal, Correlation, "direct"),
        _by_lanes(lambda problem, lanes: _dense(problem).direct_cycles(problem, lanes)),
        lambda problem, dtype: _dense(problem).packing_cycles(problem, dtype),
        serves_phases=True,
    ),
    Algorithm(
        "unfold",
        "patches unfolded into panels, then a matrix product, positions in the vector lanes",
        partial(panel_refusal, Correlation, "unfold"),
        _by_lanes(dense.unfold_cycles),
        dense.packing_cycles,
    ),
    Algorithm(
        "filter",
        "rows packed with their padding, positions of a row in the vector lanes",
        partial(panel_refusal, Correlation, "filter"),
        _by_lanes(lambda problem, lanes: _dense(problem).filter_cycles(problem, lanes)),
        lambda problem, dtype: _dense(problem).packing_cycles(problem, dtype),
        serves_phases=True,
    ),
    Algorithm(
        "spectral",
        "products of spectra of rows, summed over the rows of the kernel",
        spectral.refusal,
        spectral.cycles,
        spectral.packing_cycles,
        error_growth=spectral.error_growth,
        keeps_bound=_spectral_keeps_bound,
    ),
    Algorithm(
        "fft",
        "products of spectra, block by block",
        fft_cost.refusal,
        fft_cost.cycles,
        fft_cost.packing_cycles,
        _fft_kernel,
        fft_cost.error_growth,
        _fft_keeps_bound,
    ),
    Algorithm(
        "general",
        "one product at a time, positions mapped one by one",
        lambda _problem, _dtype: None,
        _general_cycles,
        dense.packing_cycles,
        in_order=lambda _problem, _dtype: True,
    ),
)

CHOICES = ("auto", *(entry.name for entry in ALGORITHMS))
BY_NAME = {entry.name: entry for entry in ALGORITHMS}
