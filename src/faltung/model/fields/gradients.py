"""Receptive fields by gradient, of live PyTorch modules: which cells change a position at all, and how strongly each does.

Owns the runs. Imported only when a field is to be measured.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch.overrides import TorchFunctionMode

import torch
from faltung.errors import ConvShapeError, ConvTypeError, shown
from faltung.geometry import Axis
from faltung.model.fields.field import Box, ReceptiveField
from torch import Tensor, nn

__all__ = ["Effective", "measure"]

DRAWS = 3
"""Of positive weights: where a normalisation subtracts means, one alone may leave a cell without any weight by chance."""

DIRECTIONS = 8

HELD = 0.95
"""The part of the gradient whose cells are counted."""

Index = tuple[int | slice, ...]


@dataclass(frozen=True, eq=False)
class Effective:
    """How strongly each cell of the input counts for one position.

    Attributes
    ----------
    map : array
        Mean of the gradient's absolute value over input channels and random directions of the layer's channels; its shape is the input's
        along the field's axes.
    share : float
        The fewest cells that hold 95 % of it, as a part of those cells of the input that the position sees by composition.
    """

    map: NDArray[np.float64]
    share: float


def measure(
    model: nn.Module, field: ReceptiveField, names: Sequence[str], index: Index | None, place: tuple[int, ...], image: Any
) -> ReceptiveField:
    """The field with what gradients say of one position.

    Parameters
    ----------
    model : torch.nn.Module
        Left as it is; copies are run.
    field : ReceptiveField
    names : sequence of str
        What the layer may be called among ``named_modules()``; the first that is one is measured.
    index : tuple of int or slice, or None
        Where the layer's output holds the cells of the position.
    place : tuple of int
        That position.
    image : array or tensor, optional
    """
    modules = dict(model.named_modules())
    name = next((name for name in names if name in modules), None)
    if name is None:
        raise ConvTypeError(
            f"{field.layer!r} is a call inside a module: its output cannot be caught.",
            f"Measure a module, such as {_nearest(names[0], modules)!r}.",
        )
    if index is None:
        raise ConvShapeError(f"one position of {field.layer} is not in one place of its output.", "Measure a layer before the reshaping.")
    spans = [_extent(seen) for seen in _projections(_changing(model, name, field, index), len(field.axes))]
    box = Box(tuple(spans), tuple(spans))
    strength = _strength(model, name, field, index, image)
    cells = math.prod(0 if span is None else span[1] - span[0] + 1 for span in field.at(*_given(field, place)).inside)
    held = _cells_that_hold(strength, HELD)
    return replace(field, measured=box, place=place, effective=Effective(strength, held / cells if cells else 0.0))


def _given(field: ReceptiveField, place: Sequence[int]) -> list[int]:
    return [index for index, count in zip(place, field.positions, strict=True) if count is not None]


def _nearest(name: str, modules: Mapping[str, nn.Module]) -> str:
    """The module in which a call runs, or one with a name."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or next((each for each in modules if each), "")


# -- which cells change it at all ----------------------------------------------------------------------


def _changing(model: nn.Module, name: str, field: ReceptiveField, index: Index) -> NDArray[np.bool_]:
    random = torch.Generator().manual_seed(0)
    found = None
    for _ in range(DRAWS):
        simple = copy.deepcopy(model).eval().to(device="cpu", dtype=torch.float64)  # models have methods called double
        with torch.no_grad():
            for module in simple.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.reset_running_stats()
            for weight in simple.parameters():
                drawn = torch.rand(weight.shape, generator=random, dtype=torch.float64) + 0.1
                # Rows that sum to 1 keep the numbers of deep models where they are.
                weight.copy_(drawn / drawn.flatten(1).sum(1).view(-1, *[1] * (weight.ndim - 1)) if weight.ndim > 1 else drawn)
        x = torch.rand(field.input_shape, generator=random, dtype=torch.float64) + 0.5
        with _Smooth():
            gradient = _gradient(simple, name, x, index, lambda cells: torch.rand(cells.shape, generator=random, dtype=cells.dtype) + 0.1)
        changing = _over_axes(gradient != 0, field).any(0)
        found = changing if found is None else found | changing
    result: NDArray[np.bool_] = found.numpy() if found is not None else np.zeros(0, bool)
    return result


class _Smooth(TorchFunctionMode):  # type: ignore[misc, unused-ignore]
    """Runs what a model calls without anything that is flat somewhere: activations and maxima pass every cell on."""

    IDENTITIES = frozenset((
        "celu", "clamp", "clamp_max", "clamp_min", "clip", "elu", "gelu", "hardshrink", "hardswish", "hardtanh", "leaky_relu", "mish",
        "prelu", "relu", "relu6", "rrelu", "selu", "silu", "softplus", "softshrink", "tanhshrink", "threshold",
    ))  # fmt: skip
    GATES = frozenset(("sigmoid", "hardsigmoid", "tanh", "softsign", "logsigmoid"))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        name = getattr(func, "__name__", "").rstrip("_")
        x = args[0] if args and isinstance(args[0], Tensor) else given.get("input")
        if isinstance(x, Tensor) and x.is_floating_point():
            if name in self.IDENTITIES:
                return x
            if name in self.GATES:
                return x / (1 + x.abs())
            if name in ("max_pool1d", "max_pool2d", "max_pool3d"):
                return _mean_pool(int(name[-2]), *args, **given)
            if name in ("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d") and not given.get("return_indices"):
                return getattr(F, name.replace("max", "avg"))(x, args[1] if len(args) > 1 else given["output_size"])
            if name == "amax":
                return torch.mean(*args, **given)
        return func(*args, **given)


