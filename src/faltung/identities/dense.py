"""Fully connected layers as convolutions, and convolutions of one size as fully connected layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faltung.engine.arrays import Array, as_array, element_types_of
from faltung.errors import ConvShapeError
from faltung.identities.matrix import as_matrix, check_entries
from faltung.identities.rewritten import Rewritten, common_dtype, read
from faltung.normal_form import entries, integer
from faltung.spec import ConvSpec

__all__ = ["Linear", "conv_to_linear", "linear_to_conv"]


@dataclass(frozen=True, eq=False)
class Linear:
    """A fully connected layer between flattened arrays. Called on an input, it multiplies.

    Attributes
    ----------
    weight : array (prod(output_shape), prod(input_shape))
    bias : array (prod(output_shape),) or None
    input_shape, output_shape : tuple of int
        (in, *i) and (out, *o), flattened in C order.
    """

    weight: Array
    bias: Array | None
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]

    def __call__(self, x: object) -> Array:
        """The layer's output (N, *output_shape) or (*output_shape) for x (N, *input_shape) or (*input_shape)."""
        image = as_array("x", x)
        axes = len(self.input_shape)
        if image.shape[-axes:] != self.input_shape or image.ndim - axes not in (0, 1):
            raise ConvShapeError(f"x has shape {image.shape}, expected (N, *{self.input_shape}) or {self.input_shape}.", "Check the size.")
        batch = image.shape[:-axes]
        dtype = common_dtype(x=image, weight=self.weight, bias=self.bias)
        flat = image.reshape(*batch, self.weight.shape[1]).astype(dtype, copy=False)
        out: Array = flat @ self.weight.T.astype(dtype, copy=False)
        if self.bias is not None:
            out = out + self.bias.astype(dtype, copy=False)
        return out.reshape(*batch, *self.output_shape)


def linear_to_conv(weight: object, bias: object, input_shape: Sequence[int]) -> Rewritten:
    """A fully connected layer over a flattened (C, *i) input as a convolution whose kernel is as large as the input.

    On larger inputs it is the layer at every position: how classifiers become fully convolutional.

    Parameters
    ----------
    weight : array (out, C * prod(i))
    bias : array (out,) or None
    input_shape : sequence of int
        (C, *i), without batch, each at least 1; as flattened in C order.

    Returns
    -------
    Rewritten
        Weight (out, C, *i); for an input of `input_shape` the output is (out, 1, …, 1).

    Raises
    ------
    ConvShapeError, ConvTypeError

    Notes
    -----
    ``y[oc] = sum over j of W[oc, j] * x.ravel()[j]``: with j = (ic, *k) unravelled it is the one window of a convolution. Exact. Long,
    Shelhamer & Darrell, "Fully Convolutional Networks for Semantic Segmentation", 2015, §3.1.

    Examples
    --------
    >>> layer = linear_to_conv(np.array([[1, 2, 3, 4]]), None, (1, 2, 2))
    >>> layer(np.ones((1, 2, 2), int)), layer(np.ones((1, 2, 3), int))
    (array([[[10]]]), array([[[10, 10]]]))
    """
    matrix = as_array("weight", weight)
    offset = None if bias is None else as_array("bias", bias)
    element_types_of(weight=matrix, bias=offset)
    given = entries(input_shape)
    if given is None or len(given) < 2:
        raise ConvShapeError(f"input_shape={input_shape!r} has no spatial axis.", "Give (C, length), (C, H, W), …; without batch.")
    channels, *size = (integer(f"input_shape[{axis}]", extent, least=1, error=ConvShapeError) for axis, extent in enumerate(given))
    if matrix.ndim != 2 or matrix.shape[0] == 0 or matrix.shape[1] != channels * math.prod(size):
        raise ConvShapeError(
            f"weight has shape {matrix.shape}, expected (out, {channels * math.prod(size)}) = (out, "
            f"{'*'.join(map(str, (channels, *size)))}), the product of input_shape.",
            "A layer after global pooling or flattening sees that layer's output: give its shape.",
        )
    spec = ConvSpec(channels, matrix.shape[0], tuple(size), bias=offset is not None)
    return Rewritten(*read(spec, matrix.reshape(spec.weight_shape), offset))


def conv_to_linear(spec: ConvSpec | str, weight: object, bias: object, input_size: int | Sequence[int]) -> Linear:
    """A convolution of one size as a fully connected layer: `as_matrix`, written out.

    Parameters
    ----------
    spec : ConvSpec or str
        Any.
    weight : array of ``spec.weight_shape``
    bias : array (out,) or None
    input_size : int or tuple of int
        Spatial.

    Returns
    -------
    Linear

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError
        ConvShapeError also where the weight would have more than 2**28 entries.

    Notes
    -----
    The same weights at every position, written out: a fully connected layer with shared weights, and zeros where no tap reaches
    (Goodfellow, Bengio & Courville, "Deep Learning", 2016, §9.2). Exact.

    Examples
    --------
    >>> layer = conv_to_linear("conv1d(1, 1, 2)", np.array([[[1, -1]]]), np.array([5]), 3)
    >>> layer.weight, layer.bias
    (array([[ 1, -1,  0],
           [ 0,  1, -1]]), array([5, 5]))
    """
    spec, kernel, offset = read(spec, weight, bias)
    size = spec.checked_size("input_size", input_size)
    input_shape, output_shape = (spec.in_channels, *size), spec.output_shape((spec.in_channels, *size))
    rows, columns = math.prod(output_shape), math.prod(input_shape)
    check_entries("the weight", rows * columns, f"{rows} outputs * {columns} inputs")
    repeated = None if offset is None else np.repeat(offset, math.prod(output_shape[1:]))
    return Linear(as_matrix(spec, kernel, size).toarray(), repeated, input_shape, output_shape)
