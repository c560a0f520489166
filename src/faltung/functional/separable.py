"""Separable convolutions: one operation as two cheaper ones, over channels or over axes."""

from __future__ import annotations

import numpy as np

from faltung.engine.arrays import Array, ElementTypes, as_array, element_types_of
from faltung.engine.run import run_conv
from faltung.errors import ConvShapeError
from faltung.functional.convolution import Ints, Padding, as_bias, conv2d
from faltung.spec import ConvSpec

__all__ = ["depthwise_separable_conv2d", "separable_conv2d"]


def depthwise_separable_conv2d(
    x: object, depthwise: object, pointwise: object, bias: object = None, stride: Ints = 1, padding: Padding = 0, dilation: Ints = 1, *,
    padding_mode: str = "zeros", flip: bool = False, out: Array | None = None, accuracy: str = "default",
) -> Array:  # fmt: skip
    """A depthwise convolution, then a pointwise one that mixes the channels.

    Parameters
    ----------
    x : array (N, C, h, w) or (C, h, w)
    depthwise : array (C*m, 1, kh, kw)
        m kernels for each input channel.
    pointwise : array (O, C*m, 1, 1)
    bias : array (O,), optional
        Added after the pointwise convolution.
    stride, padding, dilation, padding_mode, flip
        Of the depthwise convolution, as in `ConvSpec`.
    out, accuracy
        As in `conv`.

    Returns
    -------
    array (N, O, oh, ow) or (O, oh, ow)

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError

    Notes
    -----
    Howard et al., "MobileNets", 2017, §3.1: C*kh*kw + C*O weights instead of C*O*kh*kw.

    Examples
    --------
    >>> import numpy as np
    >>> depthwise_separable_conv2d(np.ones((2, 3, 3), int), np.ones((2, 1, 3, 3), int), np.ones((4, 2, 1, 1), int)).ravel()
    array([18, 18, 18, 18])
    """
    image = _as_image(x)
    spatial, mixing, offset = as_array("depthwise", depthwise), as_array("pointwise", pointwise), as_bias(bias)
    spatial = _promoted(spatial, element_types_of(x=image, depthwise=spatial, pointwise=mixing, bias=offset))
    middle = conv2d(
        image, spatial, None, stride, padding, dilation, image.shape[-3], padding_mode=padding_mode, flip=flip, accuracy=accuracy
    )
    if mixing.shape[2:] != (1, 1):
        raise ConvShapeError(
            f"pointwise has shape {mixing.shape}, expected (O, {middle.shape[-3]}, 1, 1).", "Use weight[:, :, None, None]."
        )
    return conv2d(middle, mixing, offset, out=out, accuracy=accuracy)


def separable_conv2d(
    x: object, column: object, row: object, bias: object = None, stride: Ints = 1, padding: Padding = 0, dilation: Ints = 1, *,
    padding_mode: str = "zeros", flip: bool = False, out: Array | None = None, accuracy: str = "default",
) -> Array:  # fmt: skip
    """A spatially separable convolution of each channel: along the columns, then along the rows.

    Equal to a depthwise convolution with the kernel ``outer(column, row)``, for kh + kw products an output
    instead of kh*kw.

    Parameters
    ----------
    x : array (N, C, h, w) or (C, h, w)
    column : array (kh,) or (C, kh)
    row : array (kw,) or (C, kw)
    bias : array (C,), optional
    stride, padding, dilation, padding_mode, flip
        Of the whole, as in `ConvSpec`.
    out, accuracy
        As in `conv`.

    Returns
    -------
    array (N, C, oh, ow) or (C, oh, ow)

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError

    Examples
    --------
    >>> import numpy as np
    >>> separable_conv2d(np.arange(9).reshape(1, 3, 3), np.array([1, 2, 1]), np.array([-1, 0, 1]))
    array([[[8]]])
    """
    image = _as_image(x)
    channels = image.shape[-3]
    columns, rows, offset = _per_channel("column", column, channels), _per_channel("row", row, channels), as_bias(bias)
    columns = _promoted(columns, element_types_of(x=image, column=columns, row=rows, bias=offset))
    whole = ConvSpec(
        channels, channels, (columns.shape[1], rows.shape[1]), stride, padding, dilation, channels, True, padding_mode, flip=flip
    )
    vertical, horizontal = one_axis(whole, 0), one_axis(whole, 1)
    middle = run_conv(vertical, image, columns.reshape(vertical.weight_shape), None, accuracy=accuracy)
    return run_conv(horizontal, middle, rows.reshape(horizontal.weight_shape), offset, out=out, accuracy=accuracy)


def _as_image(x: object) -> Array:
    image = as_array("x", x)
    if image.ndim not in (3, 4):
        raise ConvShapeError(
            f"x has shape {image.shape}, {image.ndim} axes, expected 4 (N, C, H, W) or 3 (C, H, W).", "Add axes with x[None]."
        )
    return image


def _promoted(weight: Array, types: ElementTypes) -> Array:
    """The first weight in the dtype of all arrays together, so that the first of two steps knows of the second."""
    return weight.astype(types.stored, copy=False)


def one_axis(spec: ConvSpec, axis: int) -> ConvSpec:
    """`spec` along one of its axes; along the others a kernel of 1 that changes nothing."""
    fields = spec.to_dict()
    for name, neutral in (("kernel_size", 1), ("stride", 1), ("dilation", 1), ("padding", (0, 0))):
        if not isinstance(fields[name], str):
            fields[name] = tuple(value if index == axis else neutral for index, value in enumerate(fields[name]))
    return ConvSpec(**fields)


def _per_channel(name: str, value: object, channels: int) -> Array:
    """A 1-D kernel for each channel, (C, k), from (k,) or (C, k)."""
    taps = as_array(name, value)
    if taps.ndim == 1:
        taps = np.broadcast_to(taps, (channels, taps.shape[0]))
    if taps.ndim != 2 or taps.shape[0] != channels or taps.shape[1] == 0:
        raise ConvShapeError(
            f"{name} has shape {as_array(name, value).shape}, expected (k,) or ({channels}, k) = (channels, k), k at least 1.",
            "Give one kernel for all channels, or one for each.",
        )
    return taps
