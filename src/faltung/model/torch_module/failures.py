"""A failure inside a live module, said again: which layer, the sums, and what to change."""

from __future__ import annotations

from typing import Any

import torch
from faltung.errors import ConvError, ConvShapeError, ConvTypeError
from faltung.model.operations import Reshape
from faltung.model.torch_module.call import Call
from faltung.model.torch_module.convolutions import spec_of
from faltung.model.torch_module.watching import Failure
from faltung.model.torch_module.windows import window_axes
from torch import Tensor

__all__ = ["explained"]


def explained(failure: Failure) -> ConvError | None:
    """The error as Faltung says it, or None where it has nothing to add but the layer's name."""
    error, call = failure.error, failure.call
    where = place(failure)
    if isinstance(error, ConvError):
        return type(error)(f"{where}: {error.problem}", error.remedy)
    if call is None:
        return None
    name = call.operator.name.removesuffix("_")
    try:
        if "conv" in name and "weight" in call.given:
            return _convolution(where, name, call)
        if "pool" in name and "adaptive" not in name and "kernel_size" in call.given:
            return _pool(name, call)
        if name in ("linear", "addmm", "mm", "matmul"):
            return _product(where, name, failure.frame.kind, call)
        if name == "batch_norm":
            return _batch_norm(where, call)
        if name == "layer_norm":
            return _layer_norm(where, call)
        if name == "embedding":
            return _embedding(where, call)
        if name in ("cat", "add", "sub", "mul", "div"):
            return _meeting(where, name, call)
    except ConvShapeError as shape_error:
        return ConvShapeError(f"{where}: {shape_error.problem}", shape_error.remedy)
    except ConvError:
        return None
    return None


def place(failure: Failure) -> str:
    """The layer's name and class."""
    frame = failure.frame
    return f"layer {frame.path!r} ({frame.kind})" if frame.path else frame.kind or "the model"


def _convolution(where: str, name: str, call: Call) -> ConvError | None:
    spec = spec_of(name, call.given)
    x: Tensor = call.given["input"] if "input" in call.given else call.given["x"]
    shape = tuple(x.shape)
    channels = shape[-spec.ndim - 1] if len(shape) in (spec.ndim + 1, spec.ndim + 2) else spec.in_channels
    if channels != spec.in_channels:
        remedy = f"give it {spec.in_channels} channels{_made_by(call, x)}."
        if spec.in_channels in shape[-spec.ndim :]:
            remedy += f" If these lie in another place, move them with permute: (N, {spec.in_channels}, …)."
        fits = channels > 0 and channels % spec.groups == 0
        return ConvShapeError(
            f"{where}: its input has {channels} channels (shape {shape}), {spec} takes {spec.in_channels}.",
            f"Use in_channels={channels} here, or {remedy}" if fits else remedy[0].upper() + remedy[1:],
        )
    spec.output_shape(shape)
    return _types(where, [x, call.given["weight"]])


def _pool(name: str, call: Call) -> ConvError | None:
    ndim = int(name.partition("pool")[2][0])
    x = call.input
    for axis, size in zip(window_axes(call, ndim), x.shape[-ndim:], strict=True):
        axis.output_size(int(size), ceil=bool(call.given.get("ceil_mode")))
    return None


def _product(where: str, name: str, kind: str, call: Call) -> ConvError | None:
    given = call.given
    if name == "linear":
        x, weight = given["input"], given["weight"]
        takes = weight.shape[-1]
    else:
        x, weight = (given["mat1"], given["mat2"]) if "mat1" in given else (given["self"], given["mat2" if "mat2" in given else "other"])
        if x.dim() < 1 or weight.dim() < 2:
            return None
        takes = weight.shape[-2]
    features = x.shape[-1]
    if features == takes:
        return _types(where, [x, weight])
    what = f"{where}: its input has {features} features (shape {tuple(x.shape)}{_flattened(call, x)}), it takes {takes}."
    if not kind.endswith("Linear"):
        return ConvShapeError(what, f"The last size of the first factor must be {takes}, as many as the second takes.")
    return ConvShapeError(what, f"Use in_features={features} here, or give the model the size of input that it was made for.")


