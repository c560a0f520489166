"""`equivariance`: theory and measurement, the causes one by one on networks that have one alone, the lattice in the picture."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import faltung as fl
from faltung.errors import ConvShapeError, ConvTypeError
from faltung.model import anti_aliased

torch = pytest.importorskip("torch")
nn = torch.nn

from tests.model import networks  # noqa: E402

RANDOM = np.random.default_rng(0)


def integers(*shape: int) -> Any:
    return RANDOM.integers(-9, 10, shape)


def causes(found: Any) -> dict[str, float]:
    return {one.name: one.error for one in found.causes}


def whole(model: Any) -> Any:
    """Small whole numbers as weights: sums of them are exact in float32."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        parameter.data = torch.randint(-2, 3, parameter.shape).float()
    return model.eval()


# -- theory ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_circular_integers_are_exact_at_multiples_and_only_there(stride: int, dilation: int) -> None:
    spec = fl.ConvSpec(2, 3, (3, 3), stride=stride, padding=dilation, dilation=dilation, padding_mode="circular", bias=False)
    weight = integers(3, 2, 3, 3)
    found = fl.equivariance(lambda x: fl.conv(spec, x, weight), integers(1, 2, 12, 18))
    assert found.stride == (stride, stride)
    assert found.at_multiples == 0
    assert ((found.error == 0) == found.multiples()).all()
    assert found.error.shape == (2 * stride + 1, 2 * stride + 1)


def test_errors_by_hand() -> None:
    """Every entry of the plane from the definition, with the shifts written out."""
    spec = fl.ConvSpec(1, 1, (3, 2), stride=(2, 1), padding=((1, 1), (0, 1)), bias=False)
    weight, x = integers(1, 1, 3, 2), integers(1, 1, 8, 6)
    found = fl.equivariance(lambda x: fl.conv(spec, x, weight), x, shifts=(range(-2, 4), range(3)))
    plain = fl.reference.conv(spec, x, weight) if hasattr(fl, "reference") else fl.conv(spec, x, weight)
    for row, down in enumerate(range(-2, 4)):
        for column, right in enumerate(range(3)):
            moved = fl.conv(spec, np.roll(x, (down, right), (-2, -1)), weight)
            expected = np.roll(plain, ((down + 1) // 2, right), (-2, -1))
            assert found.error[row, column] == np.abs(moved - expected).max()
            share = np.sqrt(((moved - expected) ** 2).mean() / (plain.astype(float) ** 2).mean())
            assert found.relative[row, column] == pytest.approx(share)


def test_large_integers_do_not_wrap_around() -> None:
    x = np.zeros((1, 1, 4, 4), np.uint8)
    x[0, 0, 0, 0] = 255
    found = fl.equivariance(lambda x: x[..., ::-1], x, 1)
    assert found.error.max() == 255


def test_upsampling_moves_twice_as_far() -> None:
    torch.manual_seed(0)
    layer = whole(nn.ConvTranspose2d(1, 1, 2, stride=2))
    found = fl.equivariance(layer, torch.randint(-9, 10, (1, 1, 6, 6)).float(), 3)
    assert found.stride == (Fraction(1, 2), Fraction(1, 2))
    assert not found.error.any()


def test_without_padding_only_what_both_see_is_compared() -> None:
    found = fl.equivariance(lambda x: fl.conv2d(x, integers(1, 1, 3, 3)[:1]), integers(1, 1, 9, 9), 3)
    assert found.at_multiples > 0  # a new kernel at each call
    weight = integers(1, 1, 3, 3)
    assert not fl.equivariance(lambda x: fl.conv2d(x, weight), integers(1, 1, 9, 9), 3).error.any()


def test_windows_of_a_larger_picture() -> None:
    weight = integers(1, 1, 3, 3)
    x = integers(1, 1, 12, 12)
    sizes = set()

    def bordered(view: Any) -> Any:
        sizes.add(view.shape)
        return fl.conv2d(view, weight, padding=1)

    found = fl.equivariance(bordered, x, (range(-1, 3), range(4)), "crop")
    assert sizes == {(1, 1, 9, 9)}
    assert found.error[1, 0] == 0
    assert (np.delete(found.error.ravel(), 4) > 0).all()
    assert not fl.equivariance(lambda x: fl.conv2d(x, weight), x, 3, "crop").error.any()
    with pytest.raises(ConvTypeError, match="needs shifts"):
        fl.equivariance(bordered, x, boundary="crop")


def test_one_axis() -> None:
    spec = fl.ConvSpec(1, 1, (3,), stride=2, padding=1, padding_mode="circular", bias=False)
    found = fl.equivariance(lambda x: fl.conv(spec, x, integers(1, 1, 3) * 0 + 1), integers(1, 1, 8), axes=(-1,))
    assert (found.error == 0).tolist() == [True, False, True, False, True]
    with pytest.raises(ConvTypeError, match="no plane to draw"):
        found.plot()


# -- causes ------------------------------------------------------------------------------------------


def test_border_alone() -> None:
    model = whole(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 1, 5, padding="same")))
    found = fl.equivariance(model, integers(1, 1, 8, 8).astype(np.float32), 2)
    split = causes(found)
    assert split["border"] > 0
    assert split["stride phase"] == split["pooling"] == split["place"] == 0
    assert [layer.circular for layer in found.layers] == [0, 0]


