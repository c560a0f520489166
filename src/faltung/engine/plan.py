"""`plan`: which algorithm, why, at what cost, with what error bound; and weights prepared once.

Choosing is `choice`'s, running is `run`'s; this is their face.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from faltung.engine.algorithm import Request
from faltung.engine.arrays import Array, ElementTypes, as_array, element_types, element_types_of, promoted
from faltung.engine.catalog import CHOICES
from faltung.engine.checks import as_spec, check_bias, check_weight
from faltung.engine.choice import Decision
from faltung.engine.compiled import Compiled, compile_conv
from faltung.engine.epilogue import ACTIVATIONS, WHOLE, Epilogue
from faltung.engine.measure import tune as measure_and_remember
from faltung.engine.native import checked_threads, get_num_threads
from faltung.engine.packed import PackedWeights
from faltung.engine.run import ACCURACIES, native_bias, run_packed
from faltung.errors import ConvPlanError, ConvShapeError, ConvTypeError, one_of
from faltung.notebook import table_html
from faltung.spec import ConvSpec

__all__ = ["ACTIVATIONS", "Cost", "Decision", "Plan", "PreparedConv", "error_bound_of", "plan"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call costs: counts for the whole batch, and estimated seconds on one nominal core."""

    macs: int
    flops: int
    bytes_moved: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Plan:
    """How one convolution is computed; made by `plan`.

    Attributes
    ----------
    spec : ConvSpec
    input_shape : tuple of int
        ``(N, C, *spatial)`` or ``(C, *spatial)``.
    dtype : dtype
        Of the result.
    algorithm : str
        The name in the catalog; ``phases+NAME`` of a transposed convolution, whose phases NAME computes one by one or together;
        ``taps+NAME`` where NAME computes one tap after another, and products with the padding are left out, ``borders+NAME`` where it
        computes the outputs at the border apart, with fewer taps. Weights that are prepared may turn out to be sums of few outer
        products: `PreparedConv.algorithm` says what runs.
    why : tuple of Decision
        Every algorithm with its reason for or against.
    workspace_bytes : int
        Scratch, packed weights and converted copies of a call.
    cost : Cost
    error_bound : float
        c such that every ``|error| <= c * max over outputs of sum(|input| * |weight|)``, the bias counted as
        one more product, before a residual and an activation; 0 where integers are summed exactly (modulo 2**64).
        For Winograd's algorithms the maximum is over places of the kernel beyond the border as well, the outputs of
        ``padding="full"``: where there are no such places, or sums there are no larger, it is the same.
        Of numbers that are zero or normal: denormal ones count as zero, but under accuracy="exact" and in half precision.

    Examples
    --------
    >>> import faltung as fl
    >>> layer = fl.plan(fl.ConvSpec(64, 64, 3, padding=1, groups=64, bias=False, ndim=2), (1, 64, 56, 56))
    >>> layer.algorithm, layer.cost.macs
    ('depthwise', 1806336)
    >>> layer.why[0].algorithm, layer.why[0].reason
    ('pointwise', 'kernel 3×3 is not 1 along every axis')
    """

    spec: ConvSpec
    input_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    algorithm: str
    why: tuple[Decision, ...]
    workspace_bytes: int
    cost: Cost
    error_bound: float
    threads: int | None
    _types: ElementTypes = field(repr=False)
    _compiled: Compiled = field(repr=False)

    def __call__(self, x: object, weight: object, bias: object = None, *, out: Array | None = None) -> Array:
        """Convolve: `prepare` and call in one; arguments as in `faltung.conv`."""
        return self.prepare(weight, bias)(x, out=out)

    def prepare(self, weight: object, bias: object = None, activation: str | None = None) -> PreparedConv:
        """Pack the weights once, for many calls.

        Parameters
        ----------
        weight : array of ``spec.weight_shape``
        bias : array (out,), optional
        activation : {"relu", "relu6", "silu", "sigmoid", "hardsigmoid", "hardswish", "gelu"}, optional
            Applied to each result, with bias and residual, while it is in the cache; not for complex results, of integers
            relu and relu6 alone; gelu is that of the error function.
            Half precision is rounded once, after it.

        Raises
        ------
        ConvShapeError, ConvTypeError, ConvPlanError
        """
        kernel, offset = as_array("weight", weight), None if bias is None else as_array("bias", bias)
        check_weight(self.spec, kernel)
        check_bias(self.spec, offset)
        self._check_types("weight and bias", element_types_of(weight=kernel, bias=offset))
        if activation is not None:
            one_of("activation", activation, ACTIVATIONS, ConvPlanError)
            if self._types.is_complex or (self._types.is_exact and activation not in WHOLE):
                raise ConvTypeError(
                    f"activation={activation!r} is not defined for {self.dtype} results.", "Use real floating-point arrays."
                )
        native = self._types.to_kernel(kernel)
        # What is kept for another packing must not change with the caller's array.
        is_kept = not self._compiled.is_direct or self._compiled.most_rank > 1
        packed = PackedWeights.of(self._compiled, native.copy() if is_kept else native, self._types)
        added = None if offset is None else native_bias(offset, self._types).copy()
        return PreparedConv(self, packed, Epilogue(added, activation or "none"))

    def _repr_html_(self) -> str:
        rows = [(entry.algorithm, "chosen" if entry.chosen else "fits" if entry.fits else "refused", entry.reason) for entry in self.why]
        return table_html(f"{self.spec} on {self.input_shape}, {self.dtype}: {self.algorithm}", rows, ("algorithm", "", "why"))

    def _check_types(self, name: str, types: ElementTypes) -> None:
        """Raise `ConvTypeError` unless arrays of `types` fit into a plan of these types without loss."""
        together = promoted((name, "the plan"), (types.stored, self._types.stored))
        if together.result != self._types.result:
            raise ConvTypeError(
                f"{name} of dtype {types.stored} would make the result {together.result}, the plan was made for {self._types.result}.",
                f"Plan with dtype={together.stored.name!r}, or convert with astype({self._types.stored.name!r}).",
            )


