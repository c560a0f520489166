"""Grad-CAM against its equations with gradients by hand, and on a cat; activation maximisation against what is known to be best."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import faltung as fl
from faltung.errors import ConvShapeError, ConvTypeError
from faltung.model import Preprocess

torch = pytest.importorskip("torch")
nn = torch.nn

from tests.model import networks  # noqa: E402


class Classifier(nn.Module):
    """One convolution, ReLU in place, mean over all positions, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(2, 3, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(3, 4)

    def forward(self, x: Any) -> Any:
        return self.head(self.relu(self.features(x)).mean((2, 3)))


def test_equations_one_and_two() -> None:
    torch.manual_seed(1)
    model = Classifier().eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)  # frozen networks are explained too
    x = torch.randn(1, 2, 6, 8)
    for target in range(4):
        found = fl.grad_cam(model, x, target)
        maps = torch.relu(model.features(x))[0]
        # The score is linear in the maps: d score / d map k at any place = weight k / cells.
        expected = torch.relu(sum(model.head.weight[target, k] / 48 * maps[k] for k in range(3)))
        largest = expected.max()
        np.testing.assert_allclose(found.cells, (expected / largest if largest > 0 else expected).numpy(), rtol=1e-4, atol=1e-6)
        assert found.score == pytest.approx(float(model(x)[0, target]), rel=1e-5)
        assert (found.target, found.layer) == (target, "features")
    assert fl.grad_cam(model, x).target == int(model(x).argmax())
    assert fl.grad_cam(model, x, -1).target == 3
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


