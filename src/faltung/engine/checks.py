"""Whether weight and bias fit a spec, said with the arithmetic. Standard library only."""

from __future__ import annotations

from typing import Protocol

from faltung.errors import ConvShapeError, ConvSpecError, ConvTypeError
from faltung.spec import ConvSpec

__all__ = ["as_spec", "check_bias", "check_weight"]


class Shaped(Protocol):
    """An array of any kind."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its extents."""


def as_spec(spec: object) -> ConvSpec:
    """`spec`, read from text if it is one."""
    if isinstance(spec, ConvSpec):
        return spec
    if isinstance(spec, str):
        return ConvSpec.parse(spec)
    raise ConvTypeError(
        f"spec is of type {type(spec).__name__}, a ConvSpec is needed.", "Use ConvSpec(…), or its text: 'conv2d(3, 64, 7)'."
    )


def check_weight(spec: ConvSpec, weight: Shaped) -> None:
    """Raise `ConvShapeError` unless `weight` has the spec's weight shape."""
    expected = spec.weight_shape
    if weight.shape == expected:
        return
    names = ("in_channels", "out_channels") if spec.transposed else ("out_channels", "in_channels")
    channels = spec.out_channels if spec.transposed else spec.in_channels
    layout = f"({names[0]}, {names[1]} / groups, *kernel_size) with {names[1]}={channels}, groups={spec.groups}"
    remedy = f"= {layout}."
    if len(weight.shape) == len(expected):
        groups = channels // weight.shape[1] if weight.shape[1] and channels % weight.shape[1] == 0 else 0
        if weight.shape[2:] != expected[2:]:
            remedy += f" For this weight use kernel_size={weight.shape[2:]}."
        elif weight.shape[0] == expected[0] and groups and spec.in_channels % groups == 0 and spec.out_channels % groups == 0:
            remedy += f" For this weight use groups={groups}."
        elif weight.shape[:2] == expected[1::-1]:
            remedy += " Its first two axes are swapped: use weight.swapaxes(0, 1)."
    raise ConvShapeError(f"weight has shape {weight.shape}, expected {expected}", remedy)


def check_bias(spec: ConvSpec, bias: Shaped | None) -> None:
    """Raise unless `bias` is None or one number per output channel, and the spec has one."""
    if bias is None:
        return
    if not spec.bias:
        raise ConvSpecError(f"a bias of shape {bias.shape} is given, but {spec} has none.", "Leave it out, or use bias=True in the spec.")
    if bias.shape != (spec.out_channels,):
        raise ConvShapeError(
            f"bias has shape {bias.shape}, expected ({spec.out_channels},) = (out_channels,).", "Give one number per output channel."
        )
