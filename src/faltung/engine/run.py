"""Arrays through a convolution: checked, converted, run, stored.

Owns what happens around the kernels: promotion, groups as an axis, where the result is written, in which
dtype it is returned.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import replace
from typing import Any

import numpy as np

from faltung.engine import tuning
from faltung.engine.algorithm import Request
from faltung.engine.arrays import Array, Described, ElementTypes, element_types_of, narrowed, new_array, out_array
from faltung.engine.checks import check_bias, check_weight
from faltung.engine.compiled import Compiled, compile_conv
from faltung.engine.epilogue import NOTHING, Epilogue
from faltung.engine.native import Program, get_num_threads
from faltung.engine.packed import PackedWeights
from faltung.errors import ConvPlanError, one_of
from faltung.spec import ConvSpec

__all__ = ["ACCURACIES", "TRAINING_SAMPLES", "allocate", "deliver", "native_bias", "programs", "run_again", "run_conv", "run_packed"]

ACCURACIES = ("default", "exact")

TRAINING_SAMPLES = 8
"""So many samples of a training step are supposed to share the packing of its weights."""


class _Programs(dict[Any, tuple[Program, ConvSpec]]):
    """What calls of the same kind were computed by, with the spec they named."""

    most = 1024

    def __init__(self) -> None:
        self.cache_clear = self.clear  # named as in other caches

    def remember(self, kind: Any, program: Program | None, spec: ConvSpec) -> None:
        """Keep a program, in the place of all others where there are too many."""
        if program is not None and kind is not None:
            if len(self) >= self.most:
                self.clear()
            self[kind] = program, spec


programs = _Programs()


def run_again(kind: Any, x: object, weight: object, bias: object, out: object, spec: object = None) -> Array | None:
    """The convolution of arrays that lie as kernels read them, where one of this kind has been run before; else None.

    Parameters
    ----------
    kind : hashable
        All arguments but the arrays, and what is checked of those: shape of x, dtype, shape of the weight unless the spec tells it.
    spec : ConvSpec, optional
        The one that `kind` knows by its identity.
    """
    try:
        program, known = programs[kind]
    except (KeyError, TypeError):
        return None
    if spec is not None and spec is not known:
        return None
    return program.convolve(x, weight, bias, out, get_num_threads())


def run_conv(
    spec: ConvSpec, x: Array, weight: Array, bias: Array | None, *, out: Array | None = None, accuracy: str = "default", kind: Any = None,
    samples: int = 1,
) -> Array:  # fmt: skip
    """The convolution of arrays of any kind; parameters, result and errors as of `faltung.conv`.

    What it takes is remembered for `run_again` with this `kind`. It is planned for so many samples, whatever their number is.
    """
    one_of("accuracy", accuracy, ACCURACIES, ConvPlanError)
    offset = None if bias is None else (bias.shape, bias.dtype)
    types, compiled = _checked(spec, x.shape, x.dtype, weight.shape, weight.dtype, offset, accuracy == "exact", samples)
    program = compiled.program(types)
    if program is not None:
        with contextlib.suppress(TypeError):  # lists among the arguments
            programs.remember(kind, program, spec)
        result = program.convolve(x, weight, bias, out, get_num_threads())
        if result is not None:
            return result
    packed = PackedWeights.of(compiled, types.to_kernel(weight), types)
    return run_packed(packed, x, NOTHING if bias is None else Epilogue(native_bias(bias, types)), types, out, get_num_threads())


@functools.lru_cache(maxsize=1024)
def _checked(
    spec: ConvSpec, x_shape: tuple[int, ...], x_dtype: np.dtype[Any], weight_shape: tuple[int, ...], weight_dtype: np.dtype[Any],
    bias: tuple[tuple[int, ...], np.dtype[Any]] | None, is_exact: bool, samples: int = 1,
) -> tuple[ElementTypes, Compiled]:  # fmt: skip
    """What depends on shapes and dtypes alone: the arguments checked, the kernels chosen."""
    weight, offset = Described(weight_shape, weight_dtype), None if bias is None else Described(*bias)
    types = element_types_of(x=Described(x_shape, x_dtype), weight=weight, bias=offset)
    check_weight(spec, weight)
    check_bias(spec, offset)
    _, size = spec.split_shape(x_shape)
    return types, compile_conv(spec, size, Request(types.form, is_exact=is_exact, is_prepared=False, samples=samples))


tuning.on_change(_checked.cache_clear)
tuning.on_change(programs.cache_clear)


def run_packed(packed: PackedWeights, x: Array, epilogue: Epilogue, types: ElementTypes, out: Array | None, threads: int) -> Array:
    """Run on a batched or unbatched `x`, whose rank and channels are checked; the result in `types.result`.

    Parameters
    ----------
    x : array (N, C, *in_size) or (C, *in_size)
    epilogue : Epilogue
        Its arrays in native form; the residual of the result's shape, batched or not.
    out : array, optional
        Checked here; any strides; may overlap the inputs.
    """
    compiled = packed.compiled
    spec, in_size, out_size = compiled.spec, compiled.lowered.in_size, compiled.lowered.out_size
    groups = spec.groups
    is_batched = x.ndim == spec.ndim + 2
    read, written = (spec.out_channels, spec.in_channels) if compiled.backward else (spec.in_channels, spec.out_channels)
    shape = (*x.shape[: x.ndim - spec.ndim - 1], written, *out_size)
    out = out_array(out, shape, types.result)
    native = types.to_kernel(x)
    batch = native.shape[0] if is_batched else 1
    grouped = native.reshape(batch, groups, read // groups, *in_size)
    result = (
        out
        if out is not None and _can_write(out, types, x, epilogue.bias, epilogue.residual, packed.weight)
        else new_array("the result", shape, types.result)
    )
    y = result.reshape(batch, groups, written // groups, *out_size)
    if epilogue.residual is not None:
        epilogue = replace(epilogue, residual=epilogue.residual.reshape(y.shape))
    if y.size:  # else there may be any number of empty samples
        packed.run(grouped, epilogue, y, threads)
    return deliver(result, out, types)


def allocate(shape: tuple[int, ...], types: ElementTypes) -> Array:
    """An array for the kernels to write: in the result's dtype, or in float32 for half-precision results."""
    return new_array("the result", shape, types.result if types.is_exact or types.is_complex else types.parts)


def deliver(result: Array, out: Array | None, types: ElementTypes) -> Array:
    """`result` in its final dtype, stored in `out` if one was given."""
    if out is None:
        if result.dtype == types.result:
            return result
        narrow = new_array("the result", result.shape, types.result)
        narrowed(result, narrow)  # may be infinite, as its definition says
        return narrow
    if result is not out:
        with np.errstate(over="ignore"):
            np.copyto(out, result, casting="same_kind")
    return out


def _can_write(out: Array, types: ElementTypes, *inputs: Array | None) -> bool:
    """Whether kernels may write straight into `out` while they read `inputs`."""
    native = out.dtype == types.result and out.dtype.isnative
    steps = all(stride % types.step_bytes == 0 for stride in out.strides)
    overlaps = any(array is not None and np.may_share_memory(out, array) for array in inputs)
    return bool(native and steps and out.flags.aligned and not overlaps)


def native_bias(bias: Array, types: ElementTypes) -> Array:
    """`bias` as the kernels take it: contiguous."""
    return np.ascontiguousarray(types.to_native(bias))