def circular(**arguments: Any) -> Any:
    return nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular", **arguments)


@pytest.mark.parametrize(
    ("layers", "cause"),
    [
        (lambda: [circular(stride=2)], "stride phase"),
        (lambda: [circular(), nn.MaxPool2d(2)], "pooling"),
        (lambda: [circular(), nn.AvgPool2d(4)], "pooling"),
        (lambda: [circular(), nn.Flatten(), nn.Linear(2 * 64, 3)], "place"),
        (lambda: [circular(), nn.Upsample(scale_factor=2), nn.MaxPool2d(4)], "pooling"),
        (lambda: [circular(), nn.Upsample(scale_factor=2, mode="bilinear")], "border"),
        (lambda: [circular(), nn.Upsample(size=(32, 16), mode="bilinear")], "border"),
    ],
)
def test_each_cause_alone(layers: Any, cause: str) -> None:
    found = fl.equivariance(whole(nn.Sequential(*layers())), integers(1, 1, 8, 8).astype(np.float32), 4)
    split = causes(found)
    assert split.pop(cause) > 0.05
    assert not any(split.values())


class Everything(nn.Module):
    """Functional calls, padding of its own, Faltung's layers, a skip over a pooling and an upsampling, a head."""

    def __init__(self) -> None:
        super().__init__()
        import faltung.torch as ft

        self.stem = ft.Conv2d(1, 2, 3, stride=2, padding=1)
        self.kernel = nn.Parameter(torch.zeros(2, 2, 3, 3))
        self.down = nn.MaxPool2d(3, 2, 1)
        self.up = nn.ConvTranspose2d(2, 2, 4, 2, 1)
        self.pad = nn.ZeroPad2d((0, 1, 0, 1))
        self.strided = nn.Conv2d(2, 2, 3, 2)
        self.blur = ft.BlurPool2d(2)

    def forward(self, x: Any) -> Any:
        y = torch.relu(self.stem(x))
        y = y + self.up(nn.functional.conv2d(self.down(y), self.kernel, padding=1))
        return self.blur(self.strided(self.pad(y)))


def test_all_of_it_switched_off_is_exact() -> None:
    model = whole(Everything())
    x = integers(1, 1, 32, 32).astype(np.float32)
    found = fl.equivariance(model, x, shifts=range(17))
    assert found.stride == (8, 8)
    split = causes(found)
    assert min(split["border"], split["stride phase"], split["pooling"]) > 0
    assert split["place"] == 0
    assert found.notes == ()
    examined = [found.relative[shift] for shift in found.examined]
    assert sum(split.values()) == pytest.approx(np.mean(examined))
    by_name = {layer.name: layer for layer in found.layers}
    assert list(by_name) == ["stem", "down", "up", "pad", "strided", "blur.0"] or "strided" in by_name
    assert by_name["stem"].stride == (2, 2)
    assert by_name["strided"].at_multiples == 0
    assert by_name["strided"].circular < by_name["strided"].error


def test_the_model_is_left_as_it_was() -> None:
    model = whole(Everything()).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fl.equivariance(model, integers(1, 1, 16, 16).astype(np.float32), 2)
    assert model.training
    assert model.down.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_a_grid_that_cannot_follow_is_said() -> None:
    model = whole(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 4), nn.MaxPool2d(2)))
    found = fl.equivariance(model, integers(1, 1, 12, 12).astype(np.float32), 2)
    assert any("does not follow" in note for note in found.notes)


