"""Batch normalisation after a convolution, folded into it."""

from __future__ import annotations

import numpy as np

from faltung.engine.arrays import as_array, element_types_of
from faltung.errors import ConvShapeError, ConvTypeError, shown
from faltung.identities.rewritten import Rewritten, changed, channel_groups, common_dtype, read, working_dtype
from faltung.spec import ConvSpec

__all__ = ["fold_batchnorm"]


def fold_batchnorm(
    spec: ConvSpec | str, weight: object, bias: object, mean: object, variance: object, gamma: object = None, beta: object = None, *,
    eps: float = 1e-5,
) -> Rewritten:  # fmt: skip
    """A convolution and the batch normalisation behind it, with its running statistics, as one convolution.

    Parameters
    ----------
    spec : ConvSpec or str
        Any, transposed too.
    weight : array of ``spec.weight_shape``
    bias : array (out,) or None
    mean, variance : array (out,)
        Running statistics; ``variance + eps`` must be positive.
    gamma, beta : array (out,), optional
        Scale and shift; 1 and 0 where not given.
    eps : float
        As in the layer; PyTorch's default, where Keras has 1e-3.

    Returns
    -------
    Rewritten
        With bias. In the common floating-point dtype of all arrays (float64 of integers).

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError

    Notes
    -----
    ``gamma * (conv(x) + bias - mean) / sqrt(variance + eps) + beta`` is affine in conv(x): the scale ``gamma / sqrt(variance + eps)``
    goes into the weight, the rest is the bias (Ioffe & Szegedy, "Batch Normalization", 2015, Algorithm 2, step 11). Computed in double
    precision and rounded once to the result's dtype: each weight is off by hardly more than half an ulp of it, in float64 by at most
    2 ulp. Statistics are frozen: it is the layer in evaluation, not in training.

    Examples
    --------
    >>> folded = fold_batchnorm("conv1d(1, 1, 2)", np.array([[[1.0, 2.0]]]), None, [3.0], [4.0], [10.0], [1.0], eps=0)
    >>> folded.weight, folded.bias
    (array([[[ 5., 10.]]]), array([-14.]))
    """
    spec, kernel, offset = read(spec, weight, bias)
    given = {"mean": mean, "variance": variance, "gamma": gamma, "beta": beta}
    arrays = {name: as_array(name, value) for name, value in given.items() if value is not None}
    for name in ("mean", "variance"):
        if name not in arrays:
            raise ConvTypeError(f"{name} is None, an array ({spec.out_channels},) is needed.", "Give the layer's running statistics.")
    element_types_of(**arrays)
    for name, array in arrays.items():
        if array.shape != (spec.out_channels,):
            raise ConvShapeError(
                f"{name} has shape {array.shape}, expected ({spec.out_channels},) = (out_channels,).", "Give one number per output channel."
            )
    if isinstance(eps, bool) or not isinstance(eps, int | float | np.integer | np.floating):
        raise ConvTypeError(f"eps={shown(eps)} is of type {type(eps).__name__}, a real number is needed.", "PyTorch's default is 1e-5.")
    if arrays["variance"].dtype.kind == "c":
        raise ConvTypeError("variance is complex, a real one is needed.", "Give the variance of the absolute value.")
    spread = arrays["variance"].astype(np.float64) + eps
    if not (spread > 0).all():
        channel = int(np.argmin(spread > 0))
        raise ConvShapeError(
            f"variance + eps = {float(spread[channel])} in channel {channel} is not positive.",
            "Give the variance, not the deviation's log; or a larger eps.",
        )
    dtype = common_dtype(weight=kernel, bias=offset, **arrays)
    if dtype.kind in "iu":
        dtype = np.dtype(np.float64)
    wide = working_dtype(dtype)
    scale = (arrays["gamma"].astype(wide) if "gamma" in arrays else np.ones(spec.out_channels, wide)) / np.sqrt(spread)
    shift = (0 if offset is None else offset.astype(wide)) - arrays["mean"].astype(wide)
    new_bias = shift * scale + (arrays["beta"].astype(wide) if "beta" in arrays else 0)
    values = channel_groups(kernel.astype(wide), spec.groups)
    per_group = scale.reshape(spec.groups, -1)
    # The output channels are the weight's first axis, of a transposed weight its second.
    per_weight = per_group[:, None, :] if spec.transposed else per_group[:, :, None]
    scaled = (values * per_weight.reshape(*per_weight.shape, *(1,) * spec.ndim)).reshape(kernel.shape)
    return Rewritten(changed(spec, bias=True), scaled.astype(dtype, copy=False), new_bias.astype(dtype, copy=False))
