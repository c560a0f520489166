"""Every algorithm that serves a shape, in every direction, in several dtypes, on one instruction set, compared with what is expected.

Nothing is left out in silence: what does not serve a shape is counted with its reason, and what a plan calls fitting has to run.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

import faltung as fl
from faltung.engine.algorithm import Request
from faltung.engine.arrays import element_types
from faltung.engine.catalog import ALGORITHMS
from faltung.engine.compiled import Compiled, compile_conv
from faltung.engine.epilogue import NOTHING, Epilogue
from faltung.engine.gradient import gradient_problem
from faltung.engine.gradient_catalog import ALGORITHMS as GRADIENTS
from faltung.engine.native import WeightGradient, available_isas, chosen_isa, has_bfloat16_dots, native_problem
from faltung.engine.packed import PackedWeights
from faltung.engine.plan import error_bound_of
from faltung.engine.run import native_bias, run_packed
from faltung.errors import ConvPlanError
from tests.exhaustive.case import Case, in_dtype
from tests.support.layouts import channels_last

__all__ = ["DTYPES", "Refusal", "Result", "compare", "some_dtypes"]

Array = np.ndarray

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
DTYPES: dict[str, Any] = {"float32": np.float32, "float64": np.float64, "int64": np.int64, "float16": np.float16, "bfloat16": BFLOAT16}
LAYOUTS = ("C order", "channels last", "inside a larger array")
BESIDE = 99
ASKED_EVERY = 16
"""Of so many shapes, on one what a plan refuses is asked for by name, too: it has to be an error."""


def some_dtypes(number: int, isa: str) -> tuple[str, ...]:
    """Of a shape on an instruction set: float32 always, float64 and integers in turn, and the half precision with kernels of its own."""
    turn = number + available_isas().index(isa)
    has_own = has_bfloat16_dots(isa)
    return "float32", ("float64", "int64")[turn % 2], "bfloat16" if has_own or turn % 4 > 1 else "float16"


class Result(NamedTuple):
    """One comparison: `share` is the error over the bound, 0 where equal; `fault` what is wrong, if anything."""

    direction: str
    algorithm: str
    dtype: str
    share: float
    fault: str | None


class Refusal(NamedTuple):
    """An algorithm that does not serve a shape, and why, with # for numbers."""

    direction: str
    algorithm: str
    dtype: str
    reason: str


@dataclass(frozen=True)
class _Way:
    """How one call is made: numbers of the case decide on layout and preparation, so that all meet all in the course of many shapes."""

    case: Case
    number: int
    dtype: str
    direction: str

    @property
    def layout(self) -> str:
        return LAYOUTS[self.number % 3]

    def laid(self, array: Array) -> Array:
        """In the dtype and the layout."""
        array = in_dtype(array, DTYPES[self.dtype])
        if self.layout == "channels last":
            return channels_last(array)
        return _inside(array) if self.layout == "inside a larger array" else array

    def check(self, name: str, actual: Array, bound: float, weight: str = "weight") -> Result:
        """Compare; `bound` is 0 for algorithms that are exact here, else the stated one, a factor of the largest sum of magnitudes."""
        exact = self.case.expected(self.direction, weight)
        expected = in_dtype(exact, actual.dtype)
        where = f"{self.layout}, {weight}"
        if actual.shape != expected.shape or actual.dtype != DTYPES[self.dtype]:
            return self._result(name, np.inf, f"{where}: shape {actual.shape}, {actual.dtype}")
        if np.array_equal(actual, expected):
            return self._result(name, 0.0)
        error = np.abs(actual.astype(float) - exact)
        worst = float(error.max()) if np.isfinite(error).all() else np.inf
        share = np.inf
        for beyond in (False, True):
            allowed = bound * self.case.scale(self.direction, weight, beyond=beyond)
            share = worst / allowed if allowed > 0 else np.inf
            if share <= 1:
                return self._result(name, share)
        place = tuple(int(i) for i in np.unravel_index(int(np.nanargmax(error)), error.shape))
        wrong = int((actual != expected).sum())
        return self._result(
            name,
            share,
            f"{where}: {wrong} of {expected.size} differ, at {place} {actual[place]} for {expected[place]}, {share:.3g} of the bound",
        )

    def _result(self, name: str, share: float, fault: str | None = None) -> Result:
        return Result(self.direction, name, self.dtype, share, fault)


