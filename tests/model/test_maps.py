"""`feature_maps`: each layer's own numbers against the layers run by hand; names, errors, and a model that is left as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import faltung as fl
from faltung.errors import ConvError, ConvShapeError, ConvTypeError
from faltung.model import Preprocess

torch = pytest.importorskip("torch")
nn = torch.nn
F = torch.nn.functional

from tests.model import networks  # noqa: E402


@pytest.fixture
def x() -> Any:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 12, 10)).astype(np.float32))


def by_hand(model: Any, x: Any) -> dict[str, tuple[Any, Any, str]]:
    """Each convolution's result, what the activation makes of it, and its name, from the layers called one by one."""
    found = {}
    with torch.no_grad():
        y = model.stem(x)
        found["stem"] = y, F.relu(y), "relu"
        y = F.relu(y)
        first = model.block.first(y)
        normed = (first - model.block.norm.running_mean[:, None, None]) / (model.block.norm.running_var[:, None, None] + 1e-5).sqrt()
        found["block.first"] = first, F.relu(normed), "relu"
        second = model.block.second(F.relu(normed))
        found["block.second"] = second, None, ""
        y = F.conv2d(y + second, model.kernel, padding=1)
        found["conv2d"] = y, F.silu(y), "silu"
        y = model.shared(F.silu(y))
        found["shared"] = y, y * y.sigmoid(), "silu"
        y = model.shared(y * y.sigmoid())
        found["shared (2)"] = y, None, ""
    return found


def test_every_convolution_with_the_activation_that_follows(x: Any) -> None:
    model = networks.small()
    found, expected = fl.feature_maps(model, x), by_hand(model, x)
    assert list(found) == list(expected)
    for layer, (raw, active, name) in expected.items():
        np.testing.assert_allclose(found[layer].array, raw.numpy(), rtol=1e-5, atol=1e-6, err_msg=layer)
        assert found[layer].activation_name == name
        if active is None:
            assert found[layer].activation is None
        else:
            np.testing.assert_allclose(found[layer].activation, active.numpy(), rtol=1e-5, atol=1e-6)


def test_any_module_by_its_name_in_one_run(x: Any) -> None:
    model, runs = networks.small(), []
    model.register_forward_hook(lambda *_: runs.append(1))
    found = fl.feature_maps(model, x, ["head", "block", "block.active", "shared (2)", "conv2d"])
    assert list(found) == ["block.active", "block", "conv2d", "shared (2)", "head"]
    assert len(runs) == 1
    with torch.no_grad():
        assert np.array_equal(found["head"].array, model(x).numpy())
    assert found["block.active"].array.min() == 0


def test_arrays_and_single_samples_too(x: Any) -> None:
    model = networks.small()
    for given in (x[0], x[0].numpy(), x[:1].numpy().astype(np.float64), np.asfortranarray(x[0].numpy())):
        np.testing.assert_allclose(fl.feature_maps(model, given)["stem"].array, model.stem(x[:1]).detach().numpy(), rtol=1e-5)


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was(x: Any, fails: bool) -> None:
    model = networks.small().train()
    model.block.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    if fails:
        with pytest.raises(ConvShapeError, match=r"Small cannot run on an input of shape \(1, 7, 4, 4\)"):
            fl.feature_maps(model, torch.zeros(1, 7, 4, 4))
    else:
        fl.feature_maps(model, x, "block")
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("block.fist", "Small has no layer 'block.fist'.\n  Did you mean 'block.first'"),
        (["stem", "relu (7)"], "Small has no layer 'relu (7)'"),
        ("norm", "Did you mean 'block.norm'"),
        (3, "layers of type int names no layer"),
        ([], "layers of type list names no layer"),
    ],
)
def test_names_that_are_none(x: Any, layers: Any, message: str) -> None:
    with pytest.raises(ConvTypeError) as caught:
        fl.feature_maps(networks.small(), x, layers)
    assert message in str(caught.value)


def test_a_layer_that_does_not_run(x: Any) -> None:
    model = networks.small()
    model.spare = nn.Conv2d(1, 1, 1)
    with pytest.raises(ConvTypeError, match="layer 'spare' of Small did not run"):
        fl.feature_maps(model, x, "spare")


def test_models_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConvTypeError, match="model is of type int"):
        fl.feature_maps(3, np.zeros((1, 1, 1, 1)))
    with pytest.raises(ConvTypeError, match="Linear ran no convolution"):
        fl.feature_maps(nn.Linear(3, 3), np.zeros((1, 3), np.float32))
    with pytest.raises(ConvError, match="there is no file"):
        fl.feature_maps(tmp_path / "none.onnx", np.zeros((1, 1, 1, 1)))


def test_statistics_by_loops() -> None:
    model = networks.leaky([[[[1.0]]], [[[-1.0]]], [[[0.5]]]])
    x = np.abs(np.random.default_rng(1).normal(size=(2, 1, 3, 4))).astype(np.float32)
    x[1, 0, 2, 1] = 9
    one = fl.feature_maps(model, x)["0"]
    for which in ("raw", "activation"):
        found, maps = one.statistics(which), one.maps(which)
        for channel in range(3):
            cells = [float(maps[n, channel, i, j]) for n in range(2) for i in range(3) for j in range(4)]
            mean = sum(cells) / 24
            assert found.mean[channel] == pytest.approx(mean)
            assert found.std[channel] == pytest.approx((sum((cell - mean) ** 2 for cell in cells) / 24) ** 0.5)
            assert (found.min[channel], found.max[channel]) == (min(cells), max(cells))
            assert found.zeros[channel] == sum(cell == 0 for cell in cells) / 24
            assert maps[(found.largest[channel][0], channel, *found.largest[channel][1:])] == max(cells)
    assert one.statistics("activation").dead == (1,)
    assert one.statistics().dead == ()
    assert one.statistics().largest.tolist()[0] == [1, 2, 1]


