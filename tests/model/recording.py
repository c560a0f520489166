"""What the tests of recorded modules share: a module that is any function, and graphs held against the models that they were read from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from faltung.model.from_torch import record
from faltung.model.graph import Graph
from faltung.model.operations import Convolve
from faltung.spec import ConvSpec
from tests.model import interpreter
from torch import nn


class Does(nn.Module):
    """A module whose forward is a function of it and its inputs."""

    def __init__(self, forward: Callable[..., Any], **members: Any) -> None:
        super().__init__()
        self._does = forward
        for name, member in members.items():
            setattr(self, name, member)

    def forward(self, *inputs: Any, **keywords: Any) -> Any:
        return self._does(self, *inputs, **keywords)


def check_same_again(model: nn.Module, *shapes: tuple[int, ...], dtype: torch.dtype = torch.float64) -> Graph:
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


def convolutions(graph: Graph) -> list[ConvSpec]:
    return [node.operation.spec for node in graph.nodes if isinstance(node.operation, Convolve)]
