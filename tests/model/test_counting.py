"""Counts against the multiplications that the definition actually does, one by one."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest

from faltung import reference
from faltung.errors import ConvShapeError
from faltung.geometry import Axis
from faltung.model.auditing.counting import cost_of, numbers_of
from faltung.model.auditing.live_memory import peak_memory
from faltung.model.graph import Node, Value, Weight
from faltung.model.operations import (
    Attend,
    Convolve,
    Crop,
    Elementwise,
    Join,
    Lookup,
    Multiply,
    Normalise,
    Pad,
    Permute,
    Pool,
    Reduce,
    Reshape,
    Resize,
    Same,
    Unknown,
)  # fmt: skip
from faltung.spec import ConvSpec
from tests.support.graphs import Making


class Counted:
    """A number that notes each product it takes part in."""

    products = 0

    def __mul__(self, other: object) -> Counted:
        Counted.products += 1
        return self

    __rmul__ = __mul__

    def __add__(self, other: object) -> Counted:
        return self

    __radd__ = __add__


def counted(shape: tuple[int, ...]) -> np.ndarray:
    array = np.empty(shape, object)
    array[...] = Counted()
    return array


def multiplications(spec: ConvSpec, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many products `faltung.reference` forms for an input of this shape."""
    monkeypatch.setattr(reference, "accumulator", lambda *arrays: np.dtype(object))
    Counted.products = 0
    reference.conv(spec, counted(shape), counted(spec.weight_shape))
    return Counted.products


def cropped(spec: ConvSpec, shape: tuple[int, ...]) -> int:
    """Products of a transposed convolution whose result would lie outside its output, which the definition leaves out."""
    axes = [reference.meetings(spec, axis, size)[0] for axis, size in enumerate(shape[2:])]
    outside = sum(None in [large for _, _, large in meeting] for meeting in itertools.product(*axes))
    return shape[0] * outside * math.prod(spec.weight_shape[:2]) if spec.transposed else 0


SPECS = [
    "conv2d(3, 8, 3)",
    "conv2d(4, 6, (3, 2), stride=2, padding=1)",
    "conv2d(4, 6, 3, padding=2, dilation=2, groups=2)",
    "conv2d(5, 5, 3, padding=1, groups=5)",
    "conv2d(6, 4, 1)",
    "conv2d(4, 4, 3, padding='same', padding_mode='circular')",
    "conv2d(2, 3, 5, padding=4)",
    "conv1d(3, 4, 5, stride=3, padding=2)",
    "conv3d(2, 2, 2, padding=1)",
    "conv_transpose2d(3, 4, 3, stride=2, padding=1, output_padding=1)",
    "conv_transpose2d(4, 4, 4, stride=2, groups=2)",
    "conv_transpose1d(2, 3, 3, stride=4, dilation=2)",
    "conv_transpose2d(4, 4, 2, stride=2, groups=4, padding=1)",
]


