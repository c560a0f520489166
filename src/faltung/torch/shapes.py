"""Shapes of results where sizes may be symbols of ``torch.export`` and ``torch.compile``: the formulas are `geometry`'s."""

from __future__ import annotations

import math
from collections.abc import Sequence

from faltung.errors import ConvShapeError
from faltung.spec import ConvSpec

__all__ = ["columns_shape", "conv_shape"]


def conv_shape(
    spec: ConvSpec, x_shape: Sequence[int], weight_shape: Sequence[int], bias_shape: Sequence[int] | None
) -> tuple[int, ...]:  # fmt: skip
    """Shape of the convolution's result.

    Raises
    ------
    ConvShapeError
        The arguments do not fit the spec.
    """
    if tuple(weight_shape) != spec.weight_shape or (bias_shape is not None and tuple(bias_shape) != (spec.out_channels,)):
        raise ConvShapeError(
            f"weight has shape {tuple(weight_shape)} and bias {bias_shape and tuple(bias_shape)};"
            f" {spec} takes {spec.weight_shape} and ({spec.out_channels},).",
            "Give the spec that belongs to this weight.",
        )
    batch, channels, size = _split(spec, x_shape)
    if channels != spec.in_channels:
        raise ConvShapeError(f"x has {channels} channels, {spec} takes {spec.in_channels}.", "Channels come first: (N, C, *spatial).")
    return (*batch, spec.out_channels, *_output_size(spec, size))


def columns_shape(spec: ConvSpec, x_shape: Sequence[int]) -> tuple[int, ...]:
    """Shape of the windows as columns."""
    batch, channels, size = _split(spec, x_shape)
    return (*batch, channels * math.prod(spec.kernel_size), math.prod(_output_size(spec, size)))


def _split(spec: ConvSpec, shape: Sequence[int]) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    if len(shape) not in (spec.ndim + 1, spec.ndim + 2):
        raise ConvShapeError(
            f"x has {len(shape)} axes, {spec} takes {spec.ndim + 2} with a batch or {spec.ndim + 1} without.", "Add axes with x[None]."
        )
    return tuple(shape[: -spec.ndim - 1]), shape[-spec.ndim - 1], tuple(shape[-spec.ndim :])


def _output_size(spec: ConvSpec, size: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axis.output_size(cells) for axis, cells in zip(spec.axes, size, strict=True))