class Residual(nn.Module):
    """The last convolution that runs is a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.shortcut = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(2, 3, 1)
        self.head = nn.Linear(3, 4)

    def forward(self, x: Any) -> Any:
        y = self.body(x)
        y += self.shortcut(x)
        return self.head(torch.relu(y).mean((2, 3)))


def test_behind_a_residual_sum() -> None:
    torch.manual_seed(2)
    model, x = Residual().eval(), torch.randn(1, 2, 5, 7)
    found = fl.grad_cam(model, x, 1)
    maps = torch.relu(model.body(x) + model.shortcut(x))[0]
    expected = torch.relu(sum(model.head.weight[1, k] / 35 * maps[k] for k in range(3)))
    assert found.layer == "shortcut"
    np.testing.assert_allclose(found.cells, (expected / expected.max()).detach().numpy(), rtol=1e-4, atol=1e-6)
    assert fl.feature_maps(model, x)["shortcut"].activation is None


def test_bilinear_between_cells() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 1, 2, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 1)).eval()
    for layer in (model[0], model[4]):
        layer.weight.data.fill_(1)
        layer.bias.data.zero_()
    found = fl.grad_cam(model, np.array([[[0, 0, 4, 0]] * 2], np.float32))
    assert found.cells.tolist() == [[0, 1]]
    np.testing.assert_allclose(found.heat, [[0, 0.25, 0.75, 1]] * 2, atol=1e-6)


def test_what_grad_cam_refuses() -> None:
    model = Classifier()
    x = np.zeros((1, 2, 4, 4), np.float32)
    for arguments, error, message in (
        ((model, np.zeros((2, 2, 4, 4), np.float32)), ConvShapeError, "one picture"),
        ((model, x, 4), ConvTypeError, "target=4 is none of the 4 classes"),
        ((model, x, True), ConvTypeError, "target=True"),
        ((model, x, 0, "head"), ConvShapeError, "maps \\(N, C, h, w\\) are needed"),
        ((model, x, 0, "haed"), ConvTypeError, "Did you mean 'head'"),
        (("model.onnx", x), ConvTypeError, "gradients need a torch.nn.Module"),
        ((nn.Conv2d(2, 1, 4), x), ConvTypeError, "no convolution with more than one position"),
    ):
        with pytest.raises(error, match=message):
            fl.grad_cam(*arguments)


def test_a_cat_is_seen_where_it_is() -> None:
    model, cat = networks.lite(), networks.photograph("chelsea")
    found = fl.grad_cam(model, cat, preprocess=networks.LITE)
    assert found.target == networks.EGYPTIAN_CAT
    # The face without ears and chin: half of the picture.
    top, left, bottom, right = 10, 40, 190, 180
    assert (bottom - top) * (right - left) / 224**2 == pytest.approx(0.5, abs=0.01)
    assert found.share_in(top, left, bottom, right) > 0.7
    row, column = np.unravel_index(found.heat.argmax(), found.heat.shape)
    assert top <= row < bottom
    assert left <= column < right


@pytest.mark.parametrize(("name", "share"), [("chelsea", 0.5), ("coffee", 0.2)])
def test_without_its_hottest_part_the_class_is_lost(name: str, share: float) -> None:
    """Each colour's mean over the hottest pixels, and over as many of the coldest. Of a cat's face much has to go."""
    model, x = networks.lite(), torch.from_numpy(networks.LITE(networks.photograph(name)))
    found = fl.grad_cam(model, x)
    order, count = torch.from_numpy(np.argsort(found.heat, axis=None)), int(share * found.heat.size)
    scores = []
    for pixels in (order[-count:], order[:count]):
        covered = x.clone()
        covered.view(3, -1)[:, pixels] = x.mean((2, 3)).T
        with torch.no_grad():
            scores.append(float(model(covered)[0, found.target]))
    hottest, coldest = scores
    assert hottest < found.score - 3
    assert coldest > found.score - 1.5


def test_heat_over_a_photograph() -> None:
    figure = pytest.importorskip("matplotlib.figure")
    photo = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3)).eval()
    found = fl.grad_cam(model, photo, 1, preprocess=Preprocess((6, 6)))
    assert found.picture.shape == (3, 6, 6)
    ax = found.plot(ax=figure.Figure().subplots(), label="a label")
    assert "class 1, a label" in ax.get_title()
    assert len(ax.images) == 2
    assert found.plot(photo, ax=figure.Figure().subplots()).get_xlim() == (0, 12)
    assert found.to_dict()["target"] == 1


def test_the_picture_that_is_best() -> None:
    model = networks.leaky([[[[1.0]], [[-1.0]], [[0.5]]]])
    options = {"preprocess": Preprocess((16, 16)), "steps": 24, "jitter": 2}
    found = fl.maximize_activation(model, "0", 0, **options)
    red, green, blue = found.image.mean((1, 2))
    assert red > blue > green
    assert found.responses[-1] > found.responses[0] + 0.1
    assert (found.image.min() >= 0, found.image.max() <= 255) == (True, True)
    again = fl.maximize_activation(model, "0", 0, **options)
    np.testing.assert_array_equal(found.image, again.image)
    other = fl.maximize_activation(model, "0", 0, seed=1, **options)
    assert not np.array_equal(found.image, other.image)
    ax = found.plot(ax=pytest.importorskip("matplotlib.figure").Figure().subplots())
    assert "channel 0" in ax.get_title()
    with pytest.raises(ConvShapeError, match="channel=1 is none of layer '0'"):
        fl.maximize_activation(model, "0", 1, **options)
    with pytest.raises(ConvTypeError, match="gradients need"):
        fl.maximize_activation("model.onnx", "0", 1)


def test_the_network_takes_its_favourite_for_a_cat() -> None:
    found = fl.maximize_activation(networks.lite(), "_fc", 285, preprocess=Preprocess((96, 96), 0.498, 0.502), steps=12)
    assert found.responses[-1] > found.responses[0] + 5


@pytest.mark.parametrize("name", ["chelsea", "coffee"])
def test_captum_says_the_same(name: str) -> None:
    captum = pytest.importorskip("captum.attr")
    model, x = networks.lite(), torch.from_numpy(networks.LITE(networks.photograph(name)))
    found = fl.grad_cam(model, x, layer="_conv_head")
    # Captum takes what a module gave: the last activation module, which runs many times, is put in the place of the last of its runs.
    features = nn.Sequential(Features(model), nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), model._fc).eval()
    maps = captum.LayerGradCam(features, features[1]).attribute(x, target=found.target, relu_attributions=True).detach()
    np.testing.assert_allclose(found.cells, (maps / maps.max())[0, 0].numpy(), rtol=1e-3, atol=1e-4)


class Features(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Any) -> Any:
        return self.model.extract_features(x)