@pytest.mark.parametrize("text", SPECS)
@pytest.mark.parametrize("batch", [1, 3])
def test_macs_are_the_multiplications_of_the_definition(text: str, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Products with padding are among them: the definition forms them, too."""
    spec = ConvSpec.parse(text)
    shape = (batch, spec.in_channels, *(6, 7, 4)[: spec.ndim])
    cost = cost_of(node_of(Convolve(spec), shape, spec.output_shape(shape)))
    found = multiplications(spec, shape, monkeypatch)
    assert found > 0
    assert cost.macs == found + cropped(spec, shape)
    biases = math.prod(spec.output_shape(shape)) if spec.bias else 0
    assert cost.flops == 2 * cost.macs + biases


def random_spec(draw: random.Random) -> tuple[ConvSpec, tuple[int, ...]]:
    ndim, groups, transposed = draw.choice([1, 2]), draw.choice([1, 1, 2]), draw.random() < 0.4
    kernel = [draw.randint(1, 3) for _ in range(ndim)]
    stride = [draw.randint(1, 3) for _ in range(ndim)]
    dilation = [draw.randint(1, 2) for _ in range(ndim)]
    padding = [(draw.randint(0, 2), draw.randint(0, 1)) for _ in range(ndim)]
    spec = ConvSpec(2 * groups, groups, kernel, stride, padding, dilation, groups, transposed=transposed)
    return spec, (draw.randint(1, 2), 2 * groups, *(draw.randint(5, 7) for _ in range(ndim)))


def test_macs_of_many_specs(monkeypatch: pytest.MonkeyPatch) -> None:
    draw, seen = random.Random(7), 0
    while seen < 60:
        spec, shape = random_spec(draw)
        try:
            output = spec.output_shape(shape)
        except ConvShapeError:
            continue
        seen += 1
        assert cost_of(node_of(Convolve(spec), shape, output)).macs == multiplications(spec, shape, monkeypatch) + cropped(spec, shape), (
            spec
        )


def node_of(operation: object, shape: tuple[int, ...] | None, output: tuple[int, ...] | None, weights: tuple[Weight, ...] = ()) -> Node:
    return Node("layer", "", operation, "Op", (Value("x", shape, "float32"),), (Value("y", output, "float32"),), weights)


def test_a_layer_that_does_not_fit_is_named() -> None:
    with pytest.raises(ConvShapeError, match=r"layer 'layer': input has 4 channels"):
        cost_of(node_of(Convolve(ConvSpec(3, 8, 3, ndim=2)), (1, 4, 8, 8), (1, 8, 6, 6)))


def test_products_with_weights_add_biases() -> None:
    factor = Weight("w", (10, 5), "float32")
    for size, dtype, adds in ((10, "float32", 40), (1, "float32", 40), (4, "float32", 0), (10, "int32", 0)):
        node = node_of(Multiply(200, is_linear=True), (4, 5), (4, 10), (factor, Weight("b", (size,), dtype)))
        assert cost_of(node).flops == 400 + adds
    assert cost_of(node_of(Multiply(200, is_linear=False), (4, 5), (4, 10))).flops == 400
    assert cost_of(node_of(Attend(77), (1, 2, 3), (1, 2, 3))).flops == 154


FREE = [Elementwise("write"), Elementwise("constant"), Join(1), Permute((1, 0)), Reshape(), Crop(0, 0), Pad(((0, 0),)), Same(), Lookup()]
UNCOUNTED = [
    Pool((Axis(0, 2, 2),), "max"),
    Elementwise("relu", True),
    Normalise("batch_norm"),
    Reduce("mean", (1,), False),
    Resize("linear"),
]


def test_every_operation_is_counted_free_or_uncounted_with_a_reason() -> None:
    for operation in FREE:
        assert cost_of(node_of(operation, (4, 5), (4, 5))).how == "free"
    reasons = set()
    for operation in [*UNCOUNTED, Unknown("an LSTM is not followed")]:
        cost = cost_of(node_of(operation, (4, 5), (4, 5)))
        assert (cost.how, cost.macs) == ("uncounted", 0)
        assert cost.reason
        reasons.add(cost.reason)
    assert len(reasons) == len(UNCOUNTED) + 1
    assert "an LSTM is not followed" in reasons
    unknown = cost_of(node_of(Convolve(ConvSpec(3, 8, 3, ndim=2)), None, None))
    assert (unknown.how, unknown.reason) == ("uncounted", "the shape of its input depends on the numbers")
    assert numbers_of(node_of(Same(), None, None)) is None


# -- memory that is alive at once ------------------------------------------------------------------


def alive_by_definition(graph) -> int:
    """At each node: everything that is made so far, is needed then or later, and is no view of another."""
    owner = {}
    for node in graph.nodes:
        if isinstance(node.operation, Reshape):
            owner[node.outputs[0]] = owner.get(node.inputs[0], node.inputs[0])
    most = 0
    for now in range(len(graph.nodes)):
        made = [*graph.inputs, *(value for node in graph.nodes[: now + 1] for value in node.outputs)]
        later = [value for node in graph.nodes[now:] for value in (*node.inputs, *node.outputs)] + list(graph.outputs)
        needed = {owner.get(value, value) for value in later}
        most = max(most, sum(value.bytes for value in {owner.get(value, value) for value in made} & needed))
    return most


@pytest.mark.parametrize("seed", range(30))
def test_the_peak_is_that_of_the_definition(seed: int) -> None:
    draw = random.Random(seed)
    making = Making(1, draw.randint(1, 9), 8, 8)
    values = [making.x]
    for _ in range(12):
        one, other = draw.choice(values[-4:]), draw.choice(values[-4:])
        kind = draw.randrange(3)
        if kind == 0:
            values.append(making.add(Reshape(), (math.prod(one.shape),), one))
        elif kind == 1:
            values.append(making.add(Elementwise("add"), (draw.randint(1, 300),), one, other))
        else:
            values.append(making.add(Join(0), (draw.randint(1, 900),), one, other))
    graph = making.graph(values[-1], values[-3])
    assert peak_memory(graph).bytes == alive_by_definition(graph)


def test_the_peak_of_a_skip_connection() -> None:
    making = Making(1, 4, 8, 8)
    first = making.conv("conv2d(4, 4, 3, padding=1)", making.x, name="first")
    second = making.conv("conv2d(4, 16, 3, padding=1)", first, name="second")
    third = making.conv("conv2d(16, 4, 3, padding=1)", second, name="third")
    making.add(Elementwise("add"), (1, 4, 8, 8), first, third, name="sum")
    peak = peak_memory(making.graph())
    # first waits for the sum while third reads second.
    assert (peak.bytes, peak.at) == (4 * 64 * (4 + 16 + 4), "third")
    assert peak.unknown == 0


def test_an_empty_graph_has_its_inputs_alone() -> None:
    making = Making(2, 3)
    assert peak_memory(making.graph(making.x)).bytes == 24
