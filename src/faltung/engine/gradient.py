"""Gradients of a convolution: with respect to its input, and to its weight.

The input's gradient is the spec run in the other direction; the weight's gradient is the kernels' second
kind of problem.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from faltung.engine.algorithm import Request
from faltung.engine.arrays import Array, Described, ElementTypes, element_types_of, is_finite
from faltung.engine.checks import check_weight
from faltung.engine.compiled import Compiled, compile_conv
from faltung.engine.epilogue import NOTHING
from faltung.engine.gradient_catalog import BY_NAME, choose_gradient
from faltung.engine.lowering import lower
from faltung.engine.magnitude import LARGEST, is_moderate
from faltung.engine.native import FloatState, GradientProgram, WeightGradient, chosen_isa, get_num_threads, native_problem
from faltung.engine.packed import PackedWeights
from faltung.engine.problem import Problem
from faltung.engine.run import ACCURACIES, TRAINING_SAMPLES, allocate, deliver, run_packed
from faltung.errors import ConvError, ConvPlanError, ConvShapeError, one_of
from faltung.spec import ConvSpec

__all__ = ["gradient_problem", "input_grad", "weight_grad"]


def input_grad(spec: ConvSpec, grad: Array, weight: Array, input_size: tuple[int, ...], *, accuracy: str = "default") -> Array:
    """The input's gradient; parameters, result and errors as of `faltung.conv_input_grad`."""
    one_of("accuracy", accuracy, ACCURACIES, ConvPlanError)
    types, compiled = _input_way(spec, grad.shape, grad.dtype, weight.shape, weight.dtype, input_size, accuracy == "exact")
    program = compiled.program(types)
    if program is not None:
        result = program.convolve(grad, weight, None, None, get_num_threads())
        if result is not None:
            return result
    native = types.to_kernel(weight)
    packed = PackedWeights.of(compiled, native.conj() if types.is_complex else native, types)
    return run_packed(packed, grad, NOTHING, types, None, get_num_threads())


@functools.lru_cache(maxsize=1024)
def _input_way(
    spec: ConvSpec, grad_shape: tuple[int, ...], grad_dtype: np.dtype[Any], weight_shape: tuple[int, ...], weight_dtype: np.dtype[Any],
    input_size: tuple[int, ...], is_exact: bool,
) -> tuple[ElementTypes, Compiled]:  # fmt: skip
    """What depends on shapes and dtypes alone: the arguments checked, the kernels chosen."""
    weight = Described(weight_shape, weight_dtype)
    types = element_types_of(grad=Described(grad_shape, grad_dtype), weight=weight)
    check_weight(spec, weight)
    _check_grad(spec, grad_shape, grad_shape[: max(len(grad_shape) - spec.ndim - 1, 0)][:1], input_size)
    request = Request(types.form, is_exact=is_exact, is_prepared=False, samples=TRAINING_SAMPLES)
    return types, compile_conv(spec, input_size, request, backward=True)


