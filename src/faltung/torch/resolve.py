"""PyTorch's arguments as the text of a spec, or None where they do not fit and PyTorch has to say why."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
from faltung.errors import ConvError
from faltung.spec import ConvSpec

__all__ = ["conv_text", "window_text"]

Shape = tuple[int, ...]


def conv_text(
    name: str, x_shape: Shape, weight_shape: Shape, bias_shape: Shape | None, padding_mode: str, fields: dict[str, Any]
) -> str | None:  # fmt: skip
    """The spec of a call of ``conv1d`` … ``conv_transpose3d``.

    >>> conv_text("conv2d", (1, 4, 5, 5), (8, 2, 3, 3), None, "zeros", {"stride": 1, "padding": 1, "dilation": 1, "groups": 2})
    'conv2d(4, 8, (3, 3), padding=(1, 1), groups=2, bias=False)'
    """
    try:
        if not torch.compiler.is_compiling():
            return _conv_text(name, x_shape, weight_shape, bias_shape, padding_mode, **fields)
    except TypeError:  # lists cannot be looked up
        pass
    shapes = (_constant(weight_shape), None if bias_shape is None else _constant(bias_shape))
    # Sizes of the input may be symbols, of which the operator tells whether they fit.
    known = None if torch.compiler.is_compiling() else tuple(x_shape)
    try:
        return _conv_text(name, known, *shapes, padding_mode, **{key: _constant(value) for key, value in fields.items()})
    except TypeError:
        return None


def window_text(size: Shape, fields: dict[str, Any], columns_shape: Shape | None = None) -> str | None:
    """The spec of the windows of ``unfold`` over an image of `size`, or of ``fold`` for columns of this shape (C*k, L)."""
    try:
        text = _window_text(**{name: _constant(value) for name, value in fields.items()})
        if text is None or torch.compiler.is_compiling():
            return text
        spec = ConvSpec.parse(text)
        windows = math.prod(spec.output_size(size))
    except (ConvError, TypeError):
        return None
    if columns_shape is not None and (columns_shape[0] % math.prod(spec.kernel_size) or columns_shape[1] != windows):
        return None
    return text


@functools.lru_cache(maxsize=2048)
def _conv_text(
    name: str, x_shape: Shape | None, weight_shape: Shape, bias_shape: Shape | None, padding_mode: str, **fields: Any
) -> str | None:  # fmt: skip
    ndim, transposed = int(name[-2]), "transpose" in name
    padding = fields["padding"]
    if len(weight_shape) != ndim + 2 or _is_negative(padding) or (isinstance(padding, str) and padding not in ("valid", "same")):
        return None
    first, second = weight_shape[0], weight_shape[1] * fields["groups"]
    fields["in_channels"], fields["out_channels"] = (first, second) if transposed else (second, first)
    try:
        spec = ConvSpec(
            **fields, kernel_size=weight_shape[2:], bias=bias_shape is not None, padding_mode=padding_mode, transposed=transposed
        )  # fmt: skip
        if x_shape is not None:
            spec.output_shape(x_shape)
    except ConvError:
        return None
    if bias_shape not in (None, (spec.out_channels,)) or (x_shape is not None and 0 in x_shape[1:]):
        return None
    return str(spec)


@functools.lru_cache(maxsize=256)
def _window_text(**fields: Any) -> str | None:
    if isinstance(fields["padding"], str) or _is_negative(fields["padding"]):
        return None
    return str(ConvSpec(1, 1, ndim=2 if isinstance(fields["kernel_size"], int) else None, bias=False, **fields))


def _is_negative(padding: Any) -> bool:
    return not isinstance(padding, str) and min((padding,) if isinstance(padding, int) else padding, default=0) < 0


def _constant(value: Any) -> Any:
    """A setting as a value that can be looked up; a compiler's symbol becomes the number that it stands for."""
    if isinstance(value, str):
        return value
    if isinstance(value, (int, torch.SymInt)):
        return int(value)
    if isinstance(value, Sequence):
        return tuple([int(entry) for entry in value])
    raise TypeError(f"{value!r} is no setting")
