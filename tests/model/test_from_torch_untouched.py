"""A model that was recorded is as it was before, whatever its forward does; and its arrays are not kept."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import pytest

import torch
from faltung.model.from_torch import record
from tests.model.recording import Does
from torch import Tensor, nn


def state(model: nn.Module) -> dict[str, Any]:
    """All that can be seen of a module."""
    return {
        path: {
            name: [(key, id(each)) for key, each in value.items()] if isinstance(value, dict) else copy.copy(value)
            for name, value in vars(module).items()
        }
        for path, module in model.named_modules()
    }


def test_modes_statistics_gradients_and_random_numbers() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Sequential(nn.InstanceNorm2d(4, track_running_stats=True))
    )
    model.train()
    model[3].eval()
    model(torch.randn(2, 3, 8, 8)).sum().backward()
    numbers = {name: value.clone() for name, value in model.state_dict().items()}
    gradients = [each.grad.clone() for each in model.parameters()]
    before, random = state(model), torch.get_rng_state()
    record(model, (2, 3, 8, 8))
    assert state(model) == before
    assert [module.training for module in model.modules()] == [True, True, True, True, False, False]
    assert torch.equal(torch.get_rng_state(), random)
    for name, value in model.state_dict().items():
        assert torch.equal(value, numbers[name]), name
    for each, gradient in zip(model.parameters(), gradients, strict=True):
        assert torch.equal(each.grad, gradient)
        assert each.requires_grad


def test_a_forward_that_changes_its_module() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        self.calls += 1
        self.last = x
        self.cache["x"] = x
        self.seen.append(x)
        self.count += 1
        self.replaced = self.replaced + 1
        with torch.no_grad():
            self.weight.mul_(2)
            self.weight[0] = 5
        torch.nn.functional.batch_norm(x, self.mean, self.variance, training=True)
        torch.rand(3)
        if not self.handles:
            self.handles.append(self.register_forward_hook(lambda *_: None))
        return x * self.weight

    model = Does(forward, weight=nn.Parameter(torch.ones(3)), calls=0, cache={}, seen=[], handles=[])
    for name in ("count", "replaced", "mean", "variance"):
        model.register_buffer(name, torch.zeros(3))
    x = torch.randn(4, 3)
    before, random = state(model), torch.get_rng_state()
    record(model, x)
    assert state(model) == before
    assert model.weight.tolist() == [1, 1, 1]
    for buffer in model.buffers():
        assert buffer.tolist() == [0, 0, 0]
    assert torch.equal(torch.get_rng_state(), random)
    # The same when it fails half-way.
    model._does = lambda self, x: forward(self, x) + torch.ones(7)
    before = state(model)
    with pytest.raises(ValueError, match="added"):
        record(model, x)
    assert state(model) == before
    assert model.weight.tolist() == [1, 1, 1]


def test_hooks_of_the_model_run_and_none_are_left() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    calls = []
    model[0].register_forward_hook(lambda *_: calls.append("hook"))
    model[1].register_forward_hook(lambda _module, _given, made: made + 1)
    everywhere = dict(torch.nn.modules.module._global_forward_hooks)
    graph = record(model, (2, 3))
    assert calls == ["hook"]
    assert [node.source for node in graph.nodes] == ["Linear", "ReLU", "aten.add"]
    with pytest.raises(ValueError, match="features"):
        record(model, (2, 4))
    assert torch.nn.modules.module._global_forward_hooks == everywhere
    assert not torch.nn.modules.module._global_forward_pre_hooks
    assert not torch.nn.modules.module._global_forward_hooks_always_called
    assert torch.backends.mha.get_fastpath_enabled()
    assert torch.is_grad_enabled()
    y = model(torch.randn(2, 3))
    assert y.requires_grad


def test_lazy_layers_stay_lazy() -> None:
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    graph = record(model, (1, 3, 6, 6))
    assert [node.source for node in graph.nodes] == ["Conv2d", "BatchNorm2d", "Flatten", "Linear"]
    assert graph.nodes[3].weights[0].shape == (2, 64)
    assert "in a copy" in graph.notes[0]
    assert [type(module).__name__ for module in model] == ["LazyConv2d", "LazyBatchNorm2d", "Flatten", "LazyLinear"]
    assert model(torch.zeros(1, 5, 6, 6)).shape == (1, 2)


def test_arrays_are_let_go_during_the_run() -> None:
    alive: list[int] = []
    made: list[weakref.ref[Tensor]] = []

    def forward(self: Any, x: Tensor) -> Tensor:
        for _ in range(6):
            x = x.view(2, 3).sigmoid()
            made.append(weakref.ref(x))
            gc.collect()
            alive.append(sum(each() is not None for each in made))
        return x

    record(Does(forward), (3, 2))
    assert alive == [1] * 6


def test_an_array_that_takes_the_place_of_another_is_not_taken_for_it() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        for _ in range(50):
            torch.ones(2, 3).neg()
            x = x + torch.ones(2, 3)
        return x

    graph = record(Does(forward), (2, 3))
    assert [node.source for node in graph.nodes] == ["aten.add"] * 50
    assert all(len(node.inputs) == 1 for node in graph.nodes)