def test_a_classifier_stays_or_does_not() -> None:
    pooled = whole(nn.Sequential(circular(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3)))
    x = integers(2, 1, 8, 8).astype(np.float32)
    found = fl.equivariance(pooled, x, 3)
    assert not found.has_positions
    assert found.error.max() < 1e-4
    assert found.consistency == 100
    flat = whole(nn.Sequential(circular(), nn.Flatten(), nn.Linear(128, 3)))
    found = fl.equivariance(flat, x, 3)
    assert found.error.max() > 1
    with torch.no_grad():
        classes = [flat(torch.from_numpy(np.roll(x, (down, right), (2, 3)))).argmax(1).numpy() for down in range(4) for right in range(4)]
    pairs = [one[n] == other[n] for i, one in enumerate(classes) for j, other in enumerate(classes) if i != j for n in range(2)]
    assert found.consistency == pytest.approx(100 * np.mean(pairs))


def test_causes_of_functions_from_the_shifts_alone() -> None:
    weight = integers(1, 1, 3, 3)
    found = fl.equivariance(lambda x: fl.conv2d(x, weight, stride=2, padding=1), integers(1, 1, 16, 16))
    split = causes(found)
    assert list(split) == ["border or place", "stride phase or pooling"]
    at = [found.relative[place] for place in ((0, 2), (0, 4), (2, 0), (2, 2), (2, 4), (4, 0), (4, 2), (4, 4))]
    assert split["border or place"] == pytest.approx(np.mean(at))


# -- files, pictures, refusals -----------------------------------------------------------------------


def test_an_onnx_file(tmp_path: Any) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper = onnx.helper
    weight = integers(2, 1, 3, 3).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["raw"], name="first", pads=[1, 1, 1, 1]),
            helper.make_node("MaxPool", ["raw"], ["y"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        ],
        "g",
        [helper.make_tensor_value_info("x", 1, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("y", 1, [1, 2, 4, 4])],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "net.onnx")
    found = fl.equivariance(tmp_path / "net.onnx", integers(1, 1, 8, 8).astype(np.float32))
    assert found.stride == (2, 2)
    assert [(layer.name, layer.stride) for layer in found.layers] == [("first", (1, 1)), ("pool", (2, 2))]
    assert found.layers[0].error > 0


def test_the_lattice_is_seen() -> None:
    figure = pytest.importorskip("matplotlib.figure")
    spec = fl.ConvSpec(1, 1, (3, 3), stride=4, padding=1, padding_mode="circular", bias=False)
    weight = integers(1, 1, 3, 3)
    found = fl.equivariance(lambda x: fl.conv(spec, x, weight), integers(1, 1, 16, 16))
    ax = found.plot(ax=figure.Figure().subplots())
    cells = np.asarray(ax.images[0].get_array())
    assert ((cells == 0) == found.multiples()).all()
    rings = ax.lines[0]
    assert sorted(zip(rings.get_xdata(), rings.get_ydata(), strict=True)) == [(x + 0.5, y + 0.5) for x in (0, 4, 8) for y in (0, 4, 8)]
    model = whole(Everything())
    found = fl.equivariance(model, integers(1, 1, 16, 16).astype(np.float32), 2)
    assert len(found.plot_layers(ax=figure.Figure().subplots()).lines[0].get_xdata()) == len(found.layers)


def test_multiples_that_were_not_measured_are_no_zeros() -> None:
    spec = fl.ConvSpec(1, 1, (3, 3), stride=4, padding=1, bias=False)
    weight = integers(1, 1, 3, 3)
    assert "not measured" in repr(fl.equivariance(lambda x: fl.conv(spec, x, weight), integers(1, 1, 16, 16), 3))


def test_told_as_text_and_data() -> None:
    model = whole(nn.Sequential(nn.Conv2d(1, 1, 3, stride=2, padding=1)))
    model.add_module("<i>", nn.Conv2d(1, 1, 1))
    told = []
    found = fl.equivariance(model, integers(1, 1, 8, 8).astype(np.float32), progress=lambda *step: told.append(step))
    assert "equivariant to shifts by multiples of 2×2" in repr(found)
    assert "<i>" not in found._repr_html_()
    data = found.to_dict()
    assert data["stride"] == ["2", "2"]
    assert [layer["name"] for layer in data["layers"]] == ["0", "<i>"]
    assert all(done < total for done, total, _ in told)
    assert told[-1][1] == len(told)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3, np.zeros((4, 4))), ConvTypeError, "f is of type int"),
        ((np.abs, np.zeros((4, 4)), "all"), ConvTypeError, "shifts='all' are none"),
        ((np.abs, np.zeros((4, 4)), 4), ConvShapeError, "the input has 4 cells"),
        ((np.abs, np.zeros((4, 4)), [0.5]), ConvTypeError, "no list of whole numbers"),
        ((np.abs, np.zeros((4, 4)), []), ConvShapeError, "shifts has none"),
        ((np.abs, np.zeros((200, 200)), 100), ConvShapeError, "more than 4096"),
        ((np.abs, np.zeros((4, 4)), 1, "reflect"), ConvTypeError, "boundary='reflect' is not known"),
        ((np.abs, np.zeros((0, 4)), 1), ConvShapeError, "there is nothing to move"),
        ((np.abs, np.zeros((4, 4)), (range(4), range(4)), "crop"), None, ""),
        ((np.abs, np.zeros((4, 4)), (range(-2, 3), range(4)), "crop"), ConvShapeError, "leave no window"),
    ],
)
def test_what_is_refused(arguments: Any, error: Any, message: str) -> None:
    if error is None:
        assert not fl.equivariance(*arguments).error.any()
        return
    with pytest.raises(error, match=message):
        fl.equivariance(*arguments)


