"""PyTorch's and Faltung's convolution operators as specs."""

from __future__ import annotations

from typing import Any

from faltung.model.operations import Convolve, Unknown
from faltung.model.torch_module.call import Call, Plan, Reader, repeated
from faltung.spec import ConvSpec

__all__ = ["CONVOLUTIONS", "spec_of"]


def spec_of(name: str, given: dict[str, Any]) -> ConvSpec:
    """The spec of a convolution operator's arguments.

    Raises
    ------
    ConvSpecError
        There is none.
    """
    if "spec" in given:
        spec = ConvSpec.parse(given["spec"])
        # Of two convolutions in a row the text may speak of the bias that only one of them adds.
        return ConvSpec(**{**spec.to_dict(), "bias": given["bias"] is not None})
    weight, groups = given["weight"], given["groups"]
    ndim = weight.dim() - 2
    transposed = bool(given.get("transposed", "transpose" in name))
    first, second = weight.shape[0], weight.shape[1] * groups
    channels = (first, second) if transposed else (second, first)
    padding = given["padding"]
    return ConvSpec(
        *channels,
        tuple(weight.shape[2:]),
        stride=repeated(given["stride"], ndim),
        padding=padding if isinstance(padding, str) else repeated(padding, ndim),
        dilation=repeated(given["dilation"], ndim),
        groups=groups,
        bias=given["bias"] is not None,
        transposed=transposed,
        output_padding=repeated(given.get("output_padding", 0), ndim) if transposed else 0,
    )


def _convolve(call: Call) -> Plan:
    x = call.given.get("input", call.given.get("x"))
    spec = spec_of(call.operator.name, call.given)
    return Convolve(spec), [x, call["weight"], call["bias"]]


def _gradient(_: Call) -> Plan:
    return Unknown("a gradient of a convolution, called for itself")


_NAMES = ("conv", "conv_transpose")
CONVOLUTIONS: dict[str, Reader] = {f"{name}{ndim}d": _convolve for name in _NAMES for ndim in (1, 2, 3)}
CONVOLUTIONS |= dict.fromkeys(("convolution", "_convolution", "faltung_conv"), _convolve)
CONVOLUTIONS |= dict.fromkeys(("faltung_conv_input_grad", "faltung_conv_weight_grad"), _gradient)
"""Readers by name."""
