"""Hypothesis strategies: valid specs with inputs that fit them, small enough for the reference.

The one to reach for is `problems`, which draws a `Problem`: a spec, an input size that gives an output, a
batch size, and integer arrays for all of them::

    @given(problems())
    def test_forward(problem):
        x, weight, bias = problem.arrays()
        check_same(fl.conv(problem.spec, x, weight, bias), reference.conv(problem.spec, x, weight, bias))

Every argument narrows the search, and what is not narrowed varies: ``problems(max_axes=2, modes=["zeros"],
transposed=False)``. Sizes stay small (kernels of 1 to 4 cells, at most some thousand products), because a bug in the logic
of a convolution shows in small ones; sizes around the tiles of a kernel belong to tests of that kernel.

No example is thrown away: input sizes are built so that a window fits, they are not filtered by
`ConvSpec.output_size`, which may be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from faltung.borders import PADDING_MODES
from faltung.geometry import PADDING_RULES
from faltung.spec import ConvSpec

__all__ = ["Problem", "integers_of_shape", "problems", "specs"]


@dataclass(frozen=True)
class Problem:
    """A spec and an input that fits it.

    Attributes
    ----------
    spec : ConvSpec
    input_size : tuple of int
        Spatial.
    batch : int
    seed : int
        Of the arrays; 0, the simplest, counts 1, 2, 3, … so that a failing example can be followed by hand.
    """

    spec: ConvSpec
    input_size: tuple[int, ...]
    batch: int
    seed: int

    @property
    def input_shape(self) -> tuple[int, ...]:
        """``(N, in, *input_size)``."""
        return (self.batch, self.spec.in_channels, *self.input_size)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """``(N, out, *output_size)``."""
        return self.spec.output_shape(self.input_shape)

    def arrays(self, dtype: Any = np.int64) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Input (N, in, *input_size), weight and bias (None without one): whole numbers from -4 to 4, as `dtype`.

        Sums of their products are exact in every dtype with 11 bits of mantissa or more, as long as there
        are fewer than 128 products in a sum; unsigned dtypes get 0 to 8.
        """
        x, weight = integers_of_shape(self.input_shape, self.seed, dtype), integers_of_shape(self.spec.weight_shape, self.seed + 1, dtype)
        bias = integers_of_shape((self.spec.out_channels,), self.seed + 2, dtype) if self.spec.bias else None
        return x, weight, bias

    def output_grad(self, dtype: Any = np.int64) -> np.ndarray:
        """A gradient of the output (N, out, *output_size), of the same kind as `arrays`."""
        return integers_of_shape(self.output_shape, self.seed + 3, dtype)


def integers_of_shape(shape: Sequence[int], seed: int, dtype: Any = np.int64) -> np.ndarray:
    """Whole numbers from -4 to 4 (unsigned and bool: 0 to 8) as `dtype`; complex ones with such an imaginary part too.

    Seeds below 4 count upwards instead of being random.
    """
    dtype = np.dtype(dtype)
    shape = tuple(shape)
    if seed < 4:
        values = (np.arange(np.prod(shape, dtype=int)) + seed).reshape(shape) % 9 - 4
        imaginary = values[..., ::-1]
    else:
        rng = np.random.default_rng(seed)
        values, imaginary = rng.integers(-4, 5, shape), rng.integers(-4, 5, shape)
    if dtype.kind in "ub":
        return (values + 4).astype(dtype)
    if dtype.kind == "c":
        return (values + 1j * imaginary).astype(dtype)
    return values.astype(dtype)


@dataclass(frozen=True)
class _Axis:
    kernel: int
    stride: int
    dilation: int
    padding: tuple[int, int]
    output_padding: int
    input_size: int


