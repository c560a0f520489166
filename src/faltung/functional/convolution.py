"""`conv` by a spec, and PyTorch's ``conv1d`` … ``conv_transpose3d``, whose channels are read off the weight."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from faltung.engine.arrays import Array, as_array
from faltung.engine.checks import as_spec
from faltung.engine.run import run_again, run_conv
from faltung.errors import ConvShapeError
from faltung.normal_form import integer
from faltung.spec import ConvSpec

__all__ = ["conv", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]

Ints = int | Sequence[int]
Padding = int | Sequence[int] | Sequence[Sequence[int]] | str


def conv(
    spec: ConvSpec | str, x: object, weight: object, bias: object = None, *, out: Array | None = None, accuracy: str = "default"
) -> Array:
    """Convolve by a spec: any number of axes, any field.

    Parameters
    ----------
    spec : ConvSpec or str
    x : array (N, in, *i) or (in, *i)
    weight : array of ``spec.weight_shape``
        ``(out, in/groups, *k)``, transposed ``(in, out/groups, *k)``.
    bias : array (out,), optional
    out : array (N, out, *o), optional
        Written and returned; its dtype must be able to hold the result. It may overlap the inputs.
    accuracy : {"default", "exact"}
        "exact" sums directly in one order, whatever the sizes: a part of an array has the bits of the whole. Denormal numbers of
        float32 and float64 count in it, and as zero by default, where infinity times one of them may be NaN.

    Returns
    -------
    array (N, out, *o) or (out, *o)

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError
        Each names the argument, the rule, its arithmetic and a remedy.

    Notes
    -----
    Output o sums ``weight[k] * x[o*stride + k*dilation - before]`` over taps and input channels
    (Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2018). The error of the
    result is bounded by ``plan(...).error_bound``.

    Examples
    --------
    >>> import numpy as np
    >>> conv("conv1d(1, 1, 2, padding=1)", np.array([[1, 2, 3]]), np.array([[[1, 10]]]))
    array([[10, 21, 32,  3]])
    """
    kind = None
    if isinstance(x, np.ndarray):
        kind = (id(spec), x.shape, x.dtype, bias is None, accuracy)
        result = run_again(kind, x, weight, bias, out, spec)
        if result is not None:
            return result
    return run_conv(as_spec(spec), as_array("x", x), as_array("weight", weight), as_bias(bias), out=out, accuracy=accuracy, kind=kind)


def conv1d(
    x: object, weight: object, bias: object = None, stride: Ints = 1, padding: Padding = 0, dilation: Ints = 1, groups: int = 1, *,
    padding_mode: str = "zeros", flip: bool = False, out: Array | None = None, accuracy: str = "default",
) -> Array:  # fmt: skip
    """Convolve along 1 axis, as ``torch.nn.functional.conv1d``.

    Parameters
    ----------
    x : array (N, in, l) or (in, l)
    weight : array (out, in/groups, k)
    bias : array (out,), optional
    stride, padding, dilation, groups, padding_mode, flip
        As in `ConvSpec`.
    out, accuracy
        As in `conv`.

    Returns
    -------
    array (N, out, ol) or (out, ol)

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError

    Examples
    --------
    >>> import numpy as np
    >>> conv1d(np.array([[1, 2, 4]]), np.array([[[-1, 1]]]))
    array([[1, 2]])
    """
    return _conv_nd(
        1, x, weight, bias, out=out, accuracy=accuracy, stride=stride, padding=padding, dilation=dilation, groups=groups,
        padding_mode=padding_mode, flip=flip,
    )  # fmt: skip


def conv2d(
    x: object, weight: object, bias: object = None, stride: Ints = 1, padding: Padding = 0, dilation: Ints = 1, groups: int = 1, *,
    padding_mode: str = "zeros", flip: bool = False, out: Array | None = None, accuracy: str = "default",
) -> Array:  # fmt: skip
    """Convolve along 2 axes, as ``torch.nn.functional.conv2d``.

    Parameters
    ----------
    x : array (N, in, h, w) or (in, h, w)
    weight : array (out, in/groups, kh, kw)
    bias : array (out,), optional
    stride, padding, dilation, groups, padding_mode, flip
        As in `ConvSpec`.
    out, accuracy
        As in `conv`.

    Returns
    -------
    array (N, out, oh, ow) or (out, oh, ow)

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(9).reshape(1, 3, 3)
    >>> conv2d(image, np.array([[[[0, 1], [2, 3]]]]))
    array([[[19, 25],
            [37, 43]]])
    """
    return _conv_nd(
        2, x, weight, bias, out=out, accuracy=accuracy, stride=stride, padding=padding, dilation=dilation, groups=groups,
        padding_mode=padding_mode, flip=flip,
    )  # fmt: skip


def conv3d(
    x: object, weight: object, bias: object = None, stride: Ints = 1, padding: Padding = 0, dilation: Ints = 1, groups: int = 1, *,
    padding_mode: str = "zeros", flip: bool = False, out: Array | None = None, accuracy: str = "default",
) -> Array:  # fmt: skip
    """Convolve along 3 axes, as ``torch.nn.functional.conv3d``.

    Parameters
    ----------
    x : array (N, in, d, h, w) or (in, d, h, w)
    weight : array (out, in/groups, kd, kh, kw)
    bias : array (out,), optional
    stride, padding, dilation, groups, padding_mode, flip
        As in `ConvSpec`.
    out, accuracy
        As in `conv`.

    Returns
    -------
    array (N, out, od, oh, ow) or (out, od, oh, ow)

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError

    Examples
    --------
    >>> import numpy as np
    >>> conv3d(np.ones((1, 2, 2, 2), int), np.ones((1, 1, 2, 2, 2), int))
    array([[[[8]]]])
    """
    return _conv_nd(
        3, x, weight, bias, out=out, accuracy=accuracy, stride=stride, padding=padding, dilation=dilation, groups=groups,
        padding_mode=padding_mode, flip=flip,
    )  # fmt: skip


def conv_transpose1d(
    x: object, weight: object, bias: object = None, stride: Ints = 1, padding: Padding = 0, output_padding: Ints = 0, groups: int = 1,
    dilation: Ints = 1, *, out: Array | None = None, accuracy: str = "default",
) -> Array:  # fmt: skip
    """Transposed convolution along 1 axis, as ``torch.nn.functional.conv_transpose1d``.

    The adjoint of the strided correlation: each input cell stamps the kernel, overlaps add. Neither its
    inverse nor that of pooling.

    Parameters
    ----------
    x : array (N, in, l) or (in, l)
    weight : array (in, out/groups, k)
    bias : array (out,), optional
    stride, padding, output_padding, groups, dilation
        As in `ConvSpec`: padding crops the output, output_padding appends to it.
    out, accuracy
        As in `conv`.

    Returns
    -------
    array (N, out, ol) or (out, ol)

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError

    Examples
    --------
    >>> import numpy as np
    >>> conv_transpose1d(np.array([[1, 2]]), np.array([[[1, 1, 1]]]), stride=2)
    array([[1, 1, 3, 2, 2]])
    """
    return _conv_nd(
        1, x, weight, bias, transposed=True, out=out, accuracy=accuracy, stride=stride, padding=padding, output_padding=output_padding,
        groups=groups, dilation=dilation,
    )  # fmt: skip


def conv_transpose2d(
    x: object, weight: object, bias: object = None, stride: Ints = 1, padding: Padding = 0, output_padding: Ints = 0, groups: int = 1,
    dilation: Ints = 1, *, out: Array | None = None, accuracy: str = "default",
) -> Array:  # fmt: skip
    """Transposed convolution along 2 axes, as ``torch.nn.functional.conv_transpose2d``.

    The adjoint of the strided correlation: each input cell stamps the kernel, overlaps add. Neither its
    inverse nor that of pooling.

    Parameters
    ----------
    x : array (N, in, h, w) or (in, h, w)
    weight : array (in, out/groups, kh, kw)
    bias : array (out,), optional
    stride, padding, output_padding, groups, dilation
        As in `ConvSpec`: padding crops the output, output_padding appends to it.
    out, accuracy
        As in `conv`.

    Returns
    -------
    array (N, out, oh, ow) or (out, oh, ow)

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError

    Examples
    --------
    >>> import numpy as np
    >>> conv_transpose2d(np.array([[[1, 2], [3, 4]]]), np.array([[[[1, 0], [0, 1]]]]), stride=2)
    array([[[1, 0, 2, 0],
            [0, 1, 0, 2],
            [3, 0, 4, 0],
            [0, 3, 0, 4]]])
    """
    return _conv_nd(
        2, x, weight, bias, transposed=True, out=out, accuracy=accuracy, stride=stride, padding=padding, output_padding=output_padding,
        groups=groups, dilation=dilation,
    )  # fmt: skip


def conv_transpose3d(
    x: object, weight: object, bias: object = None, stride: Ints = 1, padding: Padding = 0, output_padding: Ints = 0, groups: int = 1,
    dilation: Ints = 1, *, out: Array | None = None, accuracy: str = "default",
) -> Array:  # fmt: skip
    """Transposed convolution along 3 axes, as ``torch.nn.functional.conv_transpose3d``.

    The adjoint of the strided correlation: each input cell stamps the kernel, overlaps add. Neither its
    inverse nor that of pooling.

    Parameters
    ----------
    x : array (N, in, d, h, w) or (in, d, h, w)
    weight : array (in, out/groups, kd, kh, kw)
    bias : array (out,), optional
    stride, padding, output_padding, groups, dilation
        As in `ConvSpec`: padding crops the output, output_padding appends to it.
    out, accuracy
        As in `conv`.

    Returns
    -------
    array (N, out, od, oh, ow) or (out, od, oh, ow)

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError

    Examples
    --------
    >>> import numpy as np
    >>> conv_transpose3d(np.ones((1, 1, 1, 1), int), np.ones((1, 1, 1, 1, 2), int), stride=2).shape
    (1, 1, 1, 2)
    """
    return _conv_nd(
        3, x, weight, bias, transposed=True, out=out, accuracy=accuracy, stride=stride, padding=padding, output_padding=output_padding,
        groups=groups, dilation=dilation,
    )  # fmt: skip


def as_bias(bias: object) -> Array | None:
    """`bias` as an array, or None."""
    return None if bias is None else as_array("bias", bias)


def exactly(value: Any) -> Any:
    """`value` as a key that tells 1 from True and from 1.0, which are equal.

    >>> exactly(1) == exactly(1.0), exactly((1, 2)) == exactly((True, 2)), exactly((1, 2)) == exactly((1, 2))
    (False, False, True)
    """
    kind = value.__class__
    if kind is int or kind is str:
        return value
    return (kind, *map(exactly, value)) if kind is tuple else (kind, value)


@functools.lru_cache(maxsize=1024)
def _cached_spec(_exact_fields: tuple[Any, ...], **fields: Any) -> ConvSpec:
    return ConvSpec(**fields)


def spec_of(**fields: Any) -> ConvSpec:
    """The spec of these fields, made once; with lists among them, which are not hashable, made anew."""
    try:
        return _cached_spec(exactly(tuple(fields.values())), **fields)
    except TypeError:
        return ConvSpec(**fields)


def _conv_nd(
    ndim: int, x: object, weight: object, bias: object, *, out: Array | None, accuracy: str, stride: Ints, padding: Padding, dilation: Ints,
    groups: int, padding_mode: str = "zeros", flip: bool = False, output_padding: Ints = 0, transposed: bool = False,
) -> Array:  # fmt: skip
    """A convolution of `ndim` axes whose channels are read off the weight."""
    kind = None
    if isinstance(x, np.ndarray) and isinstance(weight, np.ndarray):
        kind = (
            ndim, transposed, x.shape, x.dtype, weight.shape, bias is None, exactly(stride), exactly(padding), exactly(dilation),
            exactly(groups), padding_mode, flip, flip.__class__, exactly(output_padding), accuracy,
        )  # fmt: skip
        result = run_again(kind, x, weight, bias, out)
        if result is not None:
            return result
    fields = {"stride": stride, "padding": padding, "dilation": dilation}
    fields |= {"output_padding": output_padding} if transposed else {"padding_mode": padding_mode, "flip": flip}
    array, kernel, offset = as_array("x", x), as_array("weight", weight), as_bias(bias)
    shape = kernel.shape
    name = f"conv{'_transpose' if transposed else ''}{ndim}d"
    layout = "(in, out/groups" if transposed else "(out, in/groups"
    if len(shape) != ndim + 2:
        raise ConvShapeError(
            f"weight has shape {shape}, {len(shape)} axes; {name} takes {ndim + 2}: {layout}, {', '.join('k' * ndim)}).",
            "Add axes of size 1 with weight[None], or use the convolution with the right number of axes.",
        )
    if 0 in shape:
        raise ConvShapeError(
            f"weight has shape {shape}: an axis of size 0 leaves nothing to sum.", f"It is {layout}, *kernel_size), each at least 1."
        )
    groups = integer("groups", groups, least=1)
    first, second = shape[0], shape[1] * groups
    in_channels, out_channels = (first, second) if transposed else (second, first)
    spec = spec_of(
        in_channels=in_channels, out_channels=out_channels, kernel_size=shape[2:], groups=groups, transposed=transposed, **fields
    )
    _check_channels(array, spec, shape)
    return run_conv(spec, array, kernel, offset, out=out, accuracy=accuracy, kind=kind)


def _check_channels(x: Array, spec: ConvSpec, weight_shape: tuple[int, ...]) -> None:
    """Raise where x and a weight disagree on the channels, with the number of groups that would fit."""
    if x.ndim not in (spec.ndim + 1, spec.ndim + 2) or x.shape[-spec.ndim - 1] == spec.in_channels:
        return
    channels = x.shape[-spec.ndim - 1]
    reads = f"{weight_shape[0]}" if spec.transposed else f"{weight_shape[1]}*{spec.groups} = {spec.in_channels} (in/groups * groups)"
    groups, rest = divmod(channels, weight_shape[1])
    fits = not spec.transposed and groups > 0 and rest == 0 and weight_shape[0] % groups == 0
    raise ConvShapeError(
        f"x has {channels} channels (shape {x.shape}), the weight of shape {weight_shape} reads {reads}.",
        f"With groups={groups} they would fit."
        if fits
        else "Channels come first, (N, C, *spatial); for channels-last arrays use np.moveaxis.",
    )
