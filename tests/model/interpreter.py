"""A graph that was recorded from a module, computed again node by node: right only if every array goes where the graph says."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch.nn.functional as F

import faltung.torch as ft
import torch
from faltung.model.graph import Graph, Node
from faltung.model.operations import (
    Attend,
    Convolve,
    Crop,
    Elementwise,
    Join,
    Multiply,
    Normalise,
    Pad,
    Permute,
    Pool,
    Reduce,
    Reshape,
    Resize,
    Same,
)
from torch import Tensor

UNARY = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "silu": F.silu,
    "exp": torch.exp,
    "hardtanh": F.hardtanh,
}
BINARY = {"add": torch.add, "multiply": torch.mul, "subtract": torch.sub, "divide": torch.div, "maximum": torch.maximum}


def run(graph: Graph, *inputs: Tensor) -> list[Tensor]:
    """What the graph gives; operations with numbers that the graph does not hold are not served."""
    values: dict[Any, Tensor] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        result = computed(node, [values[value] for value in node.inputs])
        (value,) = node.outputs
        assert tuple(result.shape) == value.shape, node
        assert str(result.dtype) == f"torch.{value.dtype}", node
        values[value] = result
    return [values[value] for value in graph.outputs]


def computed(node: Node, inputs: list[Tensor]) -> Tensor:
    weights = [torch.from_numpy(np.asarray(weight.read())) for weight in node.weights if weight.read is not None]
    operands = [*inputs, *weights]
    x = operands[0]
    shape = node.outputs[0].shape
    assert shape is not None
    match node.operation:
        case Convolve(spec):
            return ft.conv(spec, x, operands[1], operands[2] if spec.bias else None)
        case Pool(axes, how, ceil):
            function = getattr(F, f"{'max' if how == 'max' else 'avg'}_pool{len(axes)}d")
            kernel, stride, padding = ([each[index] for each in ((a.kernel, a.stride, a.padding[0]) for a in axes)] for index in range(3))
            result: Tensor = function(x, kernel, stride, padding, ceil_mode=ceil)
            return result
        case Multiply(macs, is_linear):
            if node.source in ("Linear", "aten.linear"):
                assert is_linear or len(inputs) > 1
                return F.linear(x, operands[1], operands[2] if len(operands) > 2 else None)
            assert macs == np.prod(shape) * x.shape[-1]
            other = operands[1]
            # A weight from the left is held as it is.
            return torch.matmul(x, other if other.dim() < 2 or other.shape[-2] == x.shape[-1] else other.mT)
        case Attend():
            return F.scaled_dot_product_attention(*inputs)
        case Elementwise("write"):
            return inputs[0] if len(inputs) == 1 else written(*inputs)
        case Elementwise("glu"):
            return inputs[0] * torch.sigmoid(inputs[1])
        case Elementwise(name, activates):
            if name in UNARY:
                assert activates
                return UNARY[name](x)
            return BINARY[name](*operands)
        case Normalise("batch_norm"):
            weight, bias, mean, variance = weights
            return F.batch_norm(x, mean, variance, weight, bias)
        case Normalise("layer_norm", dims):
            return F.layer_norm(x, x.shape[dims[0] :], *weights)
        case Normalise("softmax", dims):
            return x.softmax(*dims)
        case Reduce(name, dims, keeps):
            reduced: Tensor = getattr(x, {"mean": "mean", "sum": "sum", "max": "amax", "amax": "amax"}[name])(dims, keepdim=keeps)
            return reduced
        case Join(dim):
            return torch.cat(operands, dim)
        case Permute(order):
            return x.permute(order)
        case Reshape():
            return x.reshape(shape)
        case Crop(dim, start, step, drops):
            count = 1 if drops else shape[dim]
            part = x.index_select(dim, torch.arange(start, start + step * count, step))
            return part.squeeze(dim) if drops else part
        case Pad(sides, mode):
            return padded(x, sides, mode)
        case Resize("nearest"):
            return F.interpolate(x, shape[2:])
        case Same():
            return x.broadcast_to(shape)
    raise AssertionError(f"{node.name}: {node.operation} is not served here")


def padded(x: Tensor, sides: tuple[tuple[int, int], ...], mode: str) -> Tensor:
    """Cell by cell along each dimension, cropping where negative; cells outside that are none at all are nan, to be seen in writes."""
    for dim, (before, after) in enumerate(sides):
        cells = torch.arange(-before, x.shape[dim] + after)
        if mode == "circular":
            x = x.index_select(dim, cells % x.shape[dim])
            continue
        assert mode == "constant"
        inside = (cells >= 0) & (cells < x.shape[dim])
        picked = x.index_select(dim, cells.clamp(0, x.shape[dim] - 1))
        x = torch.where(inside.reshape([-1 if d == dim else 1 for d in range(x.dim())]), picked, torch.nan)
    return x


def written(old: Tensor, new: Tensor) -> Tensor:
    return torch.where(new.isnan(), old, new)