def test_strides_and_axes_that_are_none() -> None:
    for options, message in (
        ({"stride": 0}, "stride=0"),
        ({"stride": (1, 2, 3)}, "stride="),
        ({"axes": (0,)}, "axes="),
        ({"axes": (-1, -1)}, "axes="),
    ):
        with pytest.raises(ConvTypeError, match=message):
            fl.equivariance(np.abs, np.zeros((4, 4)), 1, **options)


# -- anti-aliasing -----------------------------------------------------------------------------------


def test_blurring_before_skipping() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.MaxPool2d(2)).eval()
    smooth = anti_aliased(model)
    assert model[0].stride == (2, 2)
    assert "BlurPool2d(4, kernel_size=3, stride=2)" in repr(smooth)
    x = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        assert smooth(x).shape == model(x).shape == (1, 4, 8, 8)
        dense = nn.functional.conv2d(x, model[0].weight, model[0].bias, padding=1)
        kernel = torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([1.0, 2.0, 1.0])) / 16
        padded = nn.functional.pad(dense, (1, 1, 1, 1), mode="reflect")
        expected = nn.functional.conv2d(padded, kernel.expand(4, 1, 3, 3), stride=2, groups=4)
        torch.testing.assert_close(smooth[0](x), expected)
    before, after = (fl.equivariance(one, x.numpy(), 4, details=False).relative.mean() for one in (model, smooth))
    assert after < 0.6 * before
    with pytest.raises(ConvTypeError, match="nothing to anti-alias"):
        anti_aliased(nn.Sequential(nn.Conv2d(1, 1, 1)))
    with pytest.raises(ConvTypeError, match="model is of type str"):
        anti_aliased("model.onnx")
    assert anti_aliased(nn.Conv2d(1, 1, 3, stride=2))[0].stride == (1, 1)


def test_blurs_in_efficientnet_without_training() -> None:
    """Answers move along better, as Zhang found, and are wrong: the weights were trained without blurs."""
    model = networks.lite()
    x = np.concatenate([networks.LITE(networks.photograph(name)) for name in ("chelsea", "astronaut")])
    smooth = anti_aliased(model)
    before, after = (fl.equivariance(one, x, (range(0, 8, 2), range(0, 8, 4)), details=False) for one in (model, smooth))
    assert after.relative.mean() < 0.85 * before.relative.mean()
    assert before.consistency < after.consistency
    with torch.no_grad():
        assert model(torch.from_numpy(x)).argmax(1).tolist() == [networks.EGYPTIAN_CAT, 450]
        assert smooth(torch.from_numpy(x)).argmax(1).tolist() != [networks.EGYPTIAN_CAT, 450]


@pytest.mark.parametrize("shifts", [range(13), [0, 4, 5], None])
def test_causes_are_looked_for_beside_the_lattice(shifts: Any) -> None:
    """Shifts that are evenly chosen may all be multiples of the stride."""
    torch.manual_seed(0)
    strided = torch.nn.Conv2d(3, 4, 5, 4, 2, padding_mode="circular").eval()
    found = fl.equivariance(strided, torch.randn(1, 3, 32, 32), shifts)
    causes = {cause.name: cause.error for cause in found.causes}
    assert causes["stride phase"] > 0.1
    assert abs(causes["border"]) < 1e-5
    assert any(by % 4 == 0 for shift in found.examined for by in shift)
