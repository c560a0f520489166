"""What autograd sees of a layer, who owns its weights; training with either kind of layers; the examples."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import faltung as fl
import faltung.torch as ft
import torch
from faltung.engine.algorithm import Request
from faltung.engine.compiled import compile_conv
from faltung.engine.run import TRAINING_SAMPLES
from faltung.torch import ops
from torch import Tensor, nn

EXAMPLES = Path(__file__).parents[2] / "examples"

LAYERS: dict[str, Callable[[Any], nn.Module]] = {
    "plain": lambda layers: layers.Conv2d(4, 6, 3, padding=1),
    "without bias": lambda layers: layers.Conv2d(4, 6, 3, stride=2, bias=False),
    "depthwise": lambda layers: layers.Conv2d(4, 4, 7, padding=3, groups=4),
    "pointwise": lambda layers: layers.Conv2d(4, 6, 1),
    "transposed": lambda layers: layers.ConvTranspose2d(4, 6, 3, stride=2),
    "circular": lambda layers: layers.Conv2d(4, 6, 3, padding=1, padding_mode="circular"),
}


def both(name: str, dtype: torch.dtype = torch.float64) -> tuple[nn.Module, nn.Module]:
    """The layer of either kind with the same weights."""
    made = []
    for layers in (nn, ft):
        torch.manual_seed(0)
        made.append(LAYERS[name](layers).to(dtype))
    return made[0], made[1]


def gradients(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Of the input and of all parameters, of a loss that treats no output like another."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = layer(x)
    y.backward(torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape))
    return [tensor.grad for tensor in (x, *layer.parameters()) if tensor.grad is not None]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("lies", ["contiguous", "channels-last", "unbatched"])
def test_gradients_are_pytorchs(name: str, lies: str) -> None:
    theirs, ours = both(name)
    x = torch.randn(2, 4, 9, 8, dtype=torch.float64)
    x = {"contiguous": x, "channels-last": x.contiguous(memory_format=torch.channels_last), "unbatched": x[0]}[lies]
    expected, found = gradients(theirs, x), gradients(ours, x)
    assert len(expected) == len(found) == 1 + len(list(ours.parameters()))
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_of_gradients(name: str) -> None:
    theirs, ours = both(name)
    of_gradients = []
    for layer in (theirs, ours):
        x = torch.linspace(-1, 1, 2 * 4 * 9 * 8, dtype=torch.float64).reshape(2, 4, 9, 8).requires_grad_()
        y = layer(x)
        (first,) = torch.autograd.grad(y.pow(3).sum(), x, create_graph=True)
        first.square().sum().backward()
        of_gradients.append([x.grad, *(parameter.grad for parameter in layer.parameters())])
    for one, other in zip(*of_gradients, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-9, atol=1e-9)


def test_only_gradients_that_are_wanted_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    for name in ("call_input_grad", "call_weight_grad"):
        original = getattr(ft.eager, name)
        monkeypatch.setattr(ft.eager, name, lambda *arguments, name=name, original=original: asked.append(name) or original(*arguments))
    layer, x = ft.Conv2d(4, 6, 3), torch.randn(1, 4, 8, 8)
    layer(x).sum().backward()
    assert asked == ["call_weight_grad"]
    layer.weight.requires_grad_(False)
    layer(x.requires_grad_()).sum().backward()
    assert asked == ["call_weight_grad", "call_input_grad"]


def test_many_gradients_at_once() -> None:
    theirs, ours = both("plain")
    found = []
    for layer in (theirs, ours):
        x = torch.linspace(-1, 1, 2 * 4 * 9 * 8, dtype=torch.float64).reshape(2, 4, 9, 8).requires_grad_()
        y = layer(x)
        directions = torch.eye(y.numel(), dtype=torch.float64)[:5].reshape(5, *y.shape)
        found.append(torch.autograd.grad(y, (x, layer.weight), directions, is_grads_batched=True))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one)


def test_hooks_and_checkpoints_see_what_they_do_of_pytorchs_layers() -> None:
    layer, x = ft.Conv2d(4, 4, 3, padding=1), torch.randn(1, 4, 8, 8, requires_grad=True)
    kept: list[tuple[int, ...]] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tuple(tensor.shape)) or tensor, lambda tensor: tensor):
        y = layer(x)
    assert kept == [(1, 4, 8, 8), (4, 4, 3, 3)]
    y.sum().backward()
    expected = x.grad
    x.grad = None
    torch.utils.checkpoint.checkpoint(layer, x, use_reentrant=False).sum().backward()
    torch.testing.assert_close(x.grad, expected, rtol=0, atol=0)


def test_changed_weights_are_noticed_before_the_gradient() -> None:
    layer, x = ft.Conv2d(4, 4, 3), torch.randn(1, 4, 8, 8, requires_grad=True)
    y = layer(x)
    with torch.no_grad():
        layer.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_training_under_autocast(dtype: torch.dtype) -> None:
    theirs, ours = both("plain", torch.float32)
    x = torch.randn(2, 4, 9, 8)
    found = []
    for layer in (theirs, ours):
        with torch.autocast("cpu", dtype):
            y = layer(x)
        assert y.dtype is dtype
        y.float().square().sum().backward()
        assert layer.weight.grad is not None
        assert layer.weight.grad.dtype is torch.float32
        found.append(layer.weight.grad)
    torch.testing.assert_close(found[1], found[0], rtol=2e-2, atol=2e-1)


# -- a layer and a function ------------------------------------------------------------------------


def test_a_layer_owns_its_weights_and_a_function_is_given_them() -> None:
    layer = ft.Conv2d(4, 6, 3)
    assert [name for name, _ in nn.Sequential(layer).named_parameters()] == ["0.weight", "0.bias"]
    assert list(layer.state_dict()) == ["weight", "bias"]
    own = layer.weight.detach().clone().requires_grad_()
    y = ft.conv2d(torch.randn(1, 4, 8, 8), own)
    y.sum().backward()
    assert own.grad is not None
    assert layer.weight.grad is None


@pytest.mark.parametrize("kind", ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"])
def test_two_layers_share_nothing_unless_told_to(kind: str) -> None:
    one, two = (getattr(ft, kind)(1, 1, kernel_size=3, stride=2) for _ in range(2))
    assert one.weight is not two.weight
    assert one.weight.data_ptr() != two.weight.data_ptr()
    assert not torch.equal(one.weight, two.weight)
    before = two.weight.clone()
    with torch.no_grad():
        one.weight.zero_()
    assert torch.equal(two.weight, before)
    two.weight = one.weight
    model = nn.Sequential(one, two)
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    x = torch.ones(1, 1, *[9] * (len(one.kernel_size)))
    (one(x).sum() + 2 * two(x).sum()).backward()
    shared = one.weight.grad
    one.weight.grad = None
    one(x).sum().backward()
    torch.testing.assert_close(shared, 3 * one.weight.grad)
    assert copy.deepcopy(model)[0].weight is not one.weight


def test_what_autograd_sees() -> None:
    x = torch.randn(1, 4, 8, 8)
    assert ft.Conv2d(4, 6, 3)(x).grad_fn.name() == "FaltungConvBackward"
    assert ft.Conv2d(4, 6, 3).requires_grad_(False)(x).grad_fn is None
    spec = str(fl.ConvSpec(4, 6, (3, 3), bias=False))
    weight = torch.randn(6, 4, 3, 3, requires_grad=True)
    by_operator = ops.conv(x, weight, None, spec)
    by_operator.sum().backward()
    expected, weight.grad = weight.grad, None
    ft.conv(spec, x, weight).sum().backward()
    torch.testing.assert_close(weight.grad, expected, rtol=0, atol=0)


# -- the examples ----------------------------------------------------------------------------------


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the examples, to import from."""
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.mark.usefixtures("examples")
def test_digits_are_learned_alike() -> None:
    pytest.importorskip("sklearn")
    import train_digits
    import training

    pictures = train_digits.digits()
    few = training.Pictures(pictures.x[:320], pictures.y[:320], pictures.test_x[:100], pictures.test_y[:100])
    theirs, ours = (training.train(training.network(layers, 1, 10), few, epochs=1) for layers in (nn, ft))
    assert len(ours.losses) == 10
    assert ours.losses == pytest.approx(theirs.losses, rel=1e-3)
    assert ours.losses[-1] < ours.losses[0]
    assert ours.accuracies == pytest.approx(theirs.accuracies, abs=0.03)


