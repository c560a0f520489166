"""Two convolutions, one after the other, as one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from faltung.engine.arrays import Array, new_array, trailing
from faltung.errors import ConvSpecError
from faltung.geometry import Axis, extent_of
from faltung.identities.rewritten import Rewritten, channel_groups, common_dtype, read, reversed_kernel, working_dtype
from faltung.normal_form import Sides
from faltung.spec import ConvSpec

__all__ = ["compose"]


def compose(
    spec1: ConvSpec | str, spec2: ConvSpec | str, weight1: object, weight2: object, bias1: object = None, bias2: object = None, *,
    input_size: int | Sequence[int] | None = None,
) -> Rewritten:  # fmt: skip
    """Two convolutions with nothing between them as one: the first `spec1`, then `spec2`.

    Parameters
    ----------
    spec1, spec2 : ConvSpec or str
        Not transposed; ``spec2.in_channels == spec1.out_channels``. Any stride, dilation, groups, flip.
    weight1, weight2 : array of the spec's `weight_shape`
    bias1, bias2 : array (out,), optional
    input_size : int or tuple of int, optional
        Spatial size of the first one's input. Needed where padding depends on it (SAME rules with a stride); it also decides borders
        that are exact for some sizes only.

    Returns
    -------
    Rewritten
        Stride ``stride1*stride2``; groups ``gcd(groups1, groups2)``; ``flip=False``.

    Raises
    ------
    ConvSpecError
        No single convolution is equal at the border, or one of the two is transposed; the message has the reason.
    ConvShapeError, ConvTypeError

    Notes
    -----
    The first gives ``y[p] = sum over j of w1[j] * x[p*s1 + j*d1 - b1]``, the second sums ``w2[k] * y[o*s2 + k*d2 - b2]``. Together they
    sum ``w1[j]*w2[k] * x[o*s1*s2 + (j*d1 + k*d2*s1) - (b1 + s1*b2)]``: a kernel that is the convolution of both, the second one's
    spread by s1 (associativity; Oppenheim & Schafer, "Discrete-Time Signal Processing", 3rd ed. 2010, §2.4). The bias becomes
    ``bias2 + sum of w2 * bias1``.

    That holds where the second reads outputs of the first. What it reads from padding of its own must be what the first would give
    there. Served is what along each axis is one of these, and has one padding mode in all:

    - the second does not pad;
    - it pads with zeros, the first has no bias, and windows of the first out there see zero padding alone (full padding, or a kernel
      of 1);
    - the first has there kernel 1, stride 1 and no padding, and no bias if zeros are padded: any mode;
    - both are circular, the first with stride 1 and as many outputs as inputs.

    Exact in integers; other weights are summed in double precision and rounded once to the common dtype.

    Examples
    --------
    >>> both = compose("conv1d(1, 1, 2)", "conv1d(1, 1, 2, stride=2)", np.array([[[1, 1]]]), np.array([[[1, -1]]]))
    >>> both.weight, both.spec.stride
    (array([[[ 1,  0, -1]]]), (2,))
    >>> compose("conv1d(1, 1, 3)", "conv1d(1, 1, 3, padding=1)", np.ones((1, 1, 3)), np.ones((1, 1, 3)))
    Traceback (most recent call last):
    faltung.errors.ConvSpecError: along axis 0 the second pads (1, 1) with zeros where the first would give other values: its windows ...
      Move that padding to the first: padding (1, 1) more there, none in the second; only the outputs at the border change.
    """
    spec1, kernel1, offset1 = read(spec1, weight1, bias1)
    spec2, kernel2, offset2 = read(spec2, weight2, bias2)
    _check_pair(spec1, spec2)
    size = None if input_size is None else spec1.checked_size("input_size", input_size)
    sides1 = _sides(spec1, size, "first")
    sides2 = _sides(spec2, None if size is None else spec1.output_size(size), "second")
    mode = _padding_mode(spec1, spec2, sides1, sides2, offset1, size)
    spacing = tuple(map(_spacing, spec1.axes, spec2.axes))
    reach = (one.extent - 1 + one.stride * (two.extent - 1) for one, two in zip(spec1.axes, spec2.axes, strict=True))
    padding = zip(spec1.stride, sides1, sides2, strict=True)
    has_bias = offset1 is not None or offset2 is not None
    spec = ConvSpec(
        in_channels=spec1.in_channels,
        out_channels=spec2.out_channels,
        kernel_size=tuple(cells // step + 1 for cells, step in zip(reach, spacing, strict=True)),
        stride=tuple(one * two for one, two in zip(spec1.stride, spec2.stride, strict=True)),
        padding=tuple((before1 + step * before2, after1 + step * after2) for step, (before1, after1), (before2, after2) in padding),
        dilation=spacing,
        groups=math.gcd(spec1.groups, spec2.groups),
        bias=has_bias,
        padding_mode=mode,
    )
    dtype = common_dtype(weight1=kernel1, weight2=kernel2)
    weight = _composed_weight(spec1, spec2, kernel1, kernel2, spec, working_dtype(dtype)).astype(dtype, copy=False)
    return Rewritten(spec, weight, _composed_bias(spec2, kernel2, offset1, offset2) if has_bias else None)


def _check_pair(spec1: ConvSpec, spec2: ConvSpec) -> None:
    for name, spec in (("spec1", spec1), ("spec2", spec2)):
        if spec.transposed:
            raise ConvSpecError(
                f"{name} is transposed: {spec}.",
                "With stride 1, transposed_as_conv makes a convolution of it; with a stride, compose the adjoints in the other order.",
            )
    if spec1.ndim != spec2.ndim:
        raise ConvSpecError(f"spec1 has {spec1.ndim} axes, spec2 has {spec2.ndim}.", "Both need the same number of axes.")
    if spec1.out_channels != spec2.in_channels:
        raise ConvSpecError(
            f"spec1 gives {spec1.out_channels} channels, spec2 takes {spec2.in_channels}.",
            "The first's out_channels are the second's in_channels; compose(first, second) applies the first one first.",
        )


def _sides(spec: ConvSpec, size: tuple[int, ...] | None, name: str) -> Sides:
    if size is not None:
        return spec.sides(size)
    if any(axis.is_same and axis.stride > 1 for axis in spec.axes):
        raise ConvSpecError(
            f"the {name}'s padding={spec.padding!r} with stride {spec.stride} depends on the input size.", "Give input_size, or numbers."
        )
    return spec.sides((1,) * spec.ndim)


# -- the border ----------------------------------------------------------------------------------


def _padding_mode(spec1: ConvSpec, spec2: ConvSpec, sides1: Sides, sides2: Sides, bias1: Array | None, size: tuple[int, ...] | None) -> str:
    """The padding mode of the whole; raises where the border cannot be equal."""
    modes: list[str] = []
    for axis in range(spec1.ndim):
        if max(sides1[axis]) > 0:
            modes.append(spec1.padding_mode)
        if max(sides2[axis]) > 0:
            modes.append(spec2.padding_mode)
            _check_border(spec1, spec2, axis, sides1[axis], sides2[axis], bias1, None if size is None else size[axis])
    if len(set(modes)) > 1:
        raise ConvSpecError(
            f"the first pads with {spec1.padding_mode!r} and the second with {spec2.padding_mode!r}: one convolution has one padding mode.",
            "Use the same mode in both, or keep the two apart.",
        )
    return modes[0] if modes else "zeros"


def _check_border(
    spec1: ConvSpec, spec2: ConvSpec, index: int, sides1: tuple[int, int], sides2: tuple[int, int], bias1: Array | None, cells: int | None
) -> None:
    """Raise unless what the second pads with along this axis is what the first would give there."""
    axis, mode = spec1.axes[index], spec2.padding_mode
    where = f"along axis {index} the second pads {sides2} with {mode}"
    if mode == "zeros" and bias1 is not None and bias1.any():
        raise ConvSpecError(f"{where}, but the first would give its bias there.", "Fold without bias1, or pad the first instead.")
    if (axis.kernel, axis.stride, sides1) == (1, 1, (0, 0)):
        return
    if mode == "zeros" and spec1.padding_mode == "zeros" and _sees_zeros(axis, sides1, sides2, cells):
        return
    if mode == spec1.padding_mode == "circular" and axis.stride == 1 and sum(sides1) == axis.extent - 1:
        return
    more = tuple(axis.stride * max(side, 0) for side in sides2)
    raise ConvSpecError(
        f"{where} where the first would give other values: its windows of {axis.extent} cells at stride {axis.stride}, padding {sides1}, "
        "may reach the input there.",
        f"Move that padding to the first: padding {more} more there, none in the second; only the outputs at the border change.",
    )


def _sees_zeros(axis: Axis, sides: tuple[int, int], read: tuple[int, int], cells: int | None) -> bool:
    """Whether every window of the first beyond its outputs, where the second reads, holds zero padding alone.

    The window before output 0 ends at ``extent - 1 - stride - before``, to be negative. The one after the last output begins at
    ``outputs*stride - before``, to be at least the number of cells; over all sizes that is so if after >= extent - 1.
    """
    before, after = sides
    if read[0] > 0 and axis.extent > axis.stride + before:
        return False
    if read[1] <= 0:
        return True
    return after >= axis.extent - 1 if cells is None else axis.output_size(cells) * axis.stride - before >= cells


# -- the weights ---------------------------------------------------------------------------------


def _spacing(one: Axis, two: Axis) -> int:
    """The largest dilation on whose grid all composed taps lie."""
    steps = ([one.dilation] if one.kernel > 1 else []) + ([two.dilation * one.stride] if two.kernel > 1 else [])
    return math.gcd(*steps) or 1


def _composed_weight(
    spec1: ConvSpec, spec2: ConvSpec, kernel1: Array, kernel2: Array, spec: ConvSpec, dtype: np.dtype[np.generic]
) -> Array:
    first, second = _in_groups(spec1, kernel1, spec.groups, dtype), _in_groups(spec2, kernel2, spec.groups, dtype)
    shape = (spec.groups, spec.out_channels // spec.groups, spec.in_channels // spec.groups, *spec.kernel_size)
    weight = new_array("the composed weight", shape, dtype, zeros=True)
    for taps in itertools.product(*map(range, spec2.kernel_size)):
        place = []
        for tap, one, two, spacing in zip(taps, spec1.axes, spec2.axes, spec.dilation, strict=True):
            # With one tap alone the step is of no meaning, and the dilation need not be a multiple of the spacing.
            step = one.dilation // spacing if one.kernel > 1 else 1
            start = tap * two.dilation * one.stride // spacing
            place.append(slice(start, start + extent_of(one.kernel, step), step))
        weight[trailing(place)] += np.einsum("gom,gmi...->goi...", second[trailing(taps)], first)
    return weight.reshape(spec.weight_shape)


def _in_groups(spec: ConvSpec, kernel: Array, groups: int, dtype: np.dtype[np.generic]) -> Array:
    """The correlation's weight in fewer groups, (groups, out/groups, in/groups, *k): each holds several as diagonal blocks."""
    values = channel_groups((reversed_kernel(kernel) if spec.flip else kernel).astype(dtype), spec.groups)
    held = spec.groups // groups
    outputs, inputs = values.shape[1:3]
    blocks = np.zeros((groups, held, outputs, held, inputs, *spec.kernel_size), dtype)
    diagonal = np.arange(held)
    # Two indices apart put their axis first: (held, groups, outputs, inputs, *k).
    blocks[:, diagonal, :, diagonal] = values.reshape(groups, held, *values.shape[1:]).swapaxes(0, 1)
    return blocks.reshape(groups, held * outputs, held * inputs, *spec.kernel_size)


def _composed_bias(spec2: ConvSpec, kernel2: Array, bias1: Array | None, bias2: Array | None) -> Array:
    dtype = common_dtype(weight2=kernel2, bias1=bias1, bias2=bias2)
    wide = working_dtype(dtype)
    total = np.zeros(spec2.out_channels, wide)
    if bias1 is not None:
        sums = channel_groups(kernel2.astype(wide).sum(axis=tuple(range(2, kernel2.ndim))), spec2.groups)
        total += np.einsum("gom,gm->go", sums, bias1.astype(wide).reshape(spec2.groups, -1)).ravel()
    if bias2 is not None:
        total += bias2.astype(wide)
    return total.astype(dtype, copy=False)
