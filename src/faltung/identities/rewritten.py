"""A convolution with its weights, and how the identities read the one they are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from faltung.engine.arrays import Array, as_array, element_types_of
from faltung.engine.checks import as_spec, check_bias, check_weight
from faltung.functional import conv
from faltung.notebook import table_html
from faltung.spec import ConvSpec

__all__ = ["Rewritten", "changed", "channel_groups", "common_dtype", "read", "reversed_kernel", "working_dtype"]


@dataclass(frozen=True, eq=False)
class Rewritten:
    """A convolution: its spec, its weight and its bias. Called on an input, it convolves it.

    Attributes
    ----------
    spec : ConvSpec
    weight : array of ``spec.weight_shape``
    bias : array (out,) or None
    """

    spec: ConvSpec
    weight: Array
    bias: Array | None = None

    def __call__(self, x: object) -> Array:
        """The convolution of x (N, in, *i) or (in, *i)."""
        return conv(self.spec, x, self.weight, self.bias)

    def _repr_html_(self) -> str:
        bias = "none" if self.bias is None else f"{self.bias.shape}, {self.bias.dtype}"
        rows = [("weight", f"{self.weight.shape}, {self.weight.dtype}"), ("bias", bias)]
        return table_html(str(self.spec), rows)


def read(spec: ConvSpec | str, weight: object, bias: object = None) -> tuple[ConvSpec, Array, Array | None]:
    """The arguments that all identities share, checked against one another.

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError
    """
    checked, array = as_spec(spec), as_array("weight", weight)
    offset = None if bias is None else as_array("bias", bias)
    element_types_of(weight=array, bias=offset)
    check_weight(checked, array)
    check_bias(checked, offset)
    return checked, array, offset


def changed(spec: ConvSpec, **fields: Any) -> ConvSpec:
    """`spec` with other values in some fields."""
    return ConvSpec(**{**spec.to_dict(), **fields})


def channel_groups(weight: Array, groups: int) -> Array:
    """A weight (a, b, *k) with its first axis split, (groups, a/groups, b, *k)."""
    return weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])


def reversed_kernel(weight: Array) -> Array:
    """A weight (a, b, *k) with every kernel axis reversed."""
    return weight[(slice(None), slice(None), *(slice(None, None, -1),) * (weight.ndim - 2))]


def common_dtype(**arrays: Array | None) -> np.dtype[Any]:
    """The dtype of a result of these arrays: 64-bit integers for integers, as the engine has it."""
    return element_types_of(**arrays).result


def working_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which new weights of `dtype` are summed: double precision, or the integers themselves.

    >>> working_dtype(np.dtype("float16")), working_dtype(np.dtype("int64"))
    (dtype('float64'), dtype('int64'))
    """
    return dtype if dtype.kind in "iu" else np.dtype(np.complex128 if dtype.kind == "c" else np.float64)
