"""Types of the compiled engine (native/bind/module.cpp). Only `faltung.engine` imports it.

Arrays carry an explicit group axis: x (N, G, IC, *I), weight and gw (G, OC, IC, *K), y and grad (N, G, OC, *O),
bias (G*OC,) contiguous; IC and OC count the channels of one group. Any element strides, native byte order, aligned.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

_Array: TypeAlias = NDArray[Any]
_Size: TypeAlias = Sequence[int]  # an entry for each axis
_Phases: TypeAlias = Sequence[Sequence[tuple[int, int, int, int, int, int, int]]]  # of each axis, the fields of `problem.Phase`
_TileClasses: TypeAlias = list[tuple[int, list[int]]]  # of one axis: the numbers of forms, and how many tiles lie side by side, run by run

_Pass: TypeAlias = tuple[_Array | None, int, int, str, float]  # weights or None for a mean, taps, cells before, mode, value beyond

def detected_isas() -> list[str]:
    """Instruction sets that this processor runs and this build holds, best last."""

def normalise_channels(
    x: _Array, y: _Array, isa: str, threads: int, weight: _Array | None, bias: _Array | None, epsilon: float
) -> None:  # fmt: skip
    """``y`` (N, C, P) = `x` with mean 0 and variance 1 over the channels, times `weight`, plus `bias`."""

def peak_flops(dtype: str, isa: str, threads: int, seconds: float) -> float:
    """Best multiply-add rate measured in `seconds`, flop/s of all threads together."""

def borrow_team(parallel: int, thread_number: int) -> None:
    """Run on the threads of the OpenMP runtime whose ``GOMP_parallel`` and ``omp_get_thread_num`` lie at these addresses; 0: our own."""

def finish(y: _Array, isa: str, threads: int, activation: str = "none", residual: _Array | None = None) -> None:
    """``y = activation(y + residual)`` of any shape and strides; `activation` is "none", "relu", "relu6" or, of floats, another."""

def set_float_state(flushes_denormals: bool) -> int:
    """From now on the current thread rounds to the nearest, and denormal numbers count or not; what was before."""

def restore_float_state(before: int) -> None:
    """What `set_float_state` returned."""

def is_within(array: _Array, largest: float, isa: str, threads: int, dtype: str = "", refuses_denormals: bool = False) -> bool:
    """Whether all numbers of an array of floats are finite and of at most this magnitude.

    `dtype` names half precision, passed as uint16; then it may also refuse denormals.
    """

def has_bfloat16_dots(isa: str) -> bool:
    """Whether this processor multiplies pairs of bfloat16 numbers."""

def product_rates(isa: str) -> tuple[float, float]:
    """Products of vectors that this processor begins in a cycle: of float32 numbers, and of pairs of bfloat16 numbers."""

def convert(source: _Array, target: _Array, dtype: str, isa: str, threads: int) -> None:
    """Half precision, passed as uint16, to float32 or back, of any strides."""

def max_pool(
    x: _Array, y: _Array, isa: str, threads: int, kernel: _Size, stride: _Size, before: _Size
) -> None:  # fmt: skip
    """``y`` (N, C, *O) = the largest number of each window of `x` (N, C, *I)."""

def memory_bandwidth(threads: int, seconds: float) -> float:
    """Best triad rate measured in `seconds`, bytes read and written per second."""

def idle_bytes() -> int:
    """Memory that was given back and is kept for the next results."""

def new_result(shape: _Size, dtype: object) -> _Array | None:
    """An array with unspecified contents, a large one in memory that earlier results gave back; None where there is no memory."""

def filter_lines(
    x: _Array, y: _Array, isa: str, threads: int, across: _Pass | None, along: _Pass | None, step: int, is_double: bool
) -> None:  # fmt: skip
    """``y`` = `x` (slices, rows, columns) filtered across its rows, then along them, where a row is `step` interleaved lines.

    Bool by its bytes. Neither may overlap the other. Between both passes sums are stored as cells of ``y``.
    """

def cut_off(sums: _Array, y: _Array, distance: float, isa: str, threads: int) -> bool:
    """``y`` = float64 `sums` cut off to integers of at most 32 bits, both in C order.

    Gives whether one is at most `distance` from a whole number.
    """

def filter_footprint(
    x: _Array, y: _Array, isa: str, threads: int, weights: _Array, before: _Size, modes: Sequence[str], beyond: float, is_double: bool
) -> None:  # fmt: skip
    """``y`` = the correlation of `x` with `weights` of as many axes, at least two; `before` cells of a window before its output's own."""