@st.composite
def _axes(draw: st.DrawFn, rule: str | None, transposed: bool, largest: int, strides: int, pads_before: bool, allow_empty: bool) -> _Axis:
    """One axis; with numeric padding where `rule` is None."""
    kernel, dilation = draw(st.integers(1, largest)), draw(st.integers(1, min(largest, 3)))
    stride = 1 if rule == "same" else draw(st.integers(1, strides))
    extent = dilation * (kernel - 1) + 1
    padding = (0, 0) if rule else (draw(st.integers(-2, 3)), draw(st.integers(-2, 3)))
    crop = {"full": 2 * (extent - 1), "causal": extent - 1}.get(rule or "", sum(padding))
    same = rule is not None and rule.startswith("same")
    output_padding = draw(st.integers(0, max(stride, dilation) - 1)) if transposed and not same else 0
    if same:
        smallest = 1
    elif transposed:
        smallest = 1
        while (smallest - 1) * stride + extent - crop + output_padding < 1:
            smallest += 1
    else:
        smallest = max(extent - crop, 0)
    # An empty axis has nothing to put into its padding but zeros.
    least = 0 if allow_empty and not transposed and pads_before and smallest == 0 else max(smallest, 1)
    return _Axis(kernel, stride, dilation, padding, output_padding, draw(st.integers(least, least + largest)))


@st.composite
def problems(
    draw: st.DrawFn,
    *,
    min_axes: int = 1,
    max_axes: int = 4,
    transposed: bool | None = None,
    modes: Sequence[str] = PADDING_MODES,
    rules: Sequence[str | None] = (None, None, None, *PADDING_RULES),
    flip: bool | None = None,
    bias: bool | None = None,
    max_groups: int = 3,
    max_channels: int = 3,
    max_stride: int = 3,
    max_batch: int = 2,
    allow_empty: bool = False,
) -> Problem:
    """Valid problems of all kinds.

    Parameters
    ----------
    min_axes, max_axes : int
        Spatial axes; the more there are, the smaller each is.
    transposed, flip, bias : bool, optional
        Fixed to this value; drawn where None.
    modes : sequence of str
        Padding modes to draw from.
    rules : sequence of (str or None)
        Padding rules to draw from; None stands for numbers, -2 to 3 on each side of each axis.
    max_groups, max_channels : int
        Groups, and channels of one group on either side: (1, n) depthwise and (1, 1) are among them.
    max_stride, max_batch : int
    allow_empty : bool
        Also axes of no cells under padding that a window fits into (zero padding, not transposed).
    """
    ndim = draw(st.integers(min_axes, max_axes))
    largest = {1: 4, 2: 3, 3: 2}.get(ndim, 2)
    rule = draw(st.sampled_from(rules))
    turned = draw(st.booleans()) if transposed is None else transposed
    mode = draw(st.sampled_from(modes))
    axes = [draw(_axes(rule, turned, largest, min(max_stride, largest), mode == "zeros", allow_empty)) for _ in range(ndim)]
    groups = draw(st.integers(1, max_groups))
    spec = ConvSpec(
        in_channels=groups * draw(st.integers(1, max_channels)),
        out_channels=groups * draw(st.integers(1, max_channels)),
        kernel_size=tuple(axis.kernel for axis in axes),
        stride=tuple(axis.stride for axis in axes),
        padding=rule or tuple(axis.padding for axis in axes),
        dilation=tuple(axis.dilation for axis in axes),
        groups=groups,
        bias=draw(st.booleans()) if bias is None else bias,
        padding_mode=mode,
        transposed=turned,
        output_padding=tuple(axis.output_padding for axis in axes),
        flip=draw(st.booleans()) if flip is None else flip,
    )
    seed = draw(st.sampled_from([0]) | st.integers(4, 2**16))
    return Problem(spec, tuple(axis.input_size for axis in axes), draw(st.integers(1, max_batch)), seed)


def specs(**narrowed: Any) -> st.SearchStrategy[ConvSpec]:
    """The specs of `problems`, with the same arguments."""
    return problems(**narrowed).map(lambda problem: problem.spec)