def test_numbers_that_are_not_finite_are_counted_and_left_out() -> None:
    x = np.array([[[[1, np.nan, 3, np.inf]]]], np.float32)
    found = fl.feature_maps(networks.leaky([[[[1.0]]]]), x)["0"].statistics()
    assert (found.mean[0], found.max[0], found.not_finite[0]) == (2, 3, 2)


def test_what_is_shown(x: Any) -> None:
    model = networks.small()
    found = fl.feature_maps(model, x)
    assert "shared (2)" in repr(found)
    row = next(line for line in repr(found).splitlines() if line.startswith("stem"))
    assert "2×4×6×5" in row
    assert "relu" in row
    data = found.to_dict()
    assert [layer["layer"] for layer in data["layers"]] == list(found)
    assert data["layers"][0]["statistics"]["mean"] == pytest.approx(found["stem"].array.mean((0, 2, 3)).tolist())
    with pytest.raises(ConvTypeError, match="Did you mean 'stem'"):
        found["steem"]


def test_names_are_escaped_in_html() -> None:
    model = nn.Sequential()
    model.add_module("<b>", nn.Conv2d(1, 1, 1))
    assert "<b>" not in fl.feature_maps(model, np.zeros((1, 1, 2, 2)))._repr_html_().replace("<body>", "")


def test_pictures(x: Any) -> None:
    figure = pytest.importorskip("matplotlib.figure")
    found = fl.feature_maps(networks.small(), x)
    ax = found.plot("stem", 1, ax=figure.Figure().subplots(), max_maps=2, scale="shared")
    assert ax.get_title().startswith("stem, Conv2d\n4 feature maps 6×5")
    cells = ax.images[0].get_array()
    np.testing.assert_array_equal(np.asarray(cells[:6, :5]), found["stem"].array[1, 0])
    ax = found.plot("block.first", ax=figure.Figure().subplots(), which="activation")
    assert "after relu" in ax.get_title()
    assert "3×3×3" in found.plot_kernels(ax=figure.Figure().subplots()).get_title()
    with pytest.raises(ConvTypeError, match="no activation takes the result"):
        found.plot("block.second", which="activation")
    with pytest.raises(ConvShapeError, match="sample=2 is none of 2"):
        found.plot("stem", 2)


def test_names_are_no_formulas() -> None:
    figure = pytest.importorskip("matplotlib.figure").Figure()
    model = nn.Sequential()
    model.add_module("$\\frac$", nn.Conv2d(1, 1, 1))
    found = fl.feature_maps(model, np.zeros((1, 1, 2, 2)))
    assert "$\\frac$" in found.plot(ax=figure.subplots()).get_title()
    figure.canvas.draw()
    moved = fl.equivariance(model, np.ones((1, 1, 4, 4), np.float32), 1)
    figure.clear()
    moved.plot_layers(ax=figure.subplots())
    figure.canvas.draw()


def test_raw_and_activation_side_by_side(x: Any) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure = fl.feature_maps(networks.small(), x).compare("stem")
    assert [ax.get_title().splitlines()[0] for ax in figure.axes[:2]] == ["stem, Conv2d", "stem, after relu"]
    pyplot.close(figure)


def test_pictures_as_input(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(2).integers(0, 256, (8, 12, 3), np.uint8)
    image.fromarray(pixels).save(tmp_path / "photo.png")
    prepare = Preprocess((8, 8), mean=(0.1, 0.2, 0.3), std=0.5)
    x = prepare(pixels)
    expected = (pixels[:, 2:10] / 255 - (0.1, 0.2, 0.3)) / 0.5
    np.testing.assert_allclose(x[0], np.moveaxis(expected, -1, 0), atol=1e-5)
    model = networks.small()
    by_path = fl.feature_maps(model, tmp_path / "photo.png", preprocess=prepare)
    np.testing.assert_array_equal(by_path["stem"].array, fl.feature_maps(model, x)["stem"].array)

    def transforms(picture: Any) -> Any:  # as torchvision's: a Pillow image in, a tensor (3, H, W) out
        assert picture.mode == "RGB"
        return torch.from_numpy(np.moveaxis(np.asarray(picture.crop((2, 0, 10, 8)), np.float32) / 255, -1, 0).copy())

    np.testing.assert_array_equal(
        fl.feature_maps(model, str(tmp_path / "photo.png"), preprocess=transforms)["stem"].array,
        fl.feature_maps(model, Preprocess((8, 8))(pixels))["stem"].array,
    )
    with pytest.raises(ConvTypeError, match="preprocess is missing"):
        fl.feature_maps(model, tmp_path / "photo.png")


def test_preprocess_refuses() -> None:
    for arguments, message in (
        ({"size": (0, 3)}, "is no height and width"),
        ({"size": 224}, "is no height and width"),
        ({"size": (2, 2), "std": 0}, "is not above 0"),
        ({"size": (2, 2), "mean": (1, 2)}, "is neither a number nor three"),
        ({"size": (2, 2), "fit": "whole"}, "fit='whole' is not known"),
        ({"size": (2, 2), "channels": 2}, "is neither 3 nor 1"),
    ):
        with pytest.raises(ConvError, match=message):
            Preprocess(**arguments)
    assert Preprocess((2, 2), channels=1)(np.zeros((4, 4))).shape == (1, 1, 2, 2)
    assert Preprocess((3, 3), fit="squash").picture(np.zeros((5, 9, 3))).shape == (3, 3, 3)
