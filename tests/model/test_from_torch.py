"""Live modules as graphs: computed again from the graph alone, the model's own results come out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from faltung.model.from_torch import record  # noqa: E402
from faltung.model.graph import Graph  # noqa: E402
from faltung.model.operations import (  # noqa: E402
    Convolve,
    Elementwise,
    Multiply,
    Normalise,
    Pool,
    Reduce,
    Reshape,
    Same,
)
from faltung.spec import ConvSpec  # noqa: E402
from tests.model import interpreter  # noqa: E402
from torch import nn  # noqa: E402


class Does(nn.Module):
    """A module whose forward is a function of it and its inputs."""

    def __init__(self, forward: Callable[..., Any], **members: Any) -> None:
        super().__init__()
        self._does = forward
        for name, member in members.items():
            setattr(self, name, member)

    def forward(self, *inputs: Any, **keywords: Any) -> Any:
        return self._does(self, *inputs, **keywords)


def same_again(model: nn.Module, *shapes: tuple[int, ...], dtype: torch.dtype = torch.float64) -> Graph:
    """The graph, after its results have been compared with the model's: on other numbers than those that it was recorded with."""
    torch.manual_seed(0)
    model = model.to(dtype).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    inputs = [torch.randn(shape, dtype=dtype) for shape in shapes]
    graph = record(model, [torch.randn(shape, dtype=dtype) for shape in shapes])
    assert_connected(graph)
    with torch.no_grad():
        expected = model(*[each.clone() for each in inputs])
    expected = list(dict.fromkeys(expected)) if isinstance(expected, (tuple, list)) else [expected]
    for found, result in zip(interpreter.run(graph, *inputs), expected, strict=True):
        torch.testing.assert_close(found, result, rtol=1e-12, atol=1e-12)
    return graph


def assert_connected(graph: Graph) -> None:
    """Each node takes what was there before, names are unique, weights are no inputs."""
    there = set(graph.inputs)
    for node in graph.nodes:
        assert set(node.inputs) <= there, node.name
        there |= set(node.outputs)
    assert set(graph.outputs) <= there
    assert len({node.name for node in graph.nodes}) == len(graph.nodes)
    assert len({value.name for value in there}) == len(there)


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes]


def test_layers_are_named_after_their_modules() -> None:
    block = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout(0.5))
    model = nn.Sequential(block, nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    graph = same_again(model, (2, 3, 12, 12))
    assert names(graph) == ["0.0", "0.1", "0.2", "0.3", "1", "2", "3", "4"]
    assert [node.module for node in graph.nodes] == ["0"] * 4 + [""] * 4
    assert [node.source for node in graph.nodes][:2] == ["Conv2d", "BatchNorm2d"]
    assert [type(node.operation) for node in graph.nodes] == [Convolve, Normalise, Elementwise, Same, Pool, Reduce, Reshape, Multiply]
    assert graph.nodes[0].operation == Convolve(ConvSpec(3, 8, (3, 3), stride=2, padding=1, bias=False))
    assert [weight.name for weight in graph.nodes[1].weights] == ["0.1.weight", "0.1.bias", "0.1.running_mean", "0.1.running_var"]
    assert [weight.is_learned for weight in graph.nodes[1].weights] == [True, True, False, False]
    assert graph.notes == ()
    assert graph.unused == ()


def test_functional_calls_are_named_after_the_module_around_them() -> None:
    inner = Does(lambda self, x: F.relu(F.relu(x) + self.conv(x)), conv=nn.Conv1d(2, 2, 3, padding=1))
    graph = same_again(Does(lambda self, x: torch.sigmoid(self.inner(x)), inner=inner), (1, 2, 5))
    assert names(graph) == ["inner.relu", "inner.conv", "inner.add", "inner.relu (2)", "sigmoid"]
    assert [node.module for node in graph.nodes] == ["inner"] * 4 + [""]
    assert [node.source for node in graph.nodes] == ["aten.relu", "Conv1d", "aten.add", "aten.relu", "aten.sigmoid"]


def test_one_layer_alone() -> None:
    graph = same_again(nn.Conv1d(2, 3, 3), (1, 2, 8))
    assert [(node.name, node.module, node.source) for node in graph.nodes] == [("conv1d", "", "Conv1d")]


def test_a_shared_layer_counts_once_and_runs_twice() -> None:
    model = Does(lambda self, x: self.b(self.a(x)), a=nn.Conv2d(2, 2, 3, padding=1))
    model.b = model.a
    other = nn.Linear(4, 4)
    model.up = other
    model.down = nn.Linear(4, 4, bias=False)
    model.down.weight = other.weight
    model._does = lambda self, x: self.down(self.up(self.b(self.a(self.a(x)))))
    graph = same_again(model, (1, 2, 4, 4))
    assert [node.source for node in graph.nodes] == ["Conv2d"] * 3 + ["Linear"] * 2
    assert names(graph) == ["a", "a (2)", "a (3)", "up", "down"]
    assert graph.nodes[3].weights[0] is graph.nodes[4].weights[0]
    assert sum(weight.size for weight in graph.weights()) == sum(each.numel() for each in model.parameters())


def test_a_shared_layer_is_named_by_the_path_it_was_called_by() -> None:
    layer = nn.Conv1d(2, 2, 1)
    model = nn.Sequential(nn.Sequential(layer), nn.Sequential(layer))
    assert names(same_again(model, (1, 2, 4))) == ["0.0", "1.0"]
