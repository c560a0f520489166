"""The gradients of a convolution, as convolutions.

A convolution is linear in its input and in its weight, so both gradients are convolutions again: with the
input's gradient the roles of input and output swap (the transposed spec), with the weight's gradient the
roles of kernel and output swap (stride becomes dilation, dilation becomes stride). Receives the spec and
builds new ones with its own class; imports nothing of the package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faltung.spec import ConvSpec

__all__ = ["Adjoint", "adjoint_of"]


@dataclass(frozen=True, slots=True)
class Adjoint:
    """The specs that compute a convolution's gradients.

    Attributes
    ----------
    input_grad : ConvSpec
        Maps the gradient of the output (N, out, *output_size), with the same weight, to the gradient of the
        input (N, in, *input_size).
    weight_grad : ConvSpec or None
        Maps "input channels as batch" to the weight's gradient; None where the input size is not known or an axis is empty.
        With x the spec's input and dy the output's gradient (of a transposed spec: dy and x), its input is x
        as (in/groups, groups*N, *input_size), channels ordered by group, then sample; its weight is dy as
        (out, N, *output_size); its output is the gradient as (in/groups, out, *kernel_size). With
        ``flip=True`` the gradient's kernel axes come out reversed.
    """

    input_grad: ConvSpec
    weight_grad: ConvSpec | None


def adjoint_of(spec: ConvSpec, input_size: tuple[int, ...] | None, batch: int) -> Adjoint:
    """The gradients of `spec`; sized exactly, and with the weight's gradient, where `input_size` is given.

    Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2018, §4.
    """
    make = type(spec)
    turned = {**spec.to_dict(), "in_channels": spec.out_channels, "out_channels": spec.in_channels, "bias": False}
    turned |= {"transposed": not spec.transposed, "output_padding": 0}
    output_size = None if input_size is None else spec.output_size(input_size)
    if input_size is None or output_size is None or 0 in (*input_size, *output_size):
        return Adjoint(make(**turned), None)  # an empty axis has no kernel to sum over
    large, small = (output_size, input_size) if spec.transposed else (input_size, output_size)
    sides = spec.sides(input_size)
    # The padding after that windows reach: with it exactly `small` windows fit into `large`.
    reached = tuple(
        (before, axis.reached_after(n, o, before)) for axis, n, o, (before, _) in zip(spec.axes, large, small, sides, strict=True)
    )
    if spec.transposed:
        turned["padding"] = reached
    else:
        turned["padding"] = sides
        turned["output_padding"] = tuple(after - end for (_, after), (_, end) in zip(sides, reached, strict=True))
    weight_grad = make(
        in_channels=spec.groups * batch,
        out_channels=spec.in_channels if spec.transposed else spec.out_channels,
        kernel_size=small,
        stride=spec.dilation,
        dilation=spec.stride,
        padding=reached,
        groups=spec.groups,
        bias=False,
        padding_mode=spec.padding_mode,
    )
    return Adjoint(make(**turned), weight_grad)
