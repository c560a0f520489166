"""Layers of PyTorch as specs, and specs as layers."""

from __future__ import annotations

from typing import Any

from torch.nn.parameter import is_lazy

from faltung.errors import ConvSpecError, ConvTypeError
from faltung.spec import ConvSpec
from torch import nn

__all__ = ["from_module", "to_module"]


def from_module(module: nn.Module) -> ConvSpec:
    """The spec of a convolution layer, PyTorch's or Faltung's.

    Parameters
    ----------
    module : torch.nn.Conv1d … torch.nn.ConvTranspose3d or a subclass

    Returns
    -------
    ConvSpec

    Raises
    ------
    ConvTypeError
        Not a convolution layer, or a lazy one that has not seen an input.

    Examples
    --------
    >>> import torch
    >>> print(from_module(torch.nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)))
    conv2d(3, 64, (7, 7), stride=(2, 2), padding=(3, 3), bias=False)
    """
    layers = (nn.modules.conv._ConvNd,)
    if not isinstance(module, layers):
        raise ConvTypeError(
            f"{type(module).__name__} is no convolution layer.",
            "Give a torch.nn.Conv1d … ConvTranspose3d or one of its subclasses; for every layer of a model go through model.modules().",
        )
    if is_lazy(module.weight):
        raise ConvTypeError(
            f"{type(module).__name__} has not seen an input, so its channels are not known.", "Call it once, or give in_channels."
        )
    return _spec(module)


def to_module(spec: ConvSpec | str, *, device: Any = None, dtype: Any = None) -> nn.Module:
    """A Faltung layer for a spec, with PyTorch's initial weights.

    Parameters
    ----------
    spec : ConvSpec or str
        With 1, 2 or 3 axes, symmetric padding or ``"valid"`` or ``"same"``, without ``flip``, in a padding mode of PyTorch.

    Raises
    ------
    ConvSpecError
        PyTorch's layers have no place for one of the fields.

    Examples
    --------
    >>> to_module("conv_transpose2d(8, 4, 4, stride=2, padding=1)")
    ConvTranspose2d(8, 4, kernel_size=(4, 4), stride=(2, 2), padding=(1, 1))
    """
    from faltung.torch import layers

    spec = ConvSpec.parse(spec) if isinstance(spec, str) else spec
    reason = _no_layer(spec)
    if reason is not None:
        raise ConvSpecError(
            f"{spec} is no layer of PyTorch: {reason}.", "Call faltung.torch.conv(spec, x, weight) with parameters of your own."
        )
    fields: dict[str, Any] = {name: getattr(spec, name) for name in ("kernel_size", "stride", "dilation", "groups", "bias")}
    fields["padding"] = _symmetric(spec)
    if spec.transposed:
        fields["output_padding"] = spec.output_padding
        fields["padding"] = (0,) * spec.ndim if spec.padding == "valid" else fields["padding"]
    else:
        fields["padding_mode"] = spec.padding_mode
    layer = getattr(layers, f"Conv{'Transpose' if spec.transposed else ''}{spec.ndim}d")
    made: nn.Module = layer(spec.in_channels, spec.out_channels, **fields, device=device, dtype=dtype)
    return made


def _spec(layer: nn.modules.conv._ConvNd) -> ConvSpec:
    return ConvSpec(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=layer.groups,
        bias=layer.bias is not None,
        padding_mode=layer.padding_mode,
        transposed=layer.transposed,
        output_padding=layer.output_padding,
    )


def _symmetric(spec: ConvSpec) -> tuple[int, ...] | str:
    """The padding as PyTorch writes it; one that it cannot write has been refused."""
    return spec.padding if isinstance(spec.padding, str) else tuple(before for before, _ in spec.padding)


def _no_layer(spec: ConvSpec) -> str | None:
    """Why no layer of PyTorch computes `spec`, or None if one does."""
    if spec.ndim not in (1, 2, 3):
        return f"{spec.ndim} axes, layers have 1 to 3"
    if spec.flip:
        return "flip=True, layers correlate"
    if isinstance(spec.padding, str):
        if spec.padding not in (("valid",) if spec.transposed else ("valid", "same")):
            return f"padding={spec.padding!r}"
    elif any(before != after for before, after in spec.padding):
        return f"padding {spec.padding} differs before and after"
    elif any(before < 0 for before, _ in spec.padding):
        return f"negative padding {spec.padding}"
    if spec.padding_mode == "symmetric" or (spec.transposed and spec.padding_mode != "zeros"):
        return f"padding_mode={spec.padding_mode!r}"
    return None
