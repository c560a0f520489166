"""Networks in tiles: what one run over the whole image gives, exactly where sums are of whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import faltung as fl
from tests.dask.chunks import cuts

da = pytest.importorskip("dask.array")
torch = pytest.importorskip("torch")
faltung_dask = pytest.importorskip("faltung.dask")

from torch import nn  # noqa: E402


class Residual(nn.Module):
    """Two convolutions beside their input, at half the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=2, dilation=2, padding_mode="reflect")
        self.beside = nn.Conv2d(channels, channels, 1, stride=2)

    def forward(self, x: Any) -> Any:
        return torch.relu(self.beside(x) + self.second(torch.relu(self.first(x))))


class Hourglass(nn.Module):
    """Down twice, up twice, and across: sizes are multiples of 4."""

    def __init__(self) -> None:
        super().__init__()
        self.into = nn.Conv2d(2, 3, 3, padding=1, padding_mode="replicate")
        self.down = nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.ReLU(), nn.MaxPool2d(2))
        self.up = nn.Sequential(nn.ConvTranspose2d(4, 3, 4, 2, 1), nn.Upsample(scale_factor=2))
        self.out = nn.Conv2d(6, 2, 3, padding=1)

    def forward(self, x: Any) -> Any:
        x = self.into(x)
        return self.out(torch.cat([x, self.up(self.down(x))], 1))


def whole_numbers(module: nn.Module) -> nn.Module:
    """The module with small whole numbers as its weights, in double precision, where their sums are exact."""
    generator = torch.Generator().manual_seed(0)
    module = module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randint(-2, 3, parameter.shape, generator=generator).double())
    return module


NETWORKS = {
    "residual": (lambda: nn.Sequential(nn.Conv2d(2, 4, 7, 2, 3), nn.MaxPool2d(3, 2, 1), Residual(4), Residual(4)), (420, 96)),
    "hourglass": (Hourglass, (152, 96)),
    "unpadded": (lambda: nn.Sequential(nn.Conv2d(2, 3, (5, 3)), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(3, 2, 3)), (120, 91)),
    "finer": (lambda: nn.Sequential(nn.ConvTranspose2d(2, 2, 3, stride=3), nn.Conv2d(2, 2, 4, padding=1)), (91, 90)),
    "shuffled": (lambda: nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(8, 16, 3, padding="same"), nn.PixelShuffle(4)), (100, 90)),
}


def run(module: nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return module(torch.from_numpy(x)).numpy()


@pytest.mark.parametrize("rows", [(48, 48), (50, 1, 2)])
@pytest.mark.parametrize("name", list(NETWORKS))
def test_tiles_are_the_whole(name: str, rows: tuple[int, ...]) -> None:
    make, size = NETWORKS[name]
    module = whole_numbers(make())
    x = np.random.default_rng(0).integers(-3, 4, (2, 2, *size)).astype(np.float64)
    expected = run(module, x)
    lazy = faltung_dask.apply(module, da.from_array(x, chunks=(1, (1, 1), (*rows, size[0] - sum(rows)), 41)))
    assert (lazy.shape, lazy.dtype) == (expected.shape, expected.dtype)
    assert lazy.npartitions > 2
    assert (lazy.compute(scheduler="sync") == expected).all()


def test_chunks_of_the_result_are_as_asked() -> None:
    module = whole_numbers(nn.Sequential(nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.Conv2d(3, 4, 3, padding=1)))
    x = np.random.default_rng(1).integers(-3, 4, (3, 1, 80, 90)).astype(np.float64)
    lazy = faltung_dask.apply(module, da.from_array(x, chunks=(1, 1, 32, 32)), chunks=(2, (1, 3), 13, 45))
    assert lazy.chunks == ((2, 1), (1, 3), (13, 13, 13, 1), (45,))
    assert (lazy.compute(scheduler="sync") == run(module, x)).all()


def test_a_function_with_numbers() -> None:
    """Of one axis, by the engine."""
    spec = fl.ConvSpec(1, 2, 5, stride=3, padding=2, bias=False, ndim=1)
    weight = np.random.default_rng(2).standard_normal((2, 1, 5))
    x = np.random.default_rng(3).standard_normal((1, 1, 200))

    def network(block: np.ndarray) -> np.ndarray:
        return fl.conv(spec, block, weight, accuracy="exact")

    lazy = faltung_dask.apply(network, da.from_array(x, chunks=(1, 1, 33)), (5, 3, -2))
    assert lazy.compute(scheduler="sync").tobytes() == network(x).tobytes()
    with pytest.raises(fl.ConvTypeError, match="how far it looks is not given"):
        faltung_dask.apply(network, x)
    with pytest.raises(fl.ConvTypeError, match=r"neither a ReceptiveField nor \(size, stride, offset\)"):
        faltung_dask.apply(network, x, 5)
    wrong = faltung_dask.apply(network, da.from_array(x, chunks=(1, 1, 33)), (5, 2, -2))
    with pytest.raises(fl.ConvShapeError, match="by its receptive field positions"):
        wrong.compute(scheduler="sync")


def test_small_images_are_one_tile_along_an_axis() -> None:
    module = whole_numbers(nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1) for _ in range(6)]))
    x = np.random.default_rng(4).integers(-3, 4, (1, 1, 9, 100)).astype(np.float64)
    lazy = faltung_dask.apply(module, da.from_array(x, chunks=(1, 1, 3, 30)))
    assert (lazy.compute(scheduler="sync") == run(module, x)).all()


