"""Labelled arrays: dimensions, coordinates of the outputs and attributes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import faltung as fl
from faltung.geometry import Axis
from faltung.parts import places

da = pytest.importorskip("dask.array")
xarray = pytest.importorskip("xarray")
faltung_dask = pytest.importorskip("faltung.dask")


@pytest.fixture
def scene() -> object:
    """A coloured picture with coordinates of all kinds."""
    numbers = np.random.default_rng(0).integers(-9, 10, (3, 12, 10))
    return xarray.DataArray(
        da.from_array(numbers, chunks=(1, 5, 4)),
        dims=("band", "y", "x"),
        coords={
            "band": ["red", "green", "blue"],
            "y": ("y", np.linspace(50, 39, 12), {"units": "m"}),
            "x": ("x", np.arange(10) * 20),
            "row": ("y", [f"row {number}" for number in range(12)]),
            "latitude": (("y", "x"), np.arange(120.0).reshape(12, 10)),
            "time": np.datetime64("2024-02-29"),
        },
        name="scene",
        attrs={"sensor": "A"},
    )


def test_filters_keep_every_label(scene: object) -> None:
    smooth = faltung_dask.gaussian_filter(scene, sigma=(0, 1, 1))
    assert smooth.chunks == scene.chunks
    assert set(smooth.coords) == set(scene.coords)
    assert all(smooth.coords[name].equals(scene.coords[name]) for name in scene.coords)
    assert (smooth.dims, smooth.name, smooth.attrs) == (scene.dims, "scene", {"sensor": "A"})
    assert (smooth.compute().data == fl.ndimage.gaussian_filter(scene.compute().data, sigma=(0, 1, 1))).all()


def test_outputs_of_windows_stand_over_their_middle(scene: object) -> None:
    weight = np.ones((2, 3, 3, 3), int)
    inside = faltung_dask.conv2d(scene, weight)
    assert inside.y.data.tolist() == scene.y.data[1:-1].tolist()
    assert inside.x.data.tolist() == scene.x.data[1:-1].tolist()
    assert inside.y.attrs == {"units": "m"}
    assert inside.row.data.tolist() == [f"row {number}" for number in range(1, 11)]
    assert set(inside.coords) == {"y", "x", "row", "time"}  # bands are mixed, and latitude has two dimensions that change
    same = faltung_dask.conv2d(scene, weight, padding=1)
    assert set(same.coords) == {"y", "x", "row", "latitude", "time"}
    assert (same.data.compute() == fl.conv2d(scene.data.compute(), weight, padding=1)).all()


def test_strides_and_halves(scene: object) -> None:
    halved = faltung_dask.conv2d(scene, np.ones((3, 1, 2, 2), int), stride=2, groups=3)
    assert halved.y.data.tolist() == [49.5, 47.5, 45.5, 43.5, 41.5, 39.5]
    assert halved.x.data.tolist() == [10, 50, 90, 130, 170]
    assert halved.band.data.tolist() == ["red", "green", "blue"]
    assert "row" not in halved.coords  # there is no text between two texts
    doubled = faltung_dask.conv_transpose2d(scene, np.ones((3, 1, 4, 4), int), stride=2, padding=1)
    assert doubled.x.data.tolist() == [-5, *range(5, 195, 10)]
    full = faltung_dask.correlate(scene[0], np.ones((3, 3), int), "full")
    assert full.x.data.tolist() == list(range(-20, 220, 20))


def test_times_stay_times() -> None:
    days = np.arange("2024-02-27", "2024-03-02", dtype="datetime64[D]").astype("datetime64[ns]")
    series = xarray.DataArray(np.arange(4.0), dims="time", coords={"time": days})
    pairs = faltung_dask.correlate(series, [0.5, 0.5])
    assert pairs.time.data[1] == np.datetime64("2024-02-28T12")
    assert faltung_dask.correlate1d(series, [1.0, -1.0]).time.equals(series.time)


def test_causal_outputs_stand_over_their_last_cell() -> None:
    axis = Axis(0, kernel=3, stride=2, padding="causal")
    assert places(axis, 8) == (Fraction(0), Fraction(2))


def test_networks_have_the_coordinates_of_their_positions(scene: object) -> None:
    def network(block: np.ndarray) -> np.ndarray:
        return fl.conv2d(block, np.ones((1, 3, 3, 3), int), stride=2, padding=1)

    made = faltung_dask.apply(network, scene.expand_dims("sample"), (3, 2, -1))
    assert made.dims == ("sample", "band", "y", "x")
    assert made.x.data.tolist() == [0, 40, 80, 120, 160]
    assert "band" not in made.coords