def weight_grad(spec: ConvSpec, x: Array, grad: Array, *, accuracy: str = "default") -> Array:
    """The weight's gradient; parameters, result and errors as of `faltung.conv_weight_grad`."""
    one_of("accuracy", accuracy, ACCURACIES, ConvPlanError)
    types, batch, program = _weight_way(spec, x.shape, x.dtype, grad.shape, grad.dtype, accuracy == "exact")
    large, small = (grad, x) if spec.transposed else (x, grad)
    if program is not None:
        found = program.weight_grad(large, small, get_num_threads())
        if found is not None:
            return found
    if not batch:
        large, small = large[None], small[None]
    large, small = (_grouped(types.to_native(a), spec.groups) for a in (large, small))
    result = allocate(spec.weight_shape, types)
    view = result.reshape(spec.groups, spec.weight_shape[0] // spec.groups, *spec.weight_shape[1:])
    if spec.flip:
        view = np.flip(view, tuple(range(3, view.ndim)))
    # What a transposed convolution stamps outside its output takes no part; read as zeros, 0 * inf would be NaN.
    careful = spec.transposed and not types.is_exact and not is_finite(small)
    choice = functools.partial(_kernel, spec, x.shape[-spec.ndim :], types.native, len(large))
    kernel, is_direct = choice("general") if careful else choice("exact" if accuracy == "exact" else "auto")
    if not is_direct and not all(is_moderate(array, types.native) for array in (large, small)):
        kernel, is_direct = choice("exact")
    with FloatState(flushes_denormals=accuracy == "default" and not types.is_half):
        if types.is_complex:
            _run_complex(kernel, large, small, view, conjugate_small=spec.transposed)
        else:
            kernel.run(large, small, view.view(np.uint64) if types.is_exact else view, get_num_threads())
    return deliver(result, None, types)


@functools.lru_cache(maxsize=1024)
def _weight_way(
    spec: ConvSpec, x_shape: tuple[int, ...], x_dtype: np.dtype[Any], grad_shape: tuple[int, ...], grad_dtype: np.dtype[Any], is_exact: bool
) -> tuple[ElementTypes, tuple[int, ...], GradientProgram | None]:
    """What depends on shapes and dtypes alone: the arguments checked; all of it as one native call, if kernels read the arrays so."""
    types = element_types_of(x=Described(x_shape, x_dtype), grad=Described(grad_shape, grad_dtype))
    batch, input_size = spec.split_shape(x_shape)
    _check_grad(spec, grad_shape, batch, input_size)
    if types.is_complex or (types.is_converted and not types.is_half) or spec.flip:
        return types, batch, None
    try:
        kernel, is_direct = _kernel(spec, input_size, types.native, math.prod(batch), "exact" if is_exact else "auto")
    except ValueError:  # unreasonably large, which is said where memory is asked for
        return types, batch, None
    shapes = x_shape[len(batch) :], grad_shape[len(batch) :]
    large, small = reversed(shapes) if spec.transposed else shapes
    largest = math.inf if is_direct else LARGEST[types.native]
    is_careful = spec.transposed and not types.is_exact
    return types, batch, GradientProgram(kernel, spec.groups, large, small, spec.weight_shape, types.result, largest, is_careful, is_exact)


def _run_complex(kernel: WeightGradient, large: Array, small: Array, view: Array, *, conjugate_small: bool) -> None:
    """``conj(x) * grad`` summed, by parts; x is the small side of a transposed convolution, else the large one."""
    threads = get_num_threads()
    part = np.empty(view.shape, view.real.dtype)
    with np.errstate(all="ignore"):  # as the kernels: inf - inf is NaN without a warning
        kernel.run(large.real, small.real, view.real, threads)
        kernel.run(large.imag, small.imag, part, threads)
        view.real += part
        kernel.run(large.real, small.imag, view.imag, threads)
        kernel.run(large.imag, small.real, part, threads)
        view.imag -= part
        if conjugate_small:
            view.imag *= -1


def _check_grad(spec: ConvSpec, grad_shape: tuple[int, ...], batch: tuple[int, ...], input_size: tuple[int, ...]) -> None:
    expected = (*batch, spec.out_channels, *spec.output_size(input_size))
    if grad_shape != expected:
        raise ConvShapeError(
            f"grad has shape {grad_shape}, expected {expected}.",
            f"It is the gradient of the output: {spec} maps input size {input_size} to {expected[-spec.ndim :]}.",
        )


def _grouped(array: Array, groups: int) -> Array:
    """(N, C, *size) as a view (N, groups, C / groups, *size)."""
    return array.reshape(array.shape[0], groups, array.shape[1] // groups, *array.shape[2:])


@functools.lru_cache(maxsize=512)
def _kernel(spec: ConvSpec, input_size: tuple[int, ...], native: str, batch: int, algorithm: str) -> tuple[WeightGradient, bool]:
    """The kernel for an algorithm, or for the best ("auto"), or the best that sums directly ("exact"); whether it does."""
    problem = gradient_problem(spec, input_size)
    chooses = algorithm in ("auto", "exact")
    entry = choose_gradient(problem, native, batch, is_exact=algorithm == "exact") if chooses else BY_NAME[algorithm]
    try:
        return WeightGradient(entry.name, native, chosen_isa(), native_problem(problem)), entry.is_direct
    except ConvError:
        raise
    except (MemoryError, ValueError) as error:  # sizes past what offsets of 64 bits reach
        raise ConvShapeError(f"the weight gradient of {spec} cannot be computed: {error}.", "Use smaller sizes or kernels.") from None


def gradient_problem(spec: ConvSpec, input_size: tuple[int, ...]) -> Problem:
    """The gather of `spec` between its large and its small side."""
    lower(spec, input_size, backward=False)  # refuses what cannot be run forward
    output_size = spec.output_size(input_size)
    small, large = (input_size, output_size) if spec.transposed else (output_size, input_size)
    return Problem(
        groups=spec.groups,
        in_channels=spec.weight_shape[1],
        out_channels=spec.weight_shape[0] // spec.groups,
        in_size=large,
        out_size=small,
        kernel_size=spec.kernel_size,
        stride=spec.stride,
        dilation=spec.dilation,
        before=tuple(before for before, _ in spec.sides(input_size)),
        mode="absent" if spec.transposed and spec.padding_mode == "zeros" else spec.padding_mode,
    )