def _flattened(call: Call, x: Tensor) -> str:
    """The sizes that were flattened into the last one."""
    slot = call.tape.slot(call.tape.held(x))
    step = slot.made_by if slot is not None else None
    while (
        step is not None
        and not isinstance(step.operation, Reshape)
        and len(step.inputs) == 1
        and step.inputs[0].shape == step.outputs[0].shape
    ):
        step = step.inputs[0].made_by
    if step is None or not isinstance(step.operation, Reshape):
        return ""
    before, sizes = step.inputs[0].shape, list(step.inputs[0].shape)
    kept = 0
    while kept < len(before) and kept < x.dim() - 1 and before[kept] == x.shape[kept]:
        kept += 1
    sizes = sizes[kept:]
    if len(sizes) < 2:
        return ""
    return f" = {before} flattened, {'·'.join(map(str, sizes))} = {x.shape[-1]}"


def _made_by(call: Call, x: Tensor) -> str:
    slot = call.tape.slot(call.tape.held(x))
    step = slot.made_by if slot is not None else None
    return f"; they come from {step.frame.path!r}" if step is not None and step.frame.path else ""


def _batch_norm(where: str, call: Call) -> ConvError | None:
    x, known = call.input, next((call.given[name] for name in ("running_mean", "weight") if call.given.get(name) is not None), None)
    if known is None or x.dim() < 2 or known.shape[0] == x.shape[1]:
        return None
    return ConvShapeError(
        f"{where}: its input has {x.shape[1]} channels (shape {tuple(x.shape)}), it normalises {known.shape[0]}.",
        f"Use num_features={x.shape[1]} here.",
    )


def _layer_norm(where: str, call: Call) -> ConvError | None:
    known = tuple(call.given["normalized_shape"])
    found = tuple(call.input.shape[-len(known) :])
    if found == known:
        return None
    return ConvShapeError(
        f"{where}: its input ends with sizes {found} (shape {tuple(call.input.shape)}), it normalises {known}.",
        f"Use normalized_shape={found} here; channels that come first have to be moved last with permute.",
    )


def _embedding(where: str, call: Call) -> ConvError | None:
    indices, table = call.given["indices"], call.given["weight"]
    if indices.dtype not in (torch.int32, torch.int64):
        return ConvTypeError(
            f"{where}: it looks up rows of a table of {table.shape[0]} by whole numbers, its input has dtype {indices.dtype}.",
            f"Give a tensor, such as torch.zeros{tuple(indices.shape)}.long().",
        )
    return ConvShapeError(
        f"{where}: it has rows 0 to {table.shape[0] - 1}, the input asks for {int(indices.min())} to {int(indices.max())}.",
        f"Give numbers below {table.shape[0]}.",
    )


def _meeting(where: str, name: str, call: Call) -> ConvError | None:
    """Arrays that are added or put behind one another."""
    shapes = [tuple(tensor.shape) for tensor in call.arguments() if tensor.dim()]
    if len(shapes) < 2:
        return None
    first, other = shapes[0], next((shape for shape in shapes if shape != shapes[0]), shapes[0])
    skipped = call.given["dim"] % len(first) if name == "cat" else None
    if name == "cat" and len(first) != len(other):
        return None
    # From behind, as sizes are broadcast.
    for dim, (one, two) in enumerate(zip(reversed(first), reversed(other), strict=False), start=1):
        at = len(first) - dim
        if one != two and at != skipped and (name == "cat" or 1 not in (one, two)):
            verb = {"cat": "joined", "add": "added", "sub": "subtracted", "mul": "multiplied", "div": "divided"}[name]
            return ConvShapeError(
                f"{where}: arrays of shapes {first} and {other} are {verb}; along dimension {at} they have {one} and {two} cells.",
                "Give both the same size: crop or pad one of them, resize it, or project its channels with a 1×1 convolution.",
            )
    return None


def _types(where: str, tensors: list[Any]) -> ConvError | None:
    dtypes = [tensor.dtype for tensor in tensors]
    if len(set(dtypes)) == 1:
        return None
    return ConvTypeError(f"{where}: its input has dtype {dtypes[0]}, its weight {dtypes[1]}.", f"Give the input as {dtypes[1]}.")
