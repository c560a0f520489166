"""The compiled module, its instruction set and its threads; the only importer of ``faltung._native``."""

from __future__ import annotations

import contextlib
import functools
import operator
import os
import threading
from collections.abc import Callable, Iterator

from faltung import _native
from faltung._native import (
    Correlation,
    GradientProgram,
    PackedWeight,
    PreparedProgram,
    Program,
    SpectralShape,
    WeightGradient,
    borrow_team,
    convert,
    cut_off,
    dilated_tiling,
    filter_footprint,
    filter_lines,
    finish,
    has_bfloat16_dots,
    is_within,
    max_pool,
    memory_bandwidth,
    new_result,
    normalise_channels,
    peak_flops,
    product_rates,
    spectral_shape,
)
from faltung.engine.problem import Problem
from faltung.engine.threadpools import register
from faltung.errors import ConvPlanError, ConvShapeError, one_of, shown

__all__ = [
    "Correlation", "FloatState", "GradientProgram", "PackedWeight", "PreparedProgram", "Program", "SpectralShape", "WeightGradient",
    "available_isas", "borrow_team", "chosen_isa", "convert", "cut_off", "dilated_tiling", "filter_footprint", "filter_lines",
    "fingerprint", "finish", "float_state_for_helpers", "get_num_threads", "has_bfloat16_dots", "is_within", "limit_threads", "max_pool",
    "memory_bandwidth", "native_problem", "new_result", "normalise_channels", "peak_flops", "product_rates", "set_num_threads",
    "spectral_shape", "using_threads", "vector_lanes",
]  # fmt: skip

MAX_THREADS = 1024

_VECTOR_BYTES = {"baseline": 16, "neon": 16, "avx2": 32, "avx512": 64}

_threads: int | None = None


class _Here(threading.local):
    """What holds for calls from the current thread alone."""

    threads: int | None = None


_here = _Here()


@functools.lru_cache(maxsize=256)
def native_problem(problem: Problem) -> _native.Problem:
    """A problem as the compiled module holds it; one whose numbers break its rules is a `ConvShapeError`."""
    try:
        return _native.Problem(*problem.arguments)
    except ValueError as error:
        raise ConvShapeError(
            f"the engine reaches no further than 2**62 cells: {error}.", "Use smaller sizes, strides or dilations."
        ) from None


@functools.cache
def available_isas() -> tuple[str, ...]:
    """Instruction sets that this processor runs and this build holds, the widest last."""
    return tuple(_native.detected_isas())


@functools.cache
def chosen_isa() -> str:
    """The instruction set in use: the widest, or the one that the environment variable FALTUNG_ISA names.

    Raises
    ------
    ConvPlanError
        FALTUNG_ISA names none that this machine can run.
    """
    forced = os.environ.get("FALTUNG_ISA")
    return available_isas()[-1] if forced is None else one_of("FALTUNG_ISA", forced, available_isas(), ConvPlanError)


def vector_lanes(dtype: str) -> int:
    """Numbers of native `dtype` in a vector of the instruction set in use."""
    return _VECTOR_BYTES[chosen_isa()] // (4 if dtype == "float32" else 8)


def set_num_threads(n: int) -> None:
    """Use at most `n` threads from now on, the calling one included. Results never depend on it.

    Raises
    ------
    ConvPlanError
        `n` is not between 1 and 1024.

    >>> before = get_num_threads()
    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    >>> set_num_threads(before)
    """
    global _threads
    _threads = checked_threads("n", n)


def get_num_threads() -> int:
    """Threads in use: as set, else FALTUNG_NUM_THREADS, else the processors that this process may use."""
    if _here.threads is not None:
        return _here.threads
    return _threads if _threads is not None else _default_threads()


@contextlib.contextmanager
def using_threads(n: int) -> Iterator[None]:
    """Use `n` threads for calls from the current thread, inside a ``with`` statement; other threads' calls are as before.

    >>> with using_threads(1):
    ...     get_num_threads()
    1
    """
    before, _here.threads = _here.threads, n
    try:
        yield
    finally:
        _here.threads = before


def limit_threads(n: int) -> None:
    """As `set_num_threads`; inside of `using_threads` for as long as that holds, and the current thread alone."""
    if _here.threads is None:
        set_num_threads(n)
    else:
        _here.threads = checked_threads("n", n)


@functools.cache
def _default_threads() -> int:
    wish = os.environ.get("FALTUNG_NUM_THREADS")
    if wish is None:
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(usable, MAX_THREADS)
    return checked_threads("FALTUNG_NUM_THREADS", int(wish) if wish.strip().isdecimal() and len(wish) < 20 else wish)


def checked_threads(name: str, value: object) -> int:
    """`value` if it is a number of threads."""
    try:
        number = 0 if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if not 1 <= number <= MAX_THREADS:
        raise ConvPlanError(f"{name}={shown(value)} is no number of threads.", f"Use a whole number from 1 to {MAX_THREADS}.")
    return number


class FloatState:
    """Round to the nearest on the current thread, whatever it has set, inside a ``with`` statement; then as before.

    Kernels called by programs do so by themselves; this is for others, and for what NumPy and SciPy compute beside them.
    """

    __slots__ = ("_before", "_flushes_denormals")

    def __init__(self, *, flushes_denormals: bool) -> None:
        self._flushes_denormals = flushes_denormals

    def __enter__(self) -> None:
        self._before = _native.set_float_state(self._flushes_denormals)

    def __exit__(self, *_error: object) -> None:
        _native.restore_float_state(self._before)


def float_state_for_helpers() -> Callable[[], contextlib.AbstractContextManager[None]]:
    """What makes another thread round as the current one does now."""
    here = _native.set_float_state(False)
    _native.restore_float_state(here)

    @contextlib.contextmanager
    def as_here() -> Iterator[None]:
        with FloatState(flushes_denormals=False):
            _native.restore_float_state(here)
            yield

    return as_here


def fingerprint(address: int, nbytes: int) -> int:
    """A checksum of memory, by which a change is noticed (another one by accident about once in 2**64).

    >>> import numpy as np
    >>> weight = np.zeros(1000)
    >>> before = fingerprint(weight.ctypes.data, weight.nbytes)
    >>> weight[7] = -0.0
    >>> fingerprint(weight.ctypes.data, weight.nbytes) == before
    False
    """
    return _native.fingerprint(address, nbytes, get_num_threads())


register(get_num_threads, limit_threads, MAX_THREADS)