def fingerprint(address: int, nbytes: int, threads: int) -> int:
    """A checksum of memory, by which a change is noticed."""

@final
class SpectralShape:
    """How a spectral correlation is cut into transforms."""

    @property
    def size(self) -> int:
        """Of a transform; 0 where no shape serves the problem."""

    @property
    def outputs(self) -> int:
        """Columns of a block."""

    @property
    def row_taps(self) -> int:
        """Rows of the kernel, or runs of its taps."""

    @property
    def rows(self) -> int:
        """Rows of outputs, or blocks of them."""

    @property
    def band(self) -> int:
        """Rows computed together."""

    @property
    def rows_in_lanes(self) -> bool:
        """Else channels."""

    @property
    def folds(self) -> bool:
        """Whether rows are blocks of a signal."""

    @property
    def cycles(self) -> float:
        """Estimated for one sample on one core."""

    @property
    def packing_cycles(self) -> float:
        """Estimated for the weights on one core."""

    @property
    def error_growth(self) -> float:
        """The error bound over that of direct summation."""

def dilated_tiling(dtype: str, problem: Problem) -> tuple[_TileClasses, _TileClasses]:
    """The tiles that a dilated correlation of this problem would have along rows and columns; empty where it does not serve it."""

def spectral_shape(dtype: str, isa: str, problem: Problem) -> SpectralShape:
    """The shape that a spectral correlation of this problem would have; builds nothing."""

@final
class Problem:
    """A correlation, plain or transposed, in plain sizes.

    `mode` is "zeros", "absent", "circular", "reflect", "replicate" or "symmetric".

    Raises
    ------
    ValueError
        An argument breaks a rule.
    """

    def __init__(
        self, groups: int, in_channels: int, out_channels: int, in_size: _Size, out_size: _Size, kernel_size: _Size, stride: _Size,
        dilation: _Size, before: _Size, mode: str, phases: _Phases = (), keeps_axes: bool = False,
    ) -> None: ...  # fmt: skip

@final
class PackedWeight:
    """Weights in the order that one correlation reads them."""

    @property
    def nbytes(self) -> int: ...

class _Operation:
    """What both operations are made from; in the module they have no class in common.

    Raises
    ------
    ValueError
        A name is not known, or the algorithm cannot serve the problem.
    """

    def __init__(self, algorithm: str, dtype: str, isa: str, problem: Problem) -> None: ...
    @staticmethod
    def panel_bytes(algorithm: str, dtype: str, isa: str, problem: Problem) -> int:
        """Bytes of one thread's panel, computed without building anything; saturates at 2**62."""

