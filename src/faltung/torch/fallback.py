"""Any spec by PyTorch's own functions: for tensors that Faltung does not serve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F

import torch
from faltung.errors import ConvSpecError
from faltung.spec import ConvSpec

__all__ = ["conv_by_pytorch"]


def conv_by_pytorch(spec: ConvSpec, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """The convolution of `spec`, padded first where PyTorch's convolutions know no such padding.

    Raises
    ------
    ConvSpecError
        PyTorch has nothing for one of the fields.
    """
    if spec.ndim not in (1, 2, 3):
        raise ConvSpecError(f"{spec} has {spec.ndim} axes; PyTorch convolves along 1 to 3.", "Use CPU tensors, which Faltung serves.")
    if spec.flip:
        weight = weight.flip(tuple(range(2, 2 + spec.ndim)))
    fields: dict[str, Any] = {"stride": spec.stride, "dilation": spec.dilation, "groups": spec.groups}
    sides = spec.sides(tuple(x.shape[-spec.ndim :]))
    name = f"conv{'_transpose' if spec.transposed else ''}{spec.ndim}d"
    convolve: Callable[..., torch.Tensor] = getattr(F, name)
    is_even = all(before == after >= 0 for before, after in sides)
    if spec.transposed:
        if not is_even or spec.padding_mode != "zeros":
            raise ConvSpecError(
                f"{spec}: PyTorch's transposed convolutions pad alike before and after, with zeros.",
                "Use CPU tensors, which Faltung serves.",
            )
        return convolve(x, weight, bias, padding=tuple(before for before, _ in sides), output_padding=spec.output_padding, **fields)
    if spec.padding_mode == "zeros" and is_even:
        return convolve(x, weight, bias, padding=tuple(before for before, _ in sides), **fields)
    if spec.padding_mode == "symmetric":
        raise ConvSpecError(f"{spec}: PyTorch pads not symmetrically.", "Use CPU tensors, which Faltung serves.")
    mode = "constant" if spec.padding_mode == "zeros" else spec.padding_mode
    padded = F.pad(x, [cells for pair in reversed(sides) for cells in pair], mode=mode)
    return convolve(padded, weight, bias, **fields)
