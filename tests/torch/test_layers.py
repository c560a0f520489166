"""The layers: PyTorch's in all but who computes."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest
from torch.testing._internal.common_modules import module_db

import faltung.torch as ft
import torch
from faltung.errors import ConvSpecError, ConvTypeError
from tests.torch.closeness import assert_near
from torch import nn

NAMES = [f"{lazy}Conv{kind}{n}d" for lazy in ("", "Lazy") for kind in ("", "Transpose") for n in (1, 2, 3)]


def made(module: Any, name: str, *args: Any, **kwargs: Any) -> nn.Module:
    torch.manual_seed(0)
    layer: nn.Module = getattr(module, name)(*args, **kwargs)
    return layer


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_samples_of_pytorch(name: str, dtype: torch.dtype) -> None:
    (info,) = (info for info in module_db if info.name == f"nn.{name}")
    count = 0
    for sample in info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=True):
        given, called = sample.constructor_input, sample.forward_input
        if called is None:
            continue
        ours, theirs = (made(module, name, *given.args, **given.kwargs, dtype=dtype) for module in (ft, nn))
        torch.manual_seed(1)
        found = ours(*called.args, **called.kwargs)
        torch.manual_seed(1)
        expected = theirs(*called.args, **called.kwargs)
        assert_near(found, expected)
        grad = torch.randn_like(expected)
        for a, b in zip(*(torch.autograd.grad(y, list(m.parameters()), grad) for y, m in ((found, ours), (expected, theirs))), strict=True):
            assert_near(a, b)
        assert repr(ours) == repr(theirs)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        theirs.load_state_dict(ours.state_dict())
        count += 1
    assert count > 0


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@pytest.mark.parametrize("mode", ["zeros", "circular", "reflect", "replicate"])
@pytest.mark.parametrize("padding", [2, "same"])
def test_padding_modes(mode: str, padding: Any) -> None:
    for n in (1, 2, 3):
        ours, theirs = (made(module, f"Conv{n}d", 2, 4, (4, 3, 2)[:n], padding=padding if padding == "same" else (2, 1, 1)[:n],
                             padding_mode=mode, dtype=torch.float64) for module in (ft, nn))  # fmt: skip
        x = torch.randn(2, 2, *(7, 6, 5)[:n], dtype=torch.float64)
        assert_near(ours(x), theirs(x))
        assert repr(ours) == repr(theirs)


def test_copies_pickles_moves() -> None:
    layer = ft.Conv2d(2, 3, 3)
    x = torch.randn(1, 2, 5, 5)
    with torch.no_grad():
        expected = layer(x)
        for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            assert torch.equal(other(x), expected)
            other.weight.zero_()
            assert torch.equal(layer(x), expected)
        buffer = io.BytesIO()
        torch.save(layer.state_dict(), buffer)
        buffer.seek(0)
        fresh = nn.Conv2d(2, 3, 3)
        fresh.load_state_dict(torch.load(buffer))
        assert_near(fresh(x), expected)
        assert layer.double()(x.double()).dtype is torch.float64
        assert layer.to("meta")(x.double().to("meta")).is_meta


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(4, 6, 3, 2, 1, 2, 2, False),
        nn.Conv2d(4, 6, (3, 1), (2, 1), (1, 0), padding_mode="reflect"),
        nn.Conv3d(2, 2, 3, padding="same"),
        nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2),
        nn.ConvTranspose1d(4, 6, 3, dilation=2, bias=False),
    ],
    ids=str,
)
def test_from_a_module_and_back(layer: nn.Module) -> None:
    spec = ft.from_module(layer)
    back = ft.to_module(spec)
    assert repr(back) == repr(layer)
    assert ft.from_module(back) == spec
    back.load_state_dict(layer.state_dict())
    x = torch.randn(1, spec.in_channels, *(9, 8, 7)[: spec.ndim])
    assert_near(back(x), layer(x))


def test_what_is_no_layer() -> None:
    with pytest.raises(ConvTypeError, match="Linear is no convolution layer"):
        ft.from_module(nn.Linear(2, 2))
    with pytest.raises(ConvTypeError, match="has not seen an input"):
        ft.from_module(nn.LazyConv2d(2, 2))
    for text, reason in {
        "conv1d(1, 1, 2, padding='causal')": "padding='causal'",
        "conv1d(1, 1, 2, flip=True)": "flip=True",
        "conv1d(1, 1, 2, padding=((0, 1),))": "differs before and after",
        "conv2d(1, 1, 2, padding=1, padding_mode='symmetric')": "symmetric",
    }.items():
        with pytest.raises(ConvSpecError, match=reason):
            ft.to_module(text)


def test_layer_and_function() -> None:
    """A layer owns and registers its weights; a function is given them. Two transposed layers share nothing."""
    layer = ft.Conv2d(1, 2, 3)
    assert [name for name, _ in nn.Sequential(layer).named_parameters()] == ["0.weight", "0.bias"]
    x, own = torch.randn(1, 1, 5, 5), torch.randn(2, 1, 3, 3)
    assert not ft.conv2d(x, own).requires_grad
    assert layer(x).requires_grad
    assert ft.conv2d(x, own.requires_grad_()).grad_fn is not None
    one, two = ft.ConvTranspose2d(2, 2, 2), ft.ConvTranspose2d(2, 2, 2)
    with torch.no_grad():
        before = two(torch.ones(1, 2, 3, 3))
        one.weight.zero_()
        assert torch.equal(two(torch.ones(1, 2, 3, 3)), before)
    two.weight = one.weight  # shared only where one says so
    assert two.weight is one.weight


def test_circular_layers_shift_with_their_input() -> None:
    layer, x = ft.CircularConv2d(2, 3, 4, dtype=torch.float64), torch.randn(1, 2, 6, 7, dtype=torch.float64)
    assert_near(layer(x.roll((2, 3), (2, 3))), layer(x).roll((2, 3), (2, 3)))


def test_causal_layers_do_not_see_the_future() -> None:
    layer, x = ft.CausalConv1d(2, 3, 3, dilation=2), torch.randn(1, 2, 12)
    changed = x.clone()
    changed[..., 7:] = 9
    assert torch.equal(layer(x)[..., :7], layer(changed)[..., :7])
    assert not torch.equal(layer(x)[..., 7:], layer(changed)[..., 7:])
    plain = nn.Conv1d(2, 3, 3, dilation=2)
    plain.load_state_dict(layer.state_dict())
    assert_near(layer(x), plain(nn.functional.pad(x, (4, 0))))


def test_separable_layers_are_two_convolutions() -> None:
    layer, x = ft.SeparableConv2d(3, (3, 5), stride=2, padding=(1, 2), dtype=torch.float64), torch.randn(2, 3, 9, 8, dtype=torch.float64)
    kernel = layer.column * layer.row
    assert_near(layer(x), nn.functional.conv2d(x, kernel, layer.bias, 2, (1, 2), groups=3))
    mixed = ft.DepthwiseSeparableConv2d(3, 4, 3, padding=1, depth_multiplier=2, dtype=torch.float64)
    whole = torch.einsum("omij,mikl->oikl", mixed.pointwise.weight, _dense(mixed.depthwise.weight, 3))
    assert_near(mixed(x), nn.functional.conv2d(x, whole, mixed.pointwise.bias, padding=1))


def _dense(depthwise: torch.Tensor, channels: int) -> torch.Tensor:
    dense = depthwise.new_zeros(depthwise.shape[0], channels, *depthwise.shape[2:])
    for row in range(depthwise.shape[0]):
        dense[row, row // (depthwise.shape[0] // channels)] = depthwise[row, 0]
    return dense


def test_blurring_keeps_the_mean_and_refuses_nothing() -> None:
    layer = ft.BlurPool2d(2, 5, dtype=torch.float64)
    x = torch.randn(1, 2, 9, 10, dtype=torch.float64)
    assert layer(x).shape == (1, 2, 5, 5)
    assert_near(layer(torch.ones_like(x)), torch.ones(1, 2, 5, 5, dtype=torch.float64))
    assert not list(layer.parameters())
    with pytest.raises(ConvSpecError, match="kernel_size=0"):
        ft.BlurPool2d(2, 0)
