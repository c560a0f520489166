"""Causes that keep a live PyTorch network from being equivariant, switched off while it runs: its borders, and the grids of its strides.

**Borders**: every padding of a convolution or pooling becomes circular, so that on a torus no place is different from another.
**Grids**: a strided layer looks at every s-th place. Where its grid follows the picture (its input moved so that the picture's shift is a
multiple of the stride), the kept places are those that were kept of the unmoved picture. With both, a network of convolutions, pooling and
pointwise functions is equivariant exactly; what still differs depends on places by itself: a flattening, a position embedding.

Works on calls of functions, so modules and functional calls are met alike, and the model is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

import torch
from faltung.errors import ConvError
from faltung.model.seeing.activations import plain_name
from faltung.model.shifting.plane import nearest
from faltung.spec import ConvSpec
from torch import Tensor

__all__ = ["Switched"]

_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
_MAX = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_AVERAGE = ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
SIGNATURES = {
    **{f"conv{n}d": _CONV for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _TRANSPOSED for n in (1, 2, 3)},
    **{f"max_pool{n}d": _MAX for n in (1, 2, 3)},
    **{f"avg_pool{n}d": _AVERAGE for n in (1, 2, 3)},
    **{f"adaptive_{how}_pool{n}d": ("input", "output_size", "return_indices") for n in (1, 2, 3) for how in ("avg", "max")},
    "interpolate": ("input", "size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "antialias"),
    "conv": ("input", "weight", "bias", "text"),  # faltung's operator
}
LINEAR = ("linear", "bilinear", "bicubic", "trilinear")
MARGIN = 2
"""Cells to either side that cubic interpolation looks at."""
PADDINGS = ("circular", "constant", "reflect", "replicate")


class Switched(TorchFunctionMode):  # type: ignore[misc]  # PyTorch does not say what it is
    """While it is entered: circular borders, and grids that follow a shift.

    Parameters
    ----------
    size : tuple of int
        The input's, along its last axes.
    shift : tuple of int
        The input's.
    circular : bool
    follows : set of {"convolution", "pooling"}
        Whose grids follow the shift.

    Attributes
    ----------
    notes : set of str
        What could not be switched off.
    """

    def __init__(self, size: Sequence[int], shift: Sequence[int], *, circular: bool, follows: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.size, self.shift, self.circular, self.follows = tuple(size), tuple(shift), circular, follows
        self.notes: set[str] = set()
        by_tensor: Any = WeakTensorKeyDictionary
        self.padded: Any = by_tensor()  # what was padded by a call of its own, and by how much

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = plain_name(getattr(function, "__name__", "")).partition(".")[0]
        if name == "pad" and self.circular:
            return self._pad(function, *args, **kwargs)
        names = SIGNATURES.get(name)
        if names is None or len(args) > len(names):
            return function(*args, **kwargs)
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        x = given.get("input")
        if not isinstance(x, Tensor) or (name == "conv" and not isinstance(given.get("text"), str)):
            return function(*args, **kwargs)
        source, sides = self.padded.get(x, (x, None)) if self.circular else (x, None)
        ndim = len(self.size)

        def call(moved: Tensor) -> Any:
            moved = moved if sides is None else _around(moved, sides)
            if name == "interpolate" and self.circular and given.get("mode", "nearest") in LINEAR and not given.get("align_corners"):
                return self._interpolated(function, {**given, "input": moved})
            changed = self._circular(name, {**given, "input": moved}, ndim) if self.circular else {**given, "input": moved}
            ordered = [changed.pop(key) for key in names[: len(args)]]
            return function(*ordered, **changed)

        result = call(source)
        kind = "pooling" if "pool" in name else "convolution"
        return self._followed(call, source, result) if kind in self.follows else result

    # -- grids ----------------------------------------------------------------------------------------

    def _followed(self, call: Callable[[Tensor], Any], x: Tensor, result: Any) -> Any:
        output = result[0] if isinstance(result, tuple) else result
        if output.ndim != x.ndim:
            return result
        axes = tuple(range(-len(self.size), 0))
        before, after = [], []
        for axis, cells, shift in zip(axes, self.size, self.shift, strict=True):
            given, made = x.shape[axis], output.shape[axis]
            if given == made or made == 1:
                before.append(0)
                after.append(0)
                continue
            if any(cells % size and size % cells for size in (given, made)):
                self.notes.add(f"{given} → {made} cells are no whole stride of {cells}: the grid of that layer does not follow")
                return result
            had, wanted = (nearest(shift, Fraction(cells, size)) for size in (given, made))
            before.append(wanted * (given // made) - had if made < given else 0)
            after.append(wanted - had * (made // given) if made > given else 0)
        if any(before):
            result = call(x.roll(tuple(before), axes))
        if any(after) and isinstance(result, Tensor):
            result = result.roll(tuple(after), axes)
        return result

    # -- borders --------------------------------------------------------------------------------------

    def _pad(self, function: Any, x: Tensor, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Any:
        sides = [int(side) for side in pad]
        ndim = len(self.size)
        if mode not in PADDINGS or len(sides) > 2 * ndim or min(sides, default=0) < 0 or not isinstance(x, Tensor):
            return function(x, pad, mode, value)
        sides += [0] * (2 * ndim - len(sides))
        result = _around(x, sides)
        self.padded[result] = (x, sides)
        return result

    def _circular(self, name: str, given: dict[str, Any], ndim: int) -> dict[str, Any]:
        """The arguments of a call with the same shape of result, on a torus."""
        if name == "conv":
            return {**given, "text": self._circular_spec(given["text"])}
        if name.startswith(("adaptive", "interpolate")) or given.get("ceil_mode"):
            return given
        x, padding = given["input"], given.get("padding", 0)
        if name.startswith("conv_transpose"):
            kernel = [_each(given.get("dilation", 1), ndim)[axis] * (given["weight"].shape[2 + axis] - 1) for axis in range(ndim)]
            stride, pads = _each(given.get("stride", 1), ndim), _each(padding, ndim)
            more = [reach // step + 1 for reach, step in zip(kernel, stride, strict=True)]
            return {
                **given,
                "input": _around(x, [cells for count in reversed(more) for cells in (count, count)]),
                "padding": tuple(pad + count * step for pad, count, step in zip(pads, more, stride, strict=True)),
            }
        if padding == "valid":
            return given
        if padding == "same":
            reach = [_each(given.get("dilation", 1), ndim)[axis] * (given["weight"].shape[2 + axis] - 1) for axis in range(ndim)]
            pairs = [(total // 2, total - total // 2) for total in reach]
        else:
            pairs = [(pad, pad) for pad in _each(padding, ndim)]
        if not any(side for pair in pairs for side in pair):
            return given
        return {**given, "input": _around(x, [side for pair in reversed(pairs) for side in pair]), "padding": (0,) * ndim}

    def _interpolated(self, function: Any, given: dict[str, Any]) -> Any:
        """On a torus: with cells from around the ends, whose results are cut off again."""
        x = given.pop("input")
        result = function(x, **given)
        ndim = len(self.size)
        before, after = x.shape[-ndim:], result.shape[-ndim:]
        if x.ndim != ndim + 2 or any(made % cells for cells, made in zip(before, after, strict=True)):
            return result
        times = [made // cells for cells, made in zip(before, after, strict=True)]
        sizes = [(cells + 2 * MARGIN) * by for cells, by in zip(before, times, strict=True)]
        whole = function(_around(x, [MARGIN] * (2 * ndim)), **{**given, "size": sizes, "scale_factor": None})
        for axis, (cells, by) in enumerate(zip(after, times, strict=True), start=-ndim):
            whole = whole.narrow(axis, MARGIN * by, cells)
        return whole

    def _circular_spec(self, text: str) -> str:
        spec = ConvSpec.parse(text)
        try:
            return str(ConvSpec(**{**spec.to_dict(), "padding_mode": "circular"}))
        except ConvError:
            self.notes.add(f"{text} has no circular twin, its border stays")
            return text


def _each(value: Any, ndim: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    return tuple(int(one) for one in (values * ndim if len(values) == 1 else values))


def _around(x: Tensor, sides: Sequence[int]) -> Tensor:
    """`x` continued around itself, by (before, after) from the last axis on, as often as needed."""
    for place in range(0, len(sides), 2):
        axis, (before, after) = -1 - place // 2, sides[place : place + 2]
        if before or after:
            cells = x.shape[axis]
            index = torch.arange(-before, cells + after, device=x.device) % cells
            x = x.index_select(axis, index)
    return x