def _inside(array: Array) -> Array:
    around = np.full(tuple(size + 2 for size in array.shape), BESIDE, array.dtype)
    view = around[(slice(1, -1),) * array.ndim]
    view[...] = array
    return view


def _surroundings_changed(view: Array) -> bool:
    around = view.base
    assert around is not None
    return int((around == BESIDE).sum()) - int((view == BESIDE).sum()) != around.size - view.size


def compare(case: Case, number: int, dtypes: tuple[str, ...], algorithms: Container[str] | None = None) -> Iterator[Result | Refusal]:
    """All that serves `case` on the instruction set in use; `number` is that of the shape, and decides on layouts.

    With `algorithms` these alone, and not what people call, where the plan chooses.
    """
    for dtype in dtypes:
        for backward in (False, True):
            yield from _correlations(case, number, dtype, algorithms, backward=backward)
        if dtype in ("float32", "float64", "int64"):
            yield from _weight_gradients(case, number, dtype, algorithms)
    if algorithms is None:
        yield from _whole_calls(case, dtypes)


def _correlations(case: Case, number: int, dtype: str, algorithms: Container[str] | None, *, backward: bool) -> Iterator[Result | Refusal]:
    spec, size = case.shape
    direction = "input gradient" if backward else "forward"
    names = {entry.name for entry in ALGORITHMS if algorithms is None or entry.name in algorithms}
    if dtype in ("float16", "bfloat16"):
        names &= {"dots"}  # the others are kernels of float32, on numbers that are converted
    if not names:
        return
    types = element_types(DTYPES[dtype])
    is_prepared = bool(number // 3 % 2)
    listed = compile_conv(spec, size, Request(types.form, is_prepared=is_prepared), backward=backward, skips_padding=False)
    for place, decision in enumerate(listed.decisions):
        name = decision.algorithm
        if name not in names:
            continue
        way = _Way(case, number + place, dtype, direction)
        request = Request(types.form, name, is_prepared=is_prepared)
        if not listed.lowered.problems:
            yield Refusal(direction, name, dtype, "no tap reaches the output, there is nothing to compute")
            continue
        if decision.fits:
            yield _run(way, name, request, backward=backward)
            continue
        yield Refusal(direction, name, dtype, re.sub(r"\d+", "#", decision.reason))
        if number % ASKED_EVERY == 0:
            fault = _not_refused(case, request, backward=backward)
            if fault:
                yield Result(direction, name, dtype, np.inf, fault)


def _not_refused(case: Case, request: Request, *, backward: bool) -> str | None:
    try:
        compile_conv(*case.shape, request, backward=backward)
    except ConvPlanError:
        return None
    return "the plan says that it does not serve this shape, and it is made where it is asked for"


def _run(way: _Way, name: str, request: Request, *, backward: bool, weight: str = "weight") -> Result:
    case = way.case
    types = element_types(DTYPES[way.dtype])
    compiled = compile_conv(*case.shape, request, backward=backward)
    arranged = types.to_kernel(in_dtype(case.arrays[weight], DTYPES[way.dtype]))
    packed = PackedWeights.of(compiled, arranged, types)
    epilogue = (
        NOTHING
        if backward
        else Epilogue(native_bias(in_dtype(case.arrays["bias"], types.parts if types.is_half else DTYPES[way.dtype]), types))
    )
    out = way.laid(np.zeros_like(case.expected(way.direction)))
    result = run_packed(packed, way.laid(case.arrays["grad" if backward else "x"]), epilogue, types, out, 1)
    return _checked(way, name, result, bound_of(packed.compiled, types), weight)


def _checked(way: _Way, name: str, result: Array, bound: float, weight: str = "weight") -> Result:
    if way.layout == "inside a larger array" and _surroundings_changed(result):
        return way._result(name, np.inf, "cells beside the result were written")
    return way.check(name, result, bound, weight)


def bound_of(compiled: Compiled, types: Any) -> float:
    """As `Plan.error_bound`; 0 where whole numbers are summed exactly."""
    is_exact = compiled.error_growth == 1.0 and compiled.is_direct
    return 0.0 if is_exact else error_bound_of(compiled.lowered.terms, compiled.error_growth, types)


def _weight_gradients(case: Case, number: int, dtype: str, algorithms: Container[str] | None) -> Iterator[Result | Refusal]:
    spec, size = case.shape
    native = element_types(DTYPES[dtype]).native
    problem = gradient_problem(spec, size)
    for place, entry in enumerate(GRADIENTS):
        if algorithms is not None and entry.name not in algorithms:
            continue
        reason = entry.refusal(problem, native)
        if reason is not None:
            yield Refusal("weight gradient", entry.name, dtype, re.sub(r"\d+", "#", reason))
            continue
        way = _Way(case, number + place, dtype, "weight gradient")
        x, grad = (way.laid(case.arrays[name]) for name in ("x", "grad"))
        large, small = (
            (array.reshape(len(array), spec.groups, array.shape[1] // spec.groups, *array.shape[2:]))
            for array in ((grad, x) if spec.transposed else (x, grad))
        )
        out = np.full(spec.weight_shape, BESIDE, DTYPES[dtype])
        view = out.reshape(spec.groups, spec.weight_shape[0] // spec.groups, *spec.weight_shape[1:])
        kernel = WeightGradient(entry.name, native, chosen_isa(), native_problem(problem))
        if native == "uint64":
            kernel.run(large.view(np.uint64), small.view(np.uint64), view.view(np.uint64), 1)
        else:
            kernel.run(large, small, view, 1)
        bound = 0.0
        if entry.error_growth is not None:
            count = len(large) * int(np.prod(problem.out_size)) + 1
            bound = entry.error_growth(problem, native) * count * float(np.finfo(DTYPES[dtype]).eps) / 2
        yield way.check(entry.name, out, bound)


def _whole_calls(case: Case, dtypes: tuple[str, ...]) -> Iterator[Result]:
    """What people call: the algorithm chosen, the padding skipped, weights that are outer products; counted under the name of what ran."""
    spec, size = case.shape
    for dtype in dtypes:
        given = {name: in_dtype(array, DTYPES[dtype]) for name, array in case.arrays.items()}
        x, weight, bias, grad = (given[name] for name in ("x", "weight", "bias", "grad"))
        plan = fl.plan(spec, x.shape, DTYPES[dtype])
        bound = plan.error_bound if not plan._compiled.is_direct else 0.0
        way = _Way(case, 0, dtype, "forward")
        yield way.check("whole call", plan(x, weight, bias), bound)
        yield way.check("whole call, exact", fl.conv(spec, x, weight, bias, accuracy="exact"), 0.0)
        if dtype in ("float32", "float64") and spec.ndim > 1:
            prepared = plan.prepare(given["factored"], bias)
            name = "separable" if prepared.algorithm == "separable" else "whole call, outer products"
            yield way.check(name, prepared(x), plan.error_bound, "factored")
        back = _Way(case, 0, dtype, "input gradient")
        yield back.check("whole call, exact", fl.conv_input_grad(spec, grad, weight, size, accuracy="exact"), 0.0)
        yield _Way(case, 0, dtype, "weight gradient").check("whole call, exact", fl.conv_weight_grad(spec, x, grad, accuracy="exact"), 0.0)