@pytest.mark.usefixtures("examples")
@pytest.mark.parametrize("name", ["separable", "convnext", "resnet18", "mobilenet_v2", "unet"])
def test_networks_of_either_kind_take_the_same_step(name: str) -> None:
    import networks

    losses = []
    _, channels, *_ = networks.NETWORKS[name].shape
    x = torch.randn(2, channels, 32, 32)
    for layers in (nn, ft):
        torch.manual_seed(0)
        model = networks.NETWORKS[name].make(layers).eval()  # batch statistics of few numbers would be unstable
        optimiser = torch.optim.SGD(model.parameters(), 1e-3)
        for _ in range(2):
            optimiser.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimiser.step()
        losses.append(loss.item())
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_threads_are_faltungs_and_change_no_bit() -> None:
    layer, x = ft.Conv2d(16, 16, 3, padding=1), torch.randn(4, 16, 33, 33)
    before, theirs = fl.get_num_threads(), torch.get_num_threads()
    found = []
    try:
        for number in (1, 2):
            for other in (1, 2):
                fl.set_num_threads(number)
                torch.set_num_threads(other)
                assert fl.get_num_threads() == number
                assert torch.get_num_threads() == other
                found.append(gradients(layer, x)[:2])
                layer.zero_grad()
    finally:
        fl.set_num_threads(before)
        torch.set_num_threads(theirs)
    for each in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(each, found[0], strict=True))


def test_batches_split_in_training_give_the_same_bits() -> None:
    layer = ft.Conv2d(256, 256, 3, padding=1)
    spec, size = ft.from_module(layer), (3, 3)
    alone, together = (
        compile_conv(spec, size, Request("float32", is_prepared=False, samples=samples)).seconds for samples in (1, TRAINING_SAMPLES)
    )  # fmt: skip
    assert together < alone
    x = torch.randn(5, 256, *size, requires_grad=True)
    y = layer(x)
    (whole,) = torch.autograd.grad(y.sin().sum(), x)
    parts = [part.detach().requires_grad_() for part in x.split([1, 3, 1])]
    outputs = [layer(part) for part in parts]
    assert torch.equal(torch.cat(outputs), y)
    grads = [torch.autograd.grad(output.sin().sum(), part)[0] for output, part in zip(outputs, parts, strict=True)]
    assert torch.equal(torch.cat(grads), whole)