REFUSED = [
    (nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4)), "every position sees cells"),
    (nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1)), "whose axes do not run along those of the input"),
    (nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular"), "pads with the far side of its input"),
    (nn.Upsample(scale_factor=2, mode="bicubic", align_corners=True), "depends on the size of the input"),
    (nn.Upsample(size=(300, 300)), "depends on the size of the input"),
    (nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten(), nn.Linear(4000 * 300, 2)), "features"),
]


@pytest.mark.parametrize(("module", "why"), REFUSED)
def test_networks_that_do_not_run_in_tiles_are_refused(module: nn.Module, why: str) -> None:
    with pytest.raises(fl.ConvError, match=why):
        faltung_dask.apply(module.eval(), da.zeros((1, 1, 4000, 300), chunks=100, dtype=np.float32))


def test_training_mode_is_refused() -> None:
    with pytest.raises(fl.ConvTypeError, match=r"Call model\.eval\(\) first"):
        faltung_dask.apply(nn.BatchNorm2d(1).train(), da.zeros((1, 1, 30, 30)))


def test_names_depend_on_the_weights() -> None:
    x = da.zeros((1, 1, 64, 64), chunks=32, dtype=np.float32)
    first, second = (whole_numbers(nn.Conv2d(1, 1, 3)).float() for _ in range(2))
    assert faltung_dask.apply(first, x).name == faltung_dask.apply(second, x).name
    with torch.no_grad():
        second.bias += 1
    assert faltung_dask.apply(first, x).name != faltung_dask.apply(second, x).name


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[fl.ConvSpec], int]:
    """Some convolutions along one axis, one after another, and a size at which all have an output."""
    specs: list[fl.ConvSpec] = []
    for _ in range(draw(st.integers(1, 4))):
        kernel, stride, dilation = draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
        transposed = draw(st.booleans()) and (kernel - 1) * dilation + 1 >= stride  # stamps leave no gaps
        mode = draw(st.sampled_from(["zeros", "zeros", "reflect", "symmetric", "replicate"]))
        padding = ((draw(st.integers(0, 3)), draw(st.integers(0, 3))),)
        specs.append(
            fl.ConvSpec(
                1,
                1,
                kernel,
                stride,
                padding,
                dilation,
                bias=False,
                padding_mode="zeros" if transposed else mode,
                transposed=transposed,
                ndim=1,
            )
        )
    size = count = draw(st.integers(100, 160))
    for spec in specs:
        (count,) = spec.output_size((count,)) if count > 12 else (0,)
    assume(count > 0)
    return specs, size


@settings(max_examples=40, deadline=None)
@given(chains(), st.data())
def test_any_chain_of_convolutions(drawn: tuple[list[fl.ConvSpec], int], data: st.DataObject) -> None:
    specs, size = drawn

    def network(block: np.ndarray) -> np.ndarray:
        for spec in specs:
            block = fl.conv(spec, block, np.arange(1, spec.kernel_size[0] + 1)[None, None])
        return block

    x = np.random.default_rng(0).integers(-9, 10, (1, 1, size))
    lazy = faltung_dask.apply(
        network, da.from_array(x, chunks=((1,), (1,), cuts(data.draw, size))), fl.receptive_field(specs, input_shape=x.shape)
    )
    assert (lazy.compute(scheduler="sync") == network(x)).all()
