"""The gradients of a convolution with respect to its input and its weight."""

from __future__ import annotations

from faltung.engine import gradient
from faltung.engine.arrays import Array, as_array
from faltung.engine.checks import as_spec
from faltung.functional.convolution import Ints
from faltung.spec import ConvSpec

__all__ = ["conv_input_grad", "conv_weight_grad"]


def conv_input_grad(spec: ConvSpec | str, grad: object, weight: object, input_size: Ints, *, accuracy: str = "default") -> Array:
    """The gradient with respect to the input.

    Parameters
    ----------
    spec : ConvSpec or str
        Of the forward convolution.
    grad : array (N, out, *o) or (out, *o)
        Gradient with respect to the output.
    weight : array of ``spec.weight_shape``
        Complex weights are conjugated, as in PyTorch.
    input_size : int or tuple of int
        Spatial size of the input; several may give the same output.
    accuracy : {"default", "exact"}
        As of `faltung.conv`.

    Returns
    -------
    array (N, in, *input_size) or (in, *input_size)

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError

    Examples
    --------
    >>> import numpy as np
    >>> conv_input_grad("conv1d(1, 1, 2)", np.array([[1, 10]]), np.array([[[1, 2]]]), (3,))
    array([[ 1, 12, 20]])
    """
    spec = as_spec(spec)
    size = spec.checked_size("input_size", input_size)
    return gradient.input_grad(spec, as_array("grad", grad), as_array("weight", weight), size, accuracy=accuracy)


def conv_weight_grad(spec: ConvSpec | str, x: object, grad: object, *, accuracy: str = "default") -> Array:
    """The gradient with respect to the weight, summed over the batch.

    Parameters
    ----------
    spec : ConvSpec or str
        Of the forward convolution.
    x : array (N, in, *i) or (in, *i)
        Complex inputs are conjugated, as in PyTorch.
    grad : array (N, out, *o) or (out, *o)
        Gradient with respect to the output.
    accuracy : {"default", "exact"}
        As of `faltung.conv`.

    Returns
    -------
    array of ``spec.weight_shape``

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError

    Examples
    --------
    >>> import numpy as np
    >>> conv_weight_grad("conv1d(1, 1, 2)", np.array([[1, 2, 3]]), np.array([[1, 10]]))
    array([[[21, 32]]])
    """
    return gradient.weight_grad(as_spec(spec), as_array("x", x), as_array("grad", grad), accuracy=accuracy)
