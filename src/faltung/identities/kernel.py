"""Other weights for the same convolution: reversed, with the holes of the dilation filled, with all groups in one."""

from __future__ import annotations

import numpy as np

from faltung.engine.arrays import new_array, trailing
from faltung.identities.rewritten import Rewritten, changed, channel_groups, read, reversed_kernel
from faltung.spec import ConvSpec

__all__ = ["dense_from_grouped", "dilate_kernel", "flip"]


def flip(spec: ConvSpec | str, weight: object, bias: object = None) -> Rewritten:
    """Convolution as cross-correlation, and the other way round: the kernel reversed along every axis.

    Parameters
    ----------
    spec : ConvSpec or str
        With either value of `flip`.
    weight : array of ``spec.weight_shape``
    bias : array (out,), optional

    Returns
    -------
    Rewritten
        Its spec has the other value of `flip`; its weight is a view of the one given.

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError

    Notes
    -----
    ``sum over k of w[K-1-k] * x[o+k]`` becomes, with m = K-1-k, ``sum over m of w[m] * x[o+K-1-m]``. Exact. Goodfellow, Bengio &
    Courville, "Deep Learning", 2016, §9.1.

    Examples
    --------
    >>> rewritten = flip("conv1d(1, 1, 3, flip=True)", np.array([[[1, 2, 3]]]))
    >>> rewritten.spec.flip, rewritten.weight
    (False, array([[[3, 2, 1]]]))
    """
    spec, kernel, offset = read(spec, weight, bias)
    return Rewritten(changed(spec, flip=not spec.flip), reversed_kernel(kernel), offset)


def dilate_kernel(spec: ConvSpec | str, weight: object, bias: object = None) -> Rewritten:
    """A dilated convolution as one with a larger, sparse kernel: dilation zeros - 1 between the taps.

    Parameters
    ----------
    spec : ConvSpec or str
    weight : array of ``spec.weight_shape``
    bias : array (out,), optional

    Returns
    -------
    Rewritten
        Dilation 1 and the kernel size ``spec.effective_kernel_size``.

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError
        ConvShapeError also where the larger weight cannot be allocated.

    Notes
    -----
    Tap k of the dilated kernel stands ``k*dilation`` cells behind the first: it is tap ``k*dilation`` of the larger one, and the taps
    between are 0. Exact for finite inputs; an infinite input times such a 0 is NaN. Yu & Koltun, "Multi-Scale Context Aggregation by
    Dilated Convolutions", 2016, §2.

    Examples
    --------
    >>> dilate_kernel("conv2d(1, 1, (1, 3), dilation=2)", np.array([[[[1, 2, 3]]]])).weight
    array([[[[1, 0, 2, 0, 3]]]])
    """
    spec, kernel, offset = read(spec, weight, bias)
    larger = new_array("the dilated weight", (*kernel.shape[:2], *spec.effective_kernel_size), kernel.dtype, zeros=True)
    larger[trailing(slice(None, None, step) for step in spec.dilation)] = kernel
    fields = {"kernel_size": spec.effective_kernel_size, "dilation": 1}
    if any(axis.output_padding >= axis.stride for axis in spec.axes):  # allowed below the dilation, which is gone
        fields["padding"] = tuple((before, after - axis.output_padding) for axis in spec.axes for before, after in [axis.sides(1)])
        fields["output_padding"] = 0
    return Rewritten(changed(spec, **fields), larger, offset)


def dense_from_grouped(spec: ConvSpec | str, weight: object, bias: object = None) -> Rewritten:
    """A grouped convolution as one of a single group, its weight block diagonal over the channels.

    Parameters
    ----------
    spec : ConvSpec or str
    weight : array (out, in/groups, *k), transposed (in, out/groups, *k)
    bias : array (out,), optional

    Returns
    -------
    Rewritten
        One group; `groups` times the parameters and MACs, all but one in `groups` of them zeros.

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError
        ConvShapeError also where the larger weight cannot be allocated.

    Notes
    -----
    Output channels of one group have weight 0 for the input channels of every other. Exact for finite inputs; an infinite input times
    such a 0 is NaN. Krizhevsky, Sutskever & Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012, §3.5,
    has such groups.

    Examples
    --------
    >>> dense_from_grouped("conv1d(4, 2, 1, groups=2)", np.array([[[1], [2]], [[3], [4]]])).weight[:, :, 0]
    array([[1, 2, 0, 0],
           [0, 0, 3, 4]])
    """
    spec, kernel, offset = read(spec, weight, bias)
    first, second = kernel.shape[:2]
    blocks = (spec.groups, first // spec.groups, spec.groups, second)
    dense = new_array("the dense weight", (*blocks, *spec.kernel_size), kernel.dtype, zeros=True)
    diagonal = np.arange(spec.groups)
    dense[diagonal, :, diagonal] = channel_groups(kernel, spec.groups)
    return Rewritten(changed(spec, groups=1), dense.reshape(first, spec.groups * second, *spec.kernel_size), offset)
