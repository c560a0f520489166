"""Gradients of a convolution: with respect to its input, and to its weight.

The input's gradient is the spec run in the other direction; the weight's gradient is the kernels' second
kind of problem.
"""

from __future__ import annotations

import functools

import numpy as np

from faltung.engine.arrays import Array, element_types_of, is_finite
from faltung.engine.catalog import Request
from faltung.engine.checks import check_weight
from faltung.engine.compiled import LARGEST, compile_conv
from faltung.engine.epilogue import NOTHING
from faltung.engine.gradient_catalog import BY_NAME, choose_gradient
from faltung.engine.lowering import lower
from faltung.engine.native import WeightGradient, chosen_isa, get_num_threads, is_within
from faltung.engine.problem import Problem
from faltung.engine.run import ACCURACIES, allocate, deliver, run_packed
from faltung.errors import ConvPlanError, ConvShapeError, one_of
from faltung.spec import ConvSpec

__all__ = ["input_grad", "weight_grad"]


def input_grad(spec: ConvSpec, grad: Array, weight: Array, input_size: tuple[int, ...], *, accuracy: str = "default") -> Array:
    """The input's gradient; parameters, result and errors as of `faltung.conv_input_grad`."""
    one_of("accuracy", accuracy, ACCURACIES, ConvPlanError)
    types = element_types_of(grad=grad, weight=weight)
    check_weight(spec, weight)
    _check_grad(spec, grad, grad.shape[: max(grad.ndim - spec.ndim - 1, 0)][:1], input_size)
    compiled = compile_conv(spec, input_size, Request(types.native, is_exact=accuracy == "exact", is_prepared=False), backward=True)
    native = types.to_native(weight)
    packed = compiled.pack(native.conj() if types.is_complex else native, types)
    return run_packed(packed, grad, NOTHING, types, None, get_num_threads())


def weight_grad(spec: ConvSpec, x: Array, grad: Array, *, accuracy: str = "default") -> Array:
    """The weight's gradient; parameters, result and errors as of `faltung.conv_weight_grad`."""
    one_of("accuracy", accuracy, ACCURACIES, ConvPlanError)
    types = element_types_of(x=x, grad=grad)
    batch, input_size = spec.split_shape(x.shape)
    _check_grad(spec, grad, batch, input_size)
    if not batch:
        x, grad = x[None], grad[None]
    large, small = (_grouped(types.to_native(a), spec.groups) for a in ((grad, x) if spec.transposed else (x, grad)))
    result = allocate(spec.weight_shape, types)
    view = result.reshape(spec.groups, spec.weight_shape[0] // spec.groups, *spec.weight_shape[1:])
    if spec.flip:
        view = np.flip(view, tuple(range(3, view.ndim)))
    # What a transposed convolution stamps outside its output takes no part; read as zeros, 0 * inf would be NaN.
    careful = spec.transposed and not types.is_exact and not is_finite(small)
    choice = functools.partial(_kernel, spec, input_size, types.native, len(x))
    kernel, is_direct = choice("general") if careful else choice("exact" if accuracy == "exact" else "auto")
    if not is_direct and not all(_is_moderate(array, types.native) for array in (large, small)):
        kernel, is_direct = choice("exact")
    if types.is_complex:
        _run_complex(kernel, large, small, view, conjugate_small=spec.transposed)
    else:
        kernel.run(large, small, view.view(np.uint64) if types.is_exact else view, get_num_threads())
    return deliver(result, None, types)


def _is_moderate(array: Array, native: str) -> bool:
    """Whether all numbers, or both their parts, are of at most the `LARGEST` magnitude."""
    parts = (array.real, array.imag) if array.dtype.kind == "c" else (array,)
    return all(is_within(part, LARGEST[native], chosen_isa(), get_num_threads()) for part in parts)


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


def _check_grad(spec: ConvSpec, grad: Array, batch: tuple[int, ...], input_size: tuple[int, ...]) -> None:
    expected = (*batch, spec.out_channels, *spec.output_size(input_size))
    if grad.shape != expected:
        raise ConvShapeError(
            f"grad has shape {grad.shape}, expected {expected}.",
            f"It is the gradient of the output: {spec} maps input size {input_size} to {expected[-spec.ndim :]}.",
        )


def _grouped(array: Array, groups: int) -> Array:
    """(N, C, *size) as a view (N, groups, C / groups, *size)."""
    return array.reshape(array.shape[0], groups, array.shape[1] // groups, *array.shape[2:])


@functools.lru_cache(maxsize=512)
def _kernel(spec: ConvSpec, input_size: tuple[int, ...], native: str, batch: int, algorithm: str) -> tuple[WeightGradient, bool]:
    """The kernel for an algorithm, or for the best ("auto"), or the best that sums directly ("exact"); whether it does."""
    problem = _problem(spec, input_size)
    chooses = algorithm in ("auto", "exact")
    entry = choose_gradient(problem, native, batch, is_exact=algorithm == "exact") if chooses else BY_NAME[algorithm]
    return WeightGradient(entry.name, native, chosen_isa(), *problem.arguments), entry.is_direct


def _problem(spec: ConvSpec, input_size: tuple[int, ...]) -> Problem:
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
