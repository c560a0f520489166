"""`accelerate`: what it finds, what it folds, what it leaves, and that it can be undone. How fast is the benchmark's matter."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch.nn.functional as F

import faltung.torch as ft
import torch
from faltung.errors import ConvTypeError
from faltung.torch import acceleration as package
from faltung.torch.acceleration import fused
from faltung.torch.acceleration.measuring import Compared, compared
from tests.torch.closeness import assert_near
from torch import nn


@pytest.fixture(autouse=True)
def always_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faltung.torch.acceleration.compared", lambda before, after, **_: Compared(2.0, 1.0, 2.0))


class Residual(nn.Module):
    """Two convolutions, batch norms, one activation for both, a way around."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(2))
        self.active = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.active(self.norms[0](self.first(x)))
        return self.active(self.norms[1](self.second(y)) + x)


class Functional(nn.Module):
    """A module whose convolution is a function call."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(8, 1, 3, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(F.conv2d(x, self.kernel, padding=1, groups=8))


class Untraceable(Functional):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) if x.sum() > -1e9 else x


def network() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU6(), Residual(8), Functional(),
        nn.ConvTranspose2d(8, 4, 2, stride=2, groups=2), nn.BatchNorm2d(4), nn.SiLU(), nn.Conv2d(4, 2, 1), nn.Sigmoid(),
    )  # fmt: skip
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.5, 2)
            for tensor in (module.bias, module.running_mean):
                nn.init.normal_(tensor)
    return model.eval()


def test_same_results_and_back() -> None:
    model, x = network(), torch.randn(2, 3, 17, 17)
    names, text = list(model.state_dict()), repr(model)
    with torch.no_grad():
        expected = model(x)
        same, report = ft.accelerate(model, x, graph=False)
        assert same is model
        assert [row.fused for row in report.rows] == [
            ("batch norm", "relu6"), ("batch norm", "relu"), ("batch norm",), (), ("batch norm", "silu"), (),
        ]  # fmt: skip
        assert report.swapped == 6
        assert_near(model(x), expected)
        other = torch.randn(1, 3, 12, 15)
        accelerated = model(other)
        assert list(model.state_dict()) == names
        assert repr(model) == text
        assert report.undo() is model
        assert not any("forward" in module.__dict__ for module in model.modules())
        assert torch.equal(model(x), expected)
        assert_near(accelerated, model(other))


def test_nothing_is_folded_unless_wanted_or_in_training() -> None:
    model, x = network(), torch.randn(1, 3, 17, 17)
    _, report = ft.accelerate(model, x, fuse=False, graph=False)
    assert not any(row.fused for row in report.rows)
    model.train()
    _, report = ft.accelerate(model, x, graph=False)
    assert not any("batch norm" in row.fused for row in report.rows)


@pytest.mark.parametrize("trainable", [False, True])
def test_it_can_still_be_trained(trainable: bool) -> None:
    model, x = network(), torch.randn(2, 3, 17, 17)
    twin = copy.deepcopy(model)
    ft.accelerate(model, x, trainable=trainable, graph=False)
    for each in (model, twin):
        each.train()
        optimiser = torch.optim.SGD(each.parameters(), 0.01)
        for _ in range(2):
            optimiser.zero_grad()
            each(x).square().sum().backward()
            optimiser.step()
        each.eval()
    for (name, one), other in zip(model.named_parameters(), twin.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4), name
    with torch.no_grad():
        assert torch.allclose(model(x), twin(x), rtol=1e-3, atol=1e-4)


def test_changes_are_seen() -> None:
    model, x = network(), torch.randn(1, 3, 17, 17)
    ft.accelerate(model, x, graph=False)
    other = network()
    nn.init.ones_(other[0].weight)
    other[1].running_mean.add_(1)
    with torch.no_grad():
        model(x)
        model.load_state_dict(other.state_dict())
        assert_near(model(x), other(x))
        model[1].track_running_stats = False
        model[1].num_batches_tracked = None
        model(x)
        model[1].train()
        model[1](torch.randn(4, 8, 3, 3))
        model[1].eval()


def test_copies_and_pickles() -> None:
    model, x = network(), torch.randn(1, 3, 17, 17)
    ft.accelerate(model, x, graph=False)
    with torch.no_grad():
        expected = model(x)
        for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert torch.equal(twin(x), expected)
            nn.init.zeros_(twin[0].weight)
            assert not torch.equal(twin(x), expected)
            assert torch.equal(model(x), expected)


def test_a_result_that_others_see_is_not_folded() -> None:
    class Seen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.active = nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2), nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.conv(x)
            z = self.norm(y)
            return self.active(z) + y + z

    model, x = Seen().eval(), torch.randn(1, 2, 5, 5)
    with torch.no_grad():
        expected = model(x)
        _, report = ft.accelerate(model, x, graph=False)
        assert report.rows[0].fused == ()
        assert_near(model(x), expected)


def test_other_ways_through_a_model_stay_right() -> None:
    """Folding was seen to be right for the example; where another input goes another way, nothing is done twice or left out."""

    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.other, self.active = nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 3), nn.ReLU()

        def forward(self, x: torch.Tensor, *, way: bool = True) -> torch.Tensor:
            return self.active(self.norm(self.conv(x) if way else self.other(x)))

    model, x = Branching().eval(), torch.randn(1, 2, 5, 5)
    nn.init.normal_(model.norm.running_mean)
    with torch.no_grad():
        expected = model(x, way=False)
        ft.accelerate(model, x, graph=False)
        assert torch.equal(model(x, way=False), expected)


def test_what_cannot_be_swapped_says_why() -> None:
    _, report = ft.accelerate(nn.Sequential(Untraceable()), torch.randn(1, 8, 5, 5))
    assert not report.rows[0].swapped
    assert report.rows[0].reason.startswith("torch.fx cannot trace it: ")
    _, report = ft.accelerate(nn.Conv2d(1, 1, 3).half(), torch.randn(1, 1, 5, 5).half(), graph=False)
    assert report.rows[0].swapped
    with pytest.raises(ConvTypeError, match=r"a torch\.nn\.Module is needed"):
        ft.accelerate(len, torch.ones(1))  # type: ignore[arg-type]


def test_what_is_slower_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faltung.torch.acceleration.compared", lambda before, after, **_: Compared(1.0, 2.0, 0.5))
    model, report = ft.accelerate(network(), torch.randn(1, 3, 17, 17), graph=False)
    assert report.swapped == 0
    assert report.ratio == 1.0
    assert not any("forward" in module.__dict__ for module in model.modules())


def test_the_report_is_readable() -> None:
    _, report = ft.accelerate(network(), torch.randn(1, 3, 17, 17), graph=False)
    text = str(report)
    assert "6 of 6 convolutions swapped" in text
    assert "batch norm, relu6" in text
    assert report.to_markdown().count("\n| ") == 7
    assert "<table" in report._repr_html_()
    assert report.to_dict()["rows"][0]["swapped"] is True


def test_measured_side_by_side() -> None:
    calls: list[str] = []
    found: Any = compared(lambda: calls.append("before"), lambda: calls.append("after"), rounds=3, seconds=0.0)
    assert set(calls) == {"before", "after"}
    assert found.before > 0 < found.after
    assert package.restore(nn.Identity()) is not None


def test_weights_that_change_while_another_thread_packs_them() -> None:
    """What was packed of the old ones serves the call that packed it, and no later one."""
    model, x = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)).eval(), torch.randn(1, 3, 9, 9)
    ft.accelerate(model, x, graph=False)
    layer, norm, planned = *model, fused.plan
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:

        def overtaken(*args: Any) -> Any:
            patch.undo()
            layer.weight.mul_(2)
            model(x)
            return planned(*args)

        layer.weight.mul_(3)
        patch.setattr(fused, "plan", overtaken)
        model(x)
        assert_near(model(x), F.batch_norm(F.conv2d(x, layer.weight, layer.bias), norm.running_mean, norm.running_var))
