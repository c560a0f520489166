"""Small models that run in PyTorch and are written down as a graph at once, to compare what is said of them with what they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F

import torch
from faltung.geometry import Axis
from faltung.model.graph import Graph, Node, Value, Weight
from faltung.model.operations import (
    Attend,
    Convolve,
    Crop,
    Elementwise,
    Join,
    Multiply,
    Operation,
    Pad,
    Permute,
    Pool,
    Reduce,
    Reshape,
    Resize,
    Same,
)
from faltung.spec import ConvSpec

Tensor = torch.Tensor
Pair = tuple[Value, Tensor]


class Small:
    """Each method adds a node and gives its value with its numbers; weights are positive, so that nothing cancels."""

    def __init__(self, *shape: int, seed: int = 0, shift: int = 0) -> None:
        self.random = torch.Generator().manual_seed(seed)
        image = torch.rand(shape, generator=self.random, dtype=torch.float64).add(0.5)
        self.image = image.roll(-shift, -1).requires_grad_()
        self.value = Value("x", shape, "float64")
        self.nodes: list[Node] = []
        self.x = (self.value, self.image)

    def graph(self) -> Graph:
        return Graph("Small", tuple(self.nodes), (self.value,), self.nodes[-1].outputs if self.nodes else (self.value,))

    def add(self, operation: Operation, result: Tensor, *inputs: Pair, weights: Sequence[Weight] = (), source: str = "") -> Pair:
        name = f"n{len(self.nodes)}"
        value = Value(name, tuple(result.shape), "float64")
        given = tuple(pair[0] for pair in inputs)
        self.nodes.append(Node(name, "", operation, source or type(operation).__name__, given, (value,), tuple(weights)))
        return value, result

    def _weight(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.random, dtype=torch.float64) + 0.1

    def conv(self, x: Pair, out: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1) -> Pair:
        ndim = x[1].ndim - 2
        spec = ConvSpec(x[1].shape[1], out, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups, bias=False, ndim=ndim)
        run: Callable[..., Tensor] = {1: F.conv1d, 2: F.conv2d}[ndim]
        result = run(x[1], self._weight(*spec.weight_shape), None, stride, padding, dilation, groups)
        return self.add(Convolve(spec), result, x)

    def up(self, x: Pair, out: int, kernel: int, stride: int, padding: int = 0, dilation: int = 1) -> Pair:
        ndim = x[1].ndim - 2
        spec = ConvSpec(
            x[1].shape[1], out, kernel, stride=stride, padding=padding, dilation=dilation, bias=False, transposed=True, ndim=ndim
        )
        run: Callable[..., Tensor] = {1: F.conv_transpose1d, 2: F.conv_transpose2d}[ndim]
        result = run(x[1], self._weight(*spec.weight_shape), None, stride, padding, 0, 1, dilation)
        return self.add(Convolve(spec), result, x)

    def pool(self, x: Pair, kernel: int, stride: int, padding: int = 0, ceil: bool = False) -> Pair:
        ndim = x[1].ndim - 2
        run: Callable[..., Tensor] = {1: F.avg_pool1d, 2: F.avg_pool2d}[ndim]
        axes = tuple(Axis(index, kernel, stride, padding=(padding, padding)) for index in range(ndim))
        return self.add(Pool(axes, "average", ceil), run(x[1], kernel, stride, padding, ceil), x)

    def plus(self, *xs: Pair) -> Pair:
        result = xs[0][1]
        for _, other in xs[1:]:
            result = result + other
        return self.add(Elementwise("add"), result, *xs)

    def times(self, x: Pair, y: Pair) -> Pair:
        return self.add(Elementwise("multiply"), x[1] * y[1], x, y)

    def join(self, dim: int, *xs: Pair) -> Pair:
        return self.add(Join(dim), torch.cat([tensor for _, tensor in xs], dim), *xs)

    def permute(self, x: Pair, *order: int) -> Pair:
        return self.add(Permute(order), x[1].permute(order), x)

    def reshape(self, x: Pair, *shape: int) -> Pair:
        return self.add(Reshape(), x[1].reshape(shape), x)

    def expand(self, x: Pair, *shape: int) -> Pair:
        return self.add(Same(), x[1].expand(shape), x)

    def crop(self, x: Pair, dim: int, start: int, stop: int, step: int = 1) -> Pair:
        return self.add(Crop(dim, start, step), x[1][(slice(None),) * dim + (slice(start, stop, step),)], x)

    def pick(self, x: Pair, dim: int, index: int) -> Pair:
        return self.add(Crop(dim, index, drops=True), x[1].select(dim, index), x)

    def pad(self, x: Pair, before: int, after: int) -> Pair:
        sides = ((0, 0),) * (x[1].ndim - 1) + ((before, after),)
        return self.add(Pad(sides), F.pad(x[1], (before, after)), x)

    def roll(self, x: Pair, dim: int, shift: int) -> Pair:
        by = shift % x[1].shape[dim]
        sides = tuple((by, -by) if each == dim else (0, 0) for each in range(x[1].ndim))
        return self.add(Pad(sides, "circular"), x[1].roll(shift, dim), x)

    def resize(self, x: Pair, size: int, how: str, aligns_corners: bool = False) -> Pair:
        plane = x[1][:, :, None]  # PyTorch interpolates with cubics over two axes alone
        mode = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic", "area": "area"}[how]
        options = {"align_corners": aligns_corners} if how in ("linear", "cubic") else {}
        result = F.interpolate(plane, (1, size), mode=mode, **options)[:, :, 0]
        return self.add(Resize(how, "align_corners" if aligns_corners else ""), result, x)

    def mean(self, x: Pair, *dims: int, keeps: bool = True) -> Pair:
        return self.add(Reduce("mean", dims, keeps), x[1].mean(dims, keepdim=keeps), x)

    def linear(self, x: Pair, out: int) -> Pair:
        return self.add(Multiply(0, True), x[1] @ self._weight(x[1].shape[-1], out), x)

    def product(self, x: Pair, y: Pair) -> Pair:
        return self.add(Multiply(0, False), x[1] @ y[1], x, y)

    def attend(self, q: Pair, k: Pair, v: Pair) -> Pair:
        return self.add(Attend(0), F.scaled_dot_product_attention(q[1], k[1], v[1]), q, k, v)

    def seen_by(self, cells: Tensor) -> Tensor:
        """Which cells of the input change the sum of some cells: bool, in the input's shape without samples and channels."""
        (gradient,) = torch.autograd.grad(cells.sum(), self.image, retain_graph=True)
        return (gradient != 0).any(1)[0]