@final
class Correlation(_Operation):
    """y[n,g,oc,o] = bias + sum over ic, k of w[g,oc,ic,k] * x[n,g,ic, o*stride + k*dilation - before].

    Immutable and safe to share between threads. `algorithm` is one of the families in native/kernels/registry.cpp; `dtype` "float32",
    "float64", "uint64" (which takes int64 arrays too), "float16" or "bfloat16" (both passed as uint16).
    """

    @property
    def packed_bytes(self) -> int:
        """Bytes of the packed weights."""

    def workspace_bytes(self, threads: int) -> int:
        """Scratch memory of one call, without packed weights."""

    def pack(self, weight: _Array, threads: int = 1, borrows: bool = False) -> PackedWeight:
        """Pack weights for `run`; correlations that differ in sizes or borders alone may share them.

        If it `borrows`, some families only note where the weights lie.
        """

    def pack_factors(self, factors: _Array) -> PackedWeight:
        """Of "separable", instead of `pack`: kernels that are sums of R outer products, as factors (R, G, OC, taps).

        The taps are those of all axes but the last, in order, then those of the last.
        """

    def keeps_bound(self, x: _Array, packed: PackedWeight, threads: int) -> bool:
        """Whether the stated error bound holds for the first sample of x, all of whose values are finite and of moderate size."""

    def run(
        self,
        x: _Array,
        packed: PackedWeight,
        bias: _Array | None,
        y: _Array,
        accumulate: bool,
        threads: int,
        activation: str = "none",
        residual: _Array | None = None,
    ) -> None:
        """``y = activation(correlation + bias + residual)``, plus what y holds where `accumulate`; `residual` as y, of any strides."""

@final
class Program:
    """A convolution by compiled kernels in one call, for contiguous weights and arrays that lie as kernels read them. Immutable.

    A step is (kernel, first cells and steps of what it writes along each axis, whether it adds to that, where its weights
    (G, OC, IC, *K) begin and their strides in contiguous weights). Shapes are those of a sample. Magnitudes up to `largest` are served.
    Unless it `keeps_denormals`, those of float32 and float64 count as zero.
    """

    def __init__(
        self,
        steps: Sequence[tuple[Correlation, _Size, _Size, bool, int, _Size]],
        groups: int,
        in_shape: _Size,
        out_shape: _Size,
        weight_shape: _Size,
        dtype: np.dtype[Any],
        largest: float,
        needs_finite_weight: bool,
        keeps_denormals: bool,
    ) -> None: ...
    def convolve(self, x: object, weight: object, bias: object, out: object, threads: int) -> _Array | None:
        """The convolution, or None where it does not serve these arguments: then nothing has been done."""

@final
class PreparedProgram:
    """A `Program` with its weights packed."""

    def __init__(self, program: Program, packed: Sequence[PackedWeight], bias: _Array | None, activation: str) -> None: ...
    def run(self, x: object, out: object, residual: object, threads: int) -> _Array | None:
        """The convolution, or None where it does not serve these arguments: then nothing has been done."""

    def run_at(self, x: int, y: int, residual: int, batch: int, is_channels_last: bool, threads: int) -> bool:
        """`run` from addresses of memory without gaps, `residual` 0 for none; False where it does not serve the values of x.

        The caller answers for shapes, dtypes and for `y` being apart from the others.
        """

@final
class WeightGradient(_Operation):
    """gw[g,oc,ic,k] = sum over n, o of grad[n,g,oc,o] * x[n,g,ic, o*stride + k*dilation - before].

    As `Correlation`.
    """

    def workspace_bytes(self, threads: int) -> int:
        """Scratch memory of one call."""

    def run(self, x: _Array, grad: _Array, gw: _Array, threads: int) -> None:
        """Write the gradient to gw."""

@final
class GradientProgram:
    """A weight gradient in one call, for arrays that lie as kernels read them. Immutable.

    Shapes are those of a sample of either side: the input and the gradient, or the other way round where the convolution is transposed.
    Magnitudes up to `largest` are served.
    """

    def __init__(
        self,
        kernel: WeightGradient,
        groups: int,
        large_shape: _Size,
        small_shape: _Size,
        weight_shape: _Size,
        dtype: np.dtype[Any],
        largest: float,
        needs_finite_small: bool,
        keeps_denormals: bool,
    ) -> None: ...
    def weight_grad(self, large: object, small: object, threads: int) -> _Array | None:
        """The gradient, or None where it does not serve these arguments: then nothing has been done."""