class PreparedConv:
    """A convolution whose weights are packed; made by `Plan.prepare`. Safe to share between threads.

    Examples
    --------
    Kernels that are outer products, or sums of a few, are recognised:

    >>> import numpy as np
    >>> import faltung as fl
    >>> blur = np.exp(-np.square(np.arange(-7.0, 8.0)) / 18).astype(np.float32)
    >>> layer = fl.plan(fl.ConvSpec(1, 1, 15, padding=7, bias=False, ndim=2), (1, 480, 640))
    >>> prepared = layer.prepare(np.outer(blur, blur).reshape(1, 1, 15, 15))
    >>> prepared.algorithm
    'separable'
    """

    def __init__(self, plan: Plan, packed: PackedWeights, epilogue: Epilogue) -> None:
        self.plan = plan
        self._packed = packed
        self._epilogue = epilogue
        program = packed.program(epilogue)
        self._run = None if program is None else program.run
        self._run_at = None if program is None else program.run_at
        self._threads = plan.threads

    @property
    def algorithm(self) -> str:
        """What runs: the plan's algorithm, or one that these weights allow or ask for."""
        return self._packed.compiled.algorithm

    @property
    def why(self) -> tuple[Decision, ...]:
        """As `Plan.why`, of what runs."""
        return self._packed.compiled.decisions

    @property
    def packed_bytes(self) -> int:
        """Memory of the packed weights."""
        return self._packed.nbytes

    @property
    def activation(self) -> str | None:
        """The activation applied to each result."""
        return None if self._epilogue.activation == "none" else self._epilogue.activation

    def __call__(self, x: object, out: Array | None = None, residual: object = None) -> Array:
        """``activation(conv(x) + bias + residual)``.

        Parameters
        ----------
        x : array
            Of the plan's input shape; the batch may have another size.
        out : array, optional
            Takes the result; any strides; may overlap the inputs.
        residual : array, optional
            Of the result's shape, any strides.

        Raises
        ------
        ConvShapeError, ConvTypeError
        """
        if self._run is not None:
            result = self._run(x, out, residual, self._threads or get_num_threads())
            if result is not None:
                return result
        plan = self.plan
        array = as_array("x", x)
        plan._check_types("x", element_types(array.dtype, "x"))
        planned = plan.input_shape[-plan.spec.ndim - 1 :]
        if array.shape[-plan.spec.ndim - 1 :] != planned or array.ndim > plan.spec.ndim + 2:
            _, size = plan.spec.split_shape(array.shape)
            raise ConvShapeError(f"x has spatial size {size}, the plan was made for {planned[1:]}.", "Make a plan for each input size.")
        epilogue = self._epilogue if residual is None else replace(self._epilogue, residual=self._checked_residual(residual, array))
        return run_packed(self._packed, array, epilogue, plan._types, out, plan.threads or get_num_threads())

    def run_at(self, x: int, y: int, residual: int, batch: int, is_channels_last: bool) -> bool:
        """The same from addresses of memory without gaps, for whoever holds arrays of another library.

        Parameters
        ----------
        x, y, residual : int
            Addresses of `batch` samples of the plan's dtype and shapes, `y` apart from the others; residual 0 for none.
        is_channels_last : bool
            Of all three; else channels come first.

        Returns
        -------
        bool
            False if nothing has been done and the call with arrays has to do it.
        """
        return self._run_at is not None and self._run_at(x, y, residual, batch, is_channels_last, self._threads or get_num_threads())

    def _checked_residual(self, residual: object, x: Array) -> Array:
        """`residual` in native form, if it has the shape of the result for `x`."""
        plan, array = self.plan, as_array("residual", residual)
        plan._check_types("residual", element_types(array.dtype, "residual"))
        expected = plan.spec.output_shape(x.shape)
        if array.shape != expected:
            raise ConvShapeError(f"residual has shape {array.shape}, the result {expected}.", "Give one number for each of the result's.")
        return plan._types.to_kernel(array)

    def __repr__(self) -> str:
        return f"PreparedConv({self.plan.spec}, {self.plan.input_shape}, {self.plan.dtype.name}, {self.algorithm!r})"


