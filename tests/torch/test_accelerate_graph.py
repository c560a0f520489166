"""`accelerate` on whole graphs: what runs together, what leaves it to PyTorch, and that nothing is missed."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
import runpy
import sys
import threading
from pathlib import Path

import pytest
import torch.nn.functional as F

import faltung.torch as ft
import torch
from faltung.torch.acceleration.exported import exported
from faltung.torch.acceleration.measuring import Compared
from faltung.torch.acceleration.operations import Join, MaxPool, Normalise, Sum
from faltung.torch.acceleration.reading import read
from faltung.torch.acceleration.segments import Segment
from faltung.torch.acceleration.whole import Whole
from tests.support.meanwhile import between_steps
from tests.torch.closeness import assert_near
from torch import Tensor, nn


class Stem(nn.Module):
    """Padding of its own, on one side more than on the other, and at the border's cells again."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, 2, bias=False), nn.Conv2d(8, 8, 3, padding=1)
        self.norm, self.third = nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.norm(self.first(F.pad(x, (0, 1, 0, 1)))))
        y = F.hardswish(self.second(F.pad(y, (1, 0, 1, 0))))
        return self.third(F.pad(y, (1, 1, 1, 1), mode="reflect"))


class Residual(nn.Module):
    """A sum of two convolutions, activated."""

    def __init__(self) -> None:
        super().__init__()
        self.way, self.around = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.before, self.norm = nn.BatchNorm2d(8), nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.before(x))  # a batch norm that no convolution takes in
        return F.relu_(self.norm(self.way(y)) + self.around(x))


class Gate(nn.Module):
    """Squeeze and excitation: factors that depend on the input."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.up(F.silu(self.down(F.adaptive_avg_pool2d(x, 1)))))


class Skips(nn.Module):
    """Down and up, joined; one part twice."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(8, 8, 3, padding=1), nn.ConvTranspose2d(8, 8, 2, stride=2, groups=2)
        self.norm, self.last = nn.BatchNorm2d(8), nn.Conv2d(32, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.down(x))
        z = self.norm(self.up(F.max_pool2d(y, 2)))
        return self.last(torch.cat([z, y, x, z], 1)) + F.max_pool2d(y, 3, 1, 1)


class Mixer(nn.Module):
    """A block of ConvNeXt: channels last between two permutations."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial, self.norm = nn.Conv2d(8, 8, 7, padding=3, groups=8), nn.LayerNorm(8)
        self.widen, self.narrow, self.scale = nn.Linear(8, 20), nn.Linear(20, 8), nn.Parameter(torch.rand(8))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.spatial(x).permute(0, 2, 3, 1))
        return x + (self.scale * self.narrow(F.gelu(self.widen(y)))).permute(0, 3, 1, 2)


class Tokens(nn.Module):
    """What a vision transformer does: positions in a row, some of it by PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm, self.mix = nn.Conv2d(8, 8, 2, 2), nn.LayerNorm(8), nn.Linear(8, 16)

    def forward(self, x: Tensor) -> Tensor:
        y = self.embed(x)
        tokens = self.norm(y.flatten(2).transpose(1, 2))
        query, key = self.mix(tokens).view(len(x), -1, 2, 8).unbind(2)
        tokens = tokens + F.scaled_dot_product_attention(query, key, key)
        return tokens.transpose(1, 2).reshape(y.shape) + y


def network() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(Stem(), Residual(), Gate(), Skips(), Mixer(), Tokens())
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            for tensor in (module.weight, module.bias, module.running_mean):
                nn.init.normal_(tensor)
    return model.eval()


