"""`receptive_field`: published sizes, what modules really see, pictures, text and refusals."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import faltung as fl
import torch
from faltung.errors import ConvShapeError, ConvTypeError
from faltung.model.fields.field import ReceptiveField
from faltung.model.fields.finding import receptive_field
from tests.model.nets import Askew, Gated, ResNet, alexnet, mobilenet, vgg
from tests.model.small import Small
from torch import nn

BOTTLENECK = (1, 3, 1)


@pytest.mark.parametrize(
    ("model", "size", "stride"),
    [
        (alexnet(), 195, 32),
        (vgg(), 212, 32),
        (ResNet((3, 4, 6, 3), BOTTLENECK, late=True), 483, 32),
        (ResNet((3, 4, 23, 3), BOTTLENECK, late=True), 1027, 32),
        (ResNet((3, 4, 6, 3), BOTTLENECK), 427, 32),
        (mobilenet(), 315, 32),
        (ResNet(), 435, 32),
    ],
    ids=["AlexNet", "VGG-16", "ResNet-50", "ResNet-101", "ResNet-50 as PyTorch has it", "MobileNet", "ResNet-18"],
)
def test_published_sizes(model: nn.Module, size: int, stride: int) -> None:
    """Araujo, Norris & Sim, Distill 2019, table 1; the last two are sums of 2·(3-1)·stride by hand."""
    field = fl.receptive_field(model, input_shape=(1, 3, 224, 224))
    assert field.size == (size, size)
    assert field.stride == (stride, stride)
    assert field.axes == (2, 3)
    assert field.misaligned == ()


def test_vgg_by_name() -> None:
    field = fl.receptive_field(vgg(), "30", input_shape=(1, 3, 224, 224))
    assert (field.size, field.stride, field.offset, field.positions) == ((212, 212), (32, 32), (-90, -90), (7, 7))
    assert field.equivariant == ((32, 1), (32, 1))
    box = field.at(0, 3)
    assert box.window == ((-90, 121), (6, 217))
    assert box.inside == ((0, 121), (6, 217))
    assert field.at() == field.at(3, 3) == field.at(-4, -4)
    with pytest.raises(ConvShapeError, match="position 7 along axis 3: 30 has 7 there"):
        field.at(0, 7)
    with pytest.raises(ConvShapeError, match=r"position \(1,\) does not have 2 numbers"):
        field.at(1)
    with pytest.raises(ConvTypeError, match="has no layer 'features'"):
        fl.receptive_field(vgg(), "features", input_shape=(1, 3, 64, 64))


def check_measured(model: nn.Module, layer: str, at: tuple[int, ...], **options: Any) -> ReceptiveField:
    field = receptive_field(model, layer, input_shape=(1, 3, 64, 80), measured=True, at=at, **options)
    assert field.measured is not None
    assert field.measured.window == field.at(*at).inside
    return field


def test_gradients_see_what_composition_says() -> None:
    torch.manual_seed(0)
    check_measured(vgg(stages=(2, 2)), "9", (7, 11))
    check_measured(vgg(stages=(2, 2)), "9", (0, 19))
    check_measured(vgg(stages=(1, 2, 2)), "10", (4, 4))
    net = ResNet((2, 2))
    for layer, at in (("stem", (3, 3)), ("stages.0", (8, 10)), ("stages.1.0", (4, 5)), ("stages.1", (0, 9))):
        check_measured(net, layer, at)
    odd = nn.Sequential(nn.Conv2d(3, 4, 3, dilation=3), nn.MaxPool2d(3, 2, 1, dilation=2), nn.ConvTranspose2d(4, 4, 4, 2, 1), nn.Sigmoid())
    check_measured(odd, "3", (20, 31))
    check_measured(nn.Sequential(nn.Conv2d(3, 2, 3), nn.MaxPool2d(3, 2, ceil_mode=True), nn.GroupNorm(1, 2)), "1", (30, 38))


def test_everything_at_once() -> None:
    field = check_measured(Gated(), "second", (5, 5))
    assert field.is_whole == (True, True)
    assert field.size == (64, 80)
    assert field.window == (7, 7)
    assert field.stride == (2, 2)
    assert "all (position by position 7)" in repr(field)


def test_the_effective_field_of_equal_weights_counts_paths() -> None:
    model = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(8)))
    for weight in model.parameters():
        nn.init.ones_(weight)
    field = receptive_field(model, input_shape=(1, 1, 40, 40), measured=True)
    assert field.effective is not None
    line = np.zeros(40)
    line[12:29] = np.polynomial.polynomial.polypow((1, 1, 1), 8)
    paths = np.outer(line, line)
    np.testing.assert_allclose(field.effective.map / field.effective.map.max(), paths / paths.max(), rtol=1e-5)
    held = next(count for count in range(1, 290) if np.sort(paths, axis=None)[-count:].sum() >= 0.95 * paths.sum())
    assert field.effective.share == held / 17**2
    one = receptive_field(nn.Conv2d(3, 2, 1), input_shape=(1, 3, 9, 9), measured=True)
    assert one.effective is not None
    assert one.effective.share == 1


def test_an_image_gives_the_shape() -> None:
    field = receptive_field(nn.Conv2d(3, 1, 3), image=np.ones((3, 9, 8), np.float32), measured=True)
    assert field.input_shape == (1, 3, 9, 8)
    assert field.effective is not None
    assert field.effective.map.shape == (9, 8)
    assert receptive_field("conv2d(3, 1, 3)", image=np.ones((2, 3, 9, 8))).positions == (7, 6)


def test_a_model_may_have_a_method_called_double() -> None:
    class Doubling(nn.Sequential):
        def double(self, x):
            return 2 * x

    field = receptive_field(Doubling(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3)), input_shape=(1, 1, 9, 9), measured=True)
    assert field.size == (5, 5)
    assert field.effective is not None


def test_the_model_is_left_as_it_is() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    receptive_field(model, "2", image=np.ones((1, 9, 9), np.float32), input_shape=(1, 1, 9, 9), measured=True)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())
    assert not model[0]._forward_hooks
    assert not model[2]._forward_hooks


def test_branches_that_do_not_align() -> None:
    field = fl.receptive_field(Askew(), input_shape=(1, 3, 20, 20))
    (line,) = field.misaligned
    assert "along dimension 2 of the input" in line
    assert "lies 1 cell after" in line
    assert f"misaligned: {line}" in repr(field)
    assert fl.receptive_field(Askew(), "conv", input_shape=(1, 3, 20, 20)).misaligned == ()


def test_specs_graphs_and_one_axis() -> None:
    specs = [fl.ConvSpec(1, 1, 2, padding="causal", dilation=2**layer, ndim=1) for layer in range(4)]
    field = fl.receptive_field(specs, input_shape=(1, 100))
    assert (field.size, field.offset, field.stride, field.layer) == ((16,), (-15,), (1,), "conv3")
    up = fl.receptive_field("conv_transpose1d(1, 1, 3, stride=2)", input_shape=(1, 1, 8))
    assert (up.size, up.sizes, up.stride) == ((2,), ((2, 1),), (Fraction(1, 2),))
    assert "2 or 1" in repr(up)
    assert "1/2" in repr(up)
    model = Small(1, 2, 30)
    model.conv(model.x, 1, 3)
    assert fl.receptive_field(model.graph(), "n0").size == (3,)
    with pytest.raises(ConvShapeError, match="input_shape is not given"):
        fl.receptive_field(specs)
    with pytest.raises(ConvTypeError, match="computes nothing"):
        fl.receptive_field(Small(1, 1, 4).graph())


def test_what_is_not_known_is_said() -> None:
    model = Small(1, 2, 15)
    x = model.conv(model.x, 4, 2)
    model.reshape(x, 1, 7, 8)
    field = fl.receptive_field(model.graph(), "n1")
    assert (field.size, field.stride, field.at().window) == ((None,), (None,), (None,))
    assert field.unknown == ("n1 (Reshape): positions are mixed by shape (1, 4, 14) → (1, 7, 8)",)
    assert "not known: n1 (Reshape)" in repr(field)
    assert fl.receptive_field(model.graph()).layer == "n0"


def test_text_that_is_safe_and_complete() -> None:
    field = receptive_field(nn.Sequential(nn.Conv2d(3, 2, 3)), input_shape=(1, 3, 9, 9), measured=True)
    said = json.loads(json.dumps(field.to_dict()))
    assert said["size"] == [3, 3]
    assert said["stride"] == ["1", "1"]
    assert said["measured"] == [[3, 5], [3, 5]]
    assert said["effective_share"] == 1
    hostile = replace(field, model="<b>", layer="<i>", misaligned=("<u>",))._repr_html_()
    assert not {"<b>", "<i>", "<u>"}.intersection(re.findall("<[biu]>", hostile))
    assert "&lt;u&gt;" in hostile


class Two(nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x * 2 + y


class Single(nn.Module):
    """Takes single precision alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x.float())


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: receptive_field("conv2d(1, 1, 3)", input_shape=(1, 1, 9, 9), measured=True), "gradients of a live PyTorch module"),
        (lambda: receptive_field(Gated(), "sigmoid", input_shape=(1, 3, 9, 9), measured=True), "is a call inside a module"),
        (lambda: receptive_field(Two(), input_shape=[(1, 1, 9), (1, 1, 9)], measured=True), "takes 2 inputs"),
        (lambda: receptive_field(Single(), input_shape=(1, 1, 9, 9), measured=True), "does not run on float64 numbers of shape"),
        (lambda: receptive_field(nn.Conv2d(1, 1, 3), input_shape=(1, 1, 9, 9)).plot(np.ones((8, 9))), "image has 8×9 pixels"),
        (lambda: receptive_field(nn.Conv2d(1, 1, 3), input_shape=(1, 1, 9, 9)).plot(effective=True), "no effective field was measured"),
        (lambda: receptive_field(nn.Conv1d(1, 1, 3), input_shape=(1, 1, 9)).plot(), "has 1 axes, a picture has 2"),
        (lambda: receptive_field(nn.Conv1d(1, 1, 3), input_shape=(1, 1, 9), image=np.ones((1, 8)), measured=True), "image has shape"),
    ],
)
def test_refusals(act: Any, message: str) -> None:
    with pytest.raises(fl.ConvError, match=message):
        act()