def plan(
    spec: ConvSpec | str,
    input_shape: Sequence[int],
    dtype: object = "float32",
    *,
    threads: int | None = None,
    accuracy: str = "default",
    algorithm: str = "auto",
    tune: bool = False,
) -> Plan:
    """Decide how a convolution is computed.

    Parameters
    ----------
    spec : ConvSpec or str
    input_shape : sequence of int
        ``(N, C, *spatial)`` or ``(C, *spatial)``.
    dtype : dtype
        Common dtype of the arrays.
    threads : int, optional
        At most so many; default `faltung.get_num_threads` at each call. The result never depends on it.
    accuracy : {"default", "exact"}
        "exact" sums directly, in one order whatever the sizes; "default" may use any algorithm within `Plan.error_bound`,
        and counts denormal numbers as zero.
    algorithm : str
        A name of the catalog, or "auto".
    tune : bool
        With "auto", first measure the algorithms that serve this convolution, for about a third of a second, and remember the fastest on
        this machine: in this process, and in the user's cache folder for later ones (`faltung tune --help`).

    Returns
    -------
    Plan

    Raises
    ------
    ConvPlanError
        Unknown accuracy or algorithm, or one that does not serve this convolution.
    ConvSpecError, ConvShapeError, ConvTypeError
    """
    spec = as_spec(spec)
    one_of("accuracy", accuracy, ACCURACIES, ConvPlanError)
    one_of("algorithm", algorithm, CHOICES, ConvPlanError)
    threads = None if threads is None else checked_threads("threads", threads)
    types = element_types(dtype)
    output_shape = spec.output_shape(input_shape)
    batch, size = spec.split_shape(input_shape)
    if tune and algorithm == "auto" and 0 not in output_shape:
        measure_and_remember(spec, (*batch, spec.in_channels, *size), types.stored, is_exact=accuracy == "exact")
    compiled = compile_conv(spec, size, Request(types.form, algorithm, accuracy == "exact"))
    samples = math.prod(batch)
    parts = 4 if types.is_complex else 1
    memory = spec.memory(input_shape, types.stored.name)
    converted = (memory.input_bytes + memory.output_bytes) // types.stored.itemsize * types.parts.itemsize if types.is_converted else 0
    cost = Cost(
        macs=samples * spec.macs(size),
        flops=samples * spec.flops(size),
        bytes_moved=memory.total_bytes,
        seconds=samples * parts * compiled.seconds,
    )
    return Plan(
        spec=spec,
        input_shape=(*batch, spec.in_channels, *size),
        dtype=types.result,
        algorithm=compiled.algorithm,
        why=compiled.decisions,
        workspace_bytes=compiled.workspace_bytes(threads or get_num_threads()) + converted if math.prod(output_shape) else 0,
        cost=cost,
        error_bound=error_bound_of(compiled.lowered.terms, compiled.error_growth, types),
        threads=threads,
        _types=types,
        _compiled=compiled,
    )


def error_bound_of(terms: int, growth: float, types: ElementTypes) -> float:
    """gamma_n of Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., §3.1, for a sum of `terms` products, times `growth`."""
    if types.is_exact:
        return 0.0
    unit = float(np.finfo(types.parts).eps) / 2
    rounded = (terms + 1) * (2 if types.is_complex else 1)
    bound = growth * rounded * unit / (1 - rounded * unit) if rounded * unit < 1 else math.inf
    if types.is_complex:
        return bound * math.sqrt(2)
    if types.result.itemsize == 2:  # the sum is rounded once more when it is stored
        stored = 2.0**-8 if types.result.name == "bfloat16" else 2.0**-11
        return bound + stored * (1 + bound)
    return bound
