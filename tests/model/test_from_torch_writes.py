"""Memory that is written to, itself and through views: every array in the graph is what the tensor held when it was read."""

from __future__ import annotations

import random
from typing import Any

import pytest

import torch
from faltung.model.from_torch import record
from faltung.model.graph import Graph, Node
from faltung.model.operations import Crop, Elementwise, Pad, Same, Unknown
from tests.model.recording import Does, check_same_again, names
from torch import Tensor, nn


def test_a_write_in_place_is_a_newer_value_of_the_same_tensor() -> None:
    def forward(self: Any, x: Tensor) -> Any:
        y = x + x
        before = y.sigmoid()
        y.relu_()
        y += x
        return y, before, y.tanh()

    graph = check_same_again(Does(forward), (2, 3))
    assert names(graph) == ["add", "sigmoid", "relu", "add (2)", "tanh"]
    assert [node.source for node in graph.nodes][2:4] == ["aten.relu_", "aten.add_"]


def test_the_input_itself_is_written_to_and_the_users_tensor_is_not() -> None:
    x = torch.tensor([-1.0, 2.0])
    graph = record(Does(lambda self, x: x.relu_() + x), x)
    assert x.tolist() == [-1, 2]
    assert [value.name for value in graph.nodes[1].inputs] == ["relu", "relu"]


def test_a_part_that_is_written_to() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        y = x * x
        y[:, 1:3] = x[:, :2]
        return y.sigmoid()

    graph = check_same_again(Does(forward), (2, 4, 3))
    operations = [node.operation for node in graph.nodes]
    assert operations[1:4] == [Crop(1, 0), Crop(1, 1), Same()]
    assert operations[4:6] == [Pad(((0, 0), (1, 1), (0, 0))), Elementwise("write")]


def test_a_buffer_that_is_filled_part_by_part() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        out = torch.zeros(x.shape[0], 2 * x.shape[1], *x.shape[2:], dtype=x.dtype)
        out[:, : x.shape[1]] = x.relu()
        out[:, x.shape[1] :] = x
        return self.conv(out)

    check_same_again(Does(forward, conv=nn.Conv1d(6, 2, 3)), (2, 3, 5))


def test_what_is_overwritten_is_forgotten() -> None:
    def forward(self: Any, x: Tensor) -> Any:
        y = x * x
        y.zero_()
        z = x * x
        z.copy_(self.weight)
        z[0] = 7
        return y + x, z + x

    graph = record(Does(forward, weight=nn.Parameter(torch.ones(3))), (3,))
    first, second = graph.nodes[-2:]
    assert [value.name for value in first.inputs] == [value.name for value in second.inputs] == ["input"]
    assert [weight.name for weight in second.weights] == ["weight"]


def test_what_was_written_before_is_still_there_after_a_part_is_cleared() -> None:
    def through_two_views(self: Any, x: Tensor) -> Tensor:
        y = x * x
        one, other = y[:2], y[1:]
        one.copy_(x[:2].sigmoid())
        other.zero_()
        return y.tanh()

    def of_a_view_of_a_view(self: Any, x: Tensor) -> Tensor:
        y = x * x
        flat = y.view(-1)
        end = flat[2:]
        y.sigmoid_()
        end.zero_()
        return flat.tanh()

    for forward in (through_two_views, of_a_view_of_a_view):
        graph = record(Does(forward), (3, 4))
        assert "sigmoid" in before(graph, graph.nodes[-1])


def before(graph: Graph, node: Node) -> set[str]:
    """The names of all nodes that a node depends on."""
    makers = graph.makers()
    found = {maker.name: maker for value in node.inputs if (maker := makers.get(value)) is not None}
    return set(found).union(*(before(graph, maker) for maker in found.values()))


def test_every_other_cell_written_is_not_guessed() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        y = x * x
        y[:, ::2] = x[:, ::2]
        return y + x

    graph = record(Does(forward), (2, 4))
    (unknown,) = [node for node in graph.nodes if isinstance(node.operation, Unknown)]
    assert unknown.operation == Unknown("part of an array is written to, through Crop")
    assert len(unknown.inputs) == 2


def test_results_put_into_given_memory() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        out = torch.empty_like(x)
        torch.add(x, x, out=out)
        return out.relu()

    assert names(check_same_again(Does(forward), (3, 2))) == ["add", "relu"]


STEPS = ("slice", "select", "transpose", "reshape", "relu_", "add_", "copy_", "sum", "chunk", "fill", "unsqueeze", "detach")


class Program(nn.Module):
    """Views of a few arrays, writes to them, and sums of them, drawn at random but the same at each run."""

    def __init__(self, seed: int, length: int) -> None:
        super().__init__()
        self.seed, self.length = seed, length

    def forward(self, x: Tensor, y: Tensor) -> list[Tensor]:
        draw = random.Random(self.seed)
        tensors = [x * x, y + y, torch.full_like(x, 3.0)]
        tensors[2][:] = y.sigmoid()
        for _ in range(self.length):
            tensors += self.step(draw, draw.choice(STEPS), draw.choice(tensors), tensors)
        draw.shuffle(tensors)
        return [tensor.sigmoid() for tensor in tensors]

    def step(self, draw: random.Random, name: str, tensor: Tensor, tensors: list[Tensor]) -> list[Tensor]:
        dim = draw.randrange(tensor.dim()) if tensor.dim() else -1
        same = [each for each in tensors if each.shape == tensor.shape]
        if name in ("relu_", "add_", "copy_", "fill"):
            if name == "relu_":
                tensor.relu_()
            elif name == "add_":
                tensor.add_(draw.choice(same).clone())
            elif name == "copy_":
                tensor.copy_(draw.choice(same).sigmoid())
            elif tensor.dim():
                tensor[draw.randrange(tensor.shape[0])] = draw.choice(same)[0].clone()
            return []
        if name == "sum":
            return [tensor + draw.choice(same)]
        if name == "detach":
            return [tensor.detach()]
        if tensor.dim() > 4 or dim < 0:
            return []
        if name == "unsqueeze":
            return [tensor.unsqueeze(dim)]
        if name == "transpose":
            return [tensor.transpose(dim, draw.randrange(tensor.dim()))]
        if name == "reshape":
            return [tensor.reshape(-1)] if tensor.dim() > 1 else []
        if tensor.shape[dim] < 2:
            return []
        if name == "chunk":
            return list(tensor.chunk(2, dim))
        if name == "select":
            return [tensor.select(dim, draw.randrange(tensor.shape[dim]))]
        start = draw.randrange(tensor.shape[dim] - 1)
        return [tensor.narrow(dim, start, draw.randint(1, tensor.shape[dim] - start))]


@pytest.mark.parametrize("seed", range(100))
def test_programs_drawn_at_random(seed: int) -> None:
    graph = check_same_again(Program(seed, length=6 + seed // 5), (3, 4), (3, 4))
    assert not [node for node in graph.nodes if isinstance(node.operation, Unknown)]