def example() -> Tensor:
    return torch.randn(2, 3, 31, 31, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def always_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faltung.torch.acceleration.compared", lambda before, after, **_: Compared(2.0, 1.0, 2.0))


@pytest.fixture(scope="module")
def accelerated() -> tuple[nn.Sequential, ft.AccelerationReport]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("faltung.torch.acceleration.compared", lambda before, after, **_: Compared(2.0, 1.0, 2.0))
        model, report = ft.accelerate(network(), example())
    assert isinstance(model, nn.Sequential)
    return model, report


def test_what_is_read() -> None:
    found = read(exported(network(), (example(),)))
    convs = {conv.fused for conv in found.convolutions}
    assert {("padding", "batch norm", "relu6"), ("padding", "hardswish"), ("padding",), ("batch norm", "relu"), ("batch norm",)} <= convs
    assert {("residual", "relu"), ("residual",), ("silu",), ("sigmoid",), ("gelu",), ("scale", "residual")} <= convs
    kinds = [type(item) for item in found.items if not isinstance(item, torch.fx.Node)]
    assert {kind: kinds.count(kind) for kind in (Join, MaxPool, Normalise, Sum)} == {Join: 1, MaxPool: 2, Normalise: 2, Sum: 1}
    left = {str(item.target) for item in found.items if isinstance(item, torch.fx.Node)}
    assert not any("pad" in name or "batch_norm" in name or "permute" in name for name in left)


@pytest.mark.parametrize("by_pytorch", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_same_results(dtype: torch.dtype, *, by_pytorch: bool) -> None:
    model, x = network().to(dtype), example().to(dtype)
    with torch.no_grad():
        expected = [model(x), model(2 * x)]
        found = read(exported(model, (x,)))
        for conv in found.convolutions:
            conv.by_pytorch = by_pytorch
        forward = Whole(model, (x,), found)
        first = forward(x)
        for result, other in ((first, expected[0]), (forward(2 * x), expected[1]), (first, expected[0])):
            if dtype is torch.bfloat16:  # of other roundings between the layers
                assert (result - other).abs().max() < 0.1 * other.abs().max()
            else:
                assert_near(result, other)


def test_results_and_report(accelerated: tuple[nn.Sequential, ft.AccelerationReport]) -> None:
    model, report = accelerated
    assert 0 < report.runs < 6
    assert not report.reason
    assert report.swapped == len(report.rows) == 12
    assert f"12 of 12 convolutions swapped, in {report.runs} runs" in report.summary
    assert ("residual", "relu") in [row.fused for row in report.rows]
    assert report.error < 1e-5
    assert report.to_dict()["runs"] == report.runs
    assert isinstance(model.__dict__["forward"], Whole)


@pytest.mark.parametrize("shape", [(1, 3, 31, 31), (2, 3, 35, 31)])
def test_other_inputs_go_another_way(accelerated: tuple[nn.Sequential, ft.AccelerationReport], shape: tuple[int, ...]) -> None:
    model, x = accelerated[0], torch.randn(shape)
    with torch.no_grad():
        assert_near(model(x), network()(x))
        x = example().contiguous(memory_format=torch.channels_last)
        assert_near(model(x), network()(x))
    assert model(example()).requires_grad


def test_changes_are_seen(accelerated: tuple[nn.Sequential, ft.AccelerationReport]) -> None:
    model, x, other = copy.deepcopy(accelerated[0]), example(), network()
    with torch.no_grad():
        ft.accelerate(model, x)
        for change in (
            lambda each: each[0].norm.running_mean.add_(1),
            lambda each: each[4].scale.mul_(3),
            lambda each: each[5].mix.weight.neg_(),
            lambda each: each[3].norm.train()(torch.randn(4, 8, 3, 3)) is None or each[3].norm.eval(),
        ):
            for each in (model, other):
                torch.manual_seed(5)
                change(each)
            assert_near(model(x), other(x))
        model.load_state_dict(network().state_dict())
        assert_near(model(x), network()(x))
        other = network()
        for each in (model, other):
            each[1].way = nn.Identity()
        assert_near(model(x), other(x))


def test_hooks_and_training_are_honoured() -> None:
    model, x = network(), example()
    ft.accelerate(model, x)
    seen = []
    with torch.no_grad():
        handle = model[1].way.register_forward_hook(lambda *_: seen.append(1))
        assert_near(model(x), network()(x))
        assert seen == [1]
        handle.remove()
        model(x)
        assert seen == [1]
        model.train()
        assert_near(model(x), network().train()(x))


def test_copies_and_pickles(accelerated: tuple[nn.Sequential, ft.AccelerationReport]) -> None:
    model, x = accelerated[0], example()
    with torch.no_grad():
        expected = model(x)
        for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert_near(twin(x), expected)
            nn.init.zeros_(twin[0].first.weight)
            assert not torch.allclose(twin(x), expected)
        assert torch.equal(model(x), expected)


def test_calls_at_the_same_time(accelerated: tuple[nn.Sequential, ft.AccelerationReport]) -> None:
    model, inputs = accelerated[0], [example() * factor for factor in range(1, 5)]
    with torch.no_grad():
        expected = [model(x) for x in inputs]
    found: dict[int, list[Tensor]] = {}

    def run(number: int) -> None:
        with torch.no_grad():
            found[number] = [model(inputs[number]) for _ in range(5)]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, results in found.items():
        assert all(torch.equal(result, expected[number]) for result in results)


def test_memory_that_another_thread_takes_first(accelerated: tuple[nn.Sequential, ft.AccelerationReport]) -> None:
    model, x = accelerated[0], example()
    with torch.no_grad():
        expected = model(x)
        (segment, *_) = model.__dict__["forward"].segments
        for moment in range(30):
            steps = itertools.count()
            with between_steps(Segment.__call__, lambda steps=steps, moment=moment: next(steps) == moment and segment._free.clear()):
                assert torch.equal(model(x), expected)


def test_undone() -> None:
    model, x = network(), example()
    with torch.no_grad():
        expected = model(x)
        _, report = ft.accelerate(model, x)
        report.undo()
        assert torch.equal(model(x), expected)
    assert not any("forward" in module.__dict__ for module in model.modules())


class Counting(nn.Module):
    """It changes itself when it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.conv(x)


class Deciding(nn.Module):
    """What it does depends on the numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y if y.sum() > 0 else -y


@pytest.mark.parametrize(("module", "reason"), [(Counting, "changes its buffers"), (Deciding, "torch.export cannot follow")])
def test_what_has_no_graph_goes_layer_by_layer(module: type[nn.Module], reason: str) -> None:
    model = module().eval()
    x = torch.randn(1, 3, 9, 9)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        _, report = ft.accelerate(model, x)
        assert reason in report.reason
        assert report.swapped == 1
        assert not report.runs
        assert_near(model(x), twin(x))
        assert_near(model(-x), twin(-x))


def test_what_is_clearly_slower_stays_pytorchs(monkeypatch: pytest.MonkeyPatch) -> None:
    ratios = iter([0.5, 2.0, 2.0, 2.0, 2.0, 2.0])
    monkeypatch.setattr("faltung.torch.acceleration.compared", lambda before, after, **_: Compared(1.0, 1.0, next(ratios, 3.0)))
    model, x = network()[:2], example()
    with torch.no_grad():
        expected = model(x)
        _, report = ft.accelerate(model, x)
        assert [row.swapped for row in report.rows].count(False) == 1
        assert report.rows[0].reason == "not faster"
        assert_near(model(x), expected)


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    examples = Path(__file__).parents[2] / "examples"
    monkeypatch.syspath_prepend(str(examples))
    example = runpy.run_path(str(examples / "accelerate_models.py"))
    main = example["main"]
    monkeypatch.setitem(main.__globals__, "models", lambda: {"U-Net": lambda: example["UNet"](torch.nn, 2)})
    file = tmp_path / "rows.json"
    monkeypatch.setattr(sys, "argv", ["", "--batches", "1,2", "--peers", "", "--size", "16", "--rounds", "1", "--save", str(file)])
    main()
    first = capsys.readouterr().out
    assert "13 of 13 swapped, 1 runs" in first
    assert first.count("| U-Net |") == 2
    assert [row["batch"] for row in json.loads(file.read_text())] == [1, 2]
    main()  # from the file alone
    second = capsys.readouterr().out
    assert "swapped" not in second
    assert second.split("| model |")[1] == first.split("| model |")[1]


@pytest.mark.parametrize("graph", [False, True])
def test_compiled_whole(*, graph: bool) -> None:
    """What a compiler sees of an accelerated model is the operator, without breaks."""
    model, x = (
        nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3)).eval(),
        torch.randn(1, 3, 9, 9),
    )
    with torch.no_grad():
        expected = model(x)
        ft.accelerate(model, x, graph=graph)
        assert_near(torch.compile(model, fullgraph=True, backend="aot_eager")(x), expected)
        assert_near(model(x), expected)
    torch._dynamo.reset()


class Promotes(nn.Module):
    """Numbers of another dtype, which change that of the result."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.register_buffer("factor", torch.linspace(1, 2, 4, dtype=torch.float64).view(4, 1, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.first(x) * self.factor, self.last(x) + self.factor.expand(1, 4, 6, 6)


def test_numbers_of_another_dtype_are_not_folded() -> None:
    torch.manual_seed(0)
    model, x = Promotes().eval(), torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        found = read(exported(model, (x,)))
        assert [conv.fused for conv in found.convolutions] == [(), ()]
        for result, wanted in zip(Whole(model, (x,), found)(x), model(x), strict=True):
            assert result.dtype == torch.float64
            torch.testing.assert_close(result, wanted, rtol=1e-5, atol=1e-5)