# -- pictures ------------------------------------------------------------------------------------------


@pytest.fixture
def ax() -> Any:
    return pytest.importorskip("matplotlib.figure").Figure(figsize=(8, 6)).subplots()


def test_the_box_over_a_photograph(ax: Any) -> None:
    field = fl.receptive_field(vgg(stages=(2, 2)), input_shape=(1, 3, 32, 48))
    field.plot(np.zeros((32, 48, 3)), at=(0, 6), ax=ax)
    assert [(*box.get_xy(), box.get_width(), box.get_height()) for box in ax.patches] == [(18, 0, 16, 10), (18, -6, 16, 16)]
    assert ax.get_title() == "9: position (0, 6) of 8×12 sees 16×16 cells, 10×16 in the image"


def test_the_effective_field_over_a_photograph(ax: Any) -> None:
    field = receptive_field(vgg(stages=(2,)), input_shape=(1, 3, 32, 48), measured=True)
    field.plot(np.zeros((32, 48, 3)), effective=True, ax=ax)
    photograph, heat = ax.images
    assert len(ax.patches) == 1  # all of it lies in the image
    assert photograph.get_extent() == heat.get_extent() == [0, 48, 32, 0]
    assert heat.get_array().shape == (32, 48)
    assert "of its gradient" in ax.get_title()
    with pytest.raises(ConvShapeError, match="was measured at"):
        field.plot(at=(0, 0), effective=True, ax=ax)