def _mean_pool(
    ndim: int, x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False, **_: Any
) -> Tensor:
    """Over the windows of a pooling of maxima."""

    def each(value: Any) -> tuple[int, ...]:
        return (value,) * ndim if isinstance(value, int) else tuple(value) * (ndim if len(value) == 1 else 1)

    kernel = each(kernel_size)
    rows = zip(kernel, each(stride) if stride else kernel, each(dilation), each(padding), strict=True)
    axes = [Axis(index, size, step, gap, (before, before)) for index, (size, step, gap, before) in enumerate(rows)]
    sizes = x.shape[-ndim:]
    # Zeros as far as the last window can reach; of the sums those that there are windows for.
    sides = [(axis.sides(cells)[0], axis.sides(cells)[1] + axis.stride) for axis, cells in zip(axes, sizes, strict=True)]
    padded = F.pad(x, [cells for pair in reversed(sides) for cells in pair])
    convolve: Callable[..., Tensor] = (F.conv1d, F.conv2d, F.conv3d)[ndim - 1]
    window = torch.full((1, 1, *kernel), 1 / math.prod(kernel), dtype=x.dtype)
    options = {"stride": [axis.stride for axis in axes], "dilation": [axis.dilation for axis in axes]}
    sums = convolve(padded.reshape(-1, 1, *padded.shape[-ndim:]), window, **options)
    counts = [axis.output_size(cells, ceil=ceil_mode) for axis, cells in zip(axes, sizes, strict=True)]
    return sums[(..., *(slice(count) for count in counts))].reshape(*x.shape[:-ndim], *counts)


# -- how strongly each does ----------------------------------------------------------------------------


def _strength(model: nn.Module, name: str, field: ReceptiveField, index: Index, image: Any) -> NDArray[np.float64]:
    random = torch.Generator().manual_seed(0)
    run = copy.deepcopy(model).eval()
    like = next((weight for weight in run.parameters() if weight.is_floating_point()), torch.zeros(()))
    total: Tensor | None = None
    for _ in range(DIRECTIONS):
        if image is None:
            x = torch.randn(field.input_shape, generator=random)
        else:
            x = torch.as_tensor(image)
            x = x[None] if x.ndim == len(field.input_shape) - 1 else x
        if tuple(x.shape) != field.input_shape:
            raise ConvShapeError(
                f"image has shape {tuple(x.shape)}, the model was read with {field.input_shape}.", "Give one of that shape."
            )
        x = x.to(like.device, like.dtype)
        gradient = _gradient(run, name, x, index, lambda cells: torch.randn(cells.shape, generator=random).to(cells))
        strength = _over_axes(gradient.abs().double().cpu(), field).mean(0)
        total = strength if total is None else total + strength
    result: NDArray[np.float64] = (total / DIRECTIONS).numpy() if total is not None else np.zeros(0)
    return result


def _cells_that_hold(strength: NDArray[np.float64], part: float) -> int:
    """The fewest cells whose sum is this part of all."""
    falling = np.sort(strength, axis=None)[::-1].cumsum()
    return int(np.searchsorted(falling, part * falling[-1])) + 1 if falling.size and falling[-1] > 0 else 0


# -- runs ----------------------------------------------------------------------------------------------


def _gradient(model: nn.Module, name: str, x: Tensor, index: Index, weigh: Callable[[Tensor], Tensor]) -> Tensor:
    """Of the cells at `index` of a module's output, weighed and summed, by the input."""
    caught: list[Tensor] = []
    handle = model.get_submodule(name).register_forward_hook(lambda *call: caught.extend(_tensors(call[-1])[:1]))
    x = x.detach().clone().requires_grad_()
    try:
        with torch.enable_grad():
            _run(model, x)
            fitting = [tensor for tensor in caught if tensor.ndim == len(index) and tensor.requires_grad]
            if not fitting:
                raise ConvTypeError(
                    f"the gradient of {name!r} by the input does not exist.", "Measure a layer that depends on the input's numbers."
                )
            cells = fitting[-1][index]
            (gradient,) = torch.autograd.grad((cells * weigh(cells)).sum(), x)
    finally:
        handle.remove()
    return gradient


def _run(model: nn.Module, x: Tensor) -> None:
    try:
        model(x)
    except (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
        dtype = str(x.dtype).removeprefix("torch.")
        raise ConvTypeError(
            f"{type(model).__name__} does not run on {dtype} numbers of shape {tuple(x.shape)}: {shown(str(error), 200)}.",
            "Measuring runs the model on such numbers; what is composed needs no run of that kind.",
        ) from error


def _tensors(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    parts = list(result.values()) if isinstance(result, Mapping) else list(result) if isinstance(result, Sequence) else []
    return [tensor for part in parts for tensor in _tensors(part)]


def _over_axes(values: Tensor, field: ReceptiveField) -> Tensor:
    """(everything else, *the field's axes)."""
    others = [dim for dim in range(values.ndim) if dim not in field.axes]
    return values.permute(*others, *field.axes).flatten(0, len(others) - 1)


def _projections(changing: NDArray[np.bool_], ndim: int) -> list[NDArray[np.bool_]]:
    return [np.asarray(changing.any(tuple(other for other in range(ndim) if other != axis))) for axis in range(ndim)]


def _extent(seen: NDArray[np.bool_]) -> tuple[int, int] | None:
    cells = np.flatnonzero(seen)
    return (int(cells[0]), int(cells[-1])) if cells.size else None
