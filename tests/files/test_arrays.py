"""Arrays from file to file: values and types as they are, the same bits in blocks as whole, and one clear refusal."""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from faltung.errors import ConvShapeError, ConvTypeError
from faltung.files import sources
from faltung.files.errors import FileError
from faltung.files.kinds import input_kind
from faltung.files.layout import convolved
from faltung.files.sources import BLOCK_BYTES, block_sizes, open_array
from faltung.files.targets import store_array

da = pytest.importorskip("dask.array")
zarr = pytest.importorskip("zarr")
tifffile = pytest.importorskip("tifffile")

SPEC = fl.ConvSpec.parse("conv2d(1, 1, (3, 5), padding='same', padding_mode='reflect', bias=False)")
WEIGHT = np.random.default_rng(0).normal(0, 1, SPEC.weight_shape).astype(np.float32)
STACK = np.random.default_rng(1).integers(0, 4096, (3, 60, 50)).astype(np.uint16)


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files, read as large ones are."""
    monkeypatch.setattr(sources, "WHOLE_BYTES", 0)
    monkeypatch.setattr(sources, "BLOCK_BYTES", 900)


def stored(folder: Path, name: str, array: np.ndarray) -> Path:
    path = folder / name
    if name.endswith(".npy"):
        np.save(path, array)
    elif name.endswith(".zarr"):
        zarr.create_array(str(path), data=array, chunks=(1, 16, 32)[-array.ndim :])
    else:
        tiles = {"tile": (16, 32)} if "tiled" in name else {"rowsperstrip": 7} if "strips" in name else {}
        tifffile.imwrite(path, array, photometric="minisblack", compression="zlib" if "deflate" in name else None, **tiles)
    return path


def read(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return np.load(path)
    return zarr.open_array(str(path))[:] if path.suffix == ".zarr" else tifffile.imread(path)


SOURCES = ["a.npy", "a.zarr", "a.tif", "tiled-deflate.tif", "strips-deflate.tiff"]


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("out", ["out.npy", "out.zarr", "out.tif"])
def test_parts_give_the_bits_of_the_whole(tmp_path: Path, source: str, out: str) -> None:
    path = stored(tmp_path, source, STACK)
    kind = input_kind(path)
    array = open_array(path, kind, 2)
    assert isinstance(array, da.Array)
    assert array.npartitions > 3
    result = convolved(SPEC, array, WEIGHT)
    store_array(result, tmp_path / "new" / out, progress=False)
    expected = fl.conv(SPEC, STACK[:, None], WEIGHT, accuracy="exact")[:, 0]
    got = read(tmp_path / "new" / out)
    assert got.dtype == expected.dtype == np.float32
    assert np.array_equal(got, expected)
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == [out]


@pytest.mark.parametrize("source", SOURCES)
def test_small_files_are_read_whole(tmp_path: Path, source: str) -> None:
    path = stored(tmp_path, source, STACK)
    array = open_array(path, input_kind(path), 2)
    assert isinstance(array, np.ndarray)
    assert np.array_equal(array, STACK)
    for out in ("out.npy", "out.zarr", "out.tif"):
        store_array(convolved(SPEC, array, WEIGHT), tmp_path / out, progress=False)
        assert np.array_equal(read(tmp_path / out), fl.conv(SPEC, STACK[:, None], WEIGHT, accuracy="exact")[:, 0])


@pytest.mark.parametrize("large", [False, True])
def test_samples_of_a_tiff_are_channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    if large:
        monkeypatch.setattr(sources, "WHOLE_BYTES", 0)
    pixels = np.moveaxis(STACK, 0, -1)
    for name, options in (("a.tif", {}), ("b.tif", {"tile": (16, 16), "compression": "zlib"})):
        tifffile.imwrite(tmp_path / name, pixels, photometric="rgb", **options)
        array = open_array(tmp_path / name, "tif", 2)
        assert isinstance(array, da.Array) == large
        assert np.array_equal(np.asarray(array), STACK)


@pytest.mark.usefixtures("in_parts")
def test_stacks_volumes_and_recordings(tmp_path: Path) -> None:
    signal, volume = np.arange(700.0), STACK.astype(np.int32)
    for array, text in (
        (signal, "conv1d(1, 1, 7, stride=2, bias=False)"),
        (volume, "conv3d(1, 1, 3, padding=1, bias=False)"),
        (volume, "conv2d(3, 4, 3, bias=False)"),
        (volume, "conv2d(1, 2, 3, bias=False)"),
        (np.stack([volume, -volume]), "conv2d(3, 3, 3, groups=3, bias=False)"),
        (np.stack([volume, -volume]), "conv2d(1, 1, 3, bias=False)"),
    ):
        spec = fl.ConvSpec.parse(text)
        weight = np.random.default_rng(2).integers(-3, 4, spec.weight_shape)
        blocks = open_array(stored(tmp_path, "a.npy", array), "npy", spec.ndim)
        got, whole = convolved(spec, blocks, weight), convolved(spec, array, weight)
        assert got.shape == whole.shape
        assert np.array_equal(got.compute(), whole)
    assert convolved(fl.ConvSpec.parse("conv2d(1, 2, 3, bias=False)"), volume, np.ones((2, 1, 3, 3))).shape == (3, 2, 58, 48)


@given(
    shape=st.lists(st.integers(1, 10**6), min_size=1, max_size=4),
    units=st.lists(st.integers(1, 5000), min_size=4, max_size=4),
    ndim=st.integers(1, 4),
    itemsize=st.sampled_from([1, 2, 4, 8]),
)
def test_blocks_are_of_whole_chunks_and_bounded(shape: list[int], units: list[int], ndim: int, itemsize: int) -> None:
    unit = tuple(min(size, extent) for size, extent in zip(units, shape, strict=False))
    sizes = block_sizes(tuple(shape), itemsize, min(ndim, len(shape)), unit)
    assert all(size % each == 0 or size == extent for size, each, extent in zip(sizes, unit, shape, strict=True))
    assert math.prod(sizes) * itemsize <= max(BLOCK_BYTES, math.prod(unit) * itemsize) * 1.001


def test_tiffs_of_eight_bits_are_pictures_and_others_arrays(tmp_path: Path) -> None:
    for dtype, kind in (("uint8", "picture"), ("uint16", "tif"), ("int16", "tif"), ("float32", "tif")):
        tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 5), dtype))
        assert input_kind(tmp_path / "a.tif") == kind


def test_another_file_has_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "WHOLE_BYTES", 0)
    path = stored(tmp_path, "a.npy", STACK)
    first, second = open_array(path, "npy", 2).name, open_array(path, "npy", 2).name
    os.utime(path, ns=(1, 1))
    assert first == second != open_array(path, "npy", 2).name


# -- refusals ------------------------------------------------------------------------------------


def test_files_that_are_no_arrays(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("1 2 3")
    (tmp_path / "text.tif").write_text("1 2 3")
    (tmp_path / "empty.zarr").mkdir()
    np.save(tmp_path / "words.npy", np.array(["a"]))
    group = zarr.open_group(str(tmp_path / "group.zarr"), mode="w")
    group.create_array("left", shape=(3, 3), dtype="f4")
    for error, told, name, kind in (
        (FileError, "there is no file", "missing.npy", "npy"),
        (FileError, "no readable .npy", "text.npy", "npy"),
        (FileError, "no readable TIFF", "text.tif", "tif"),
        (FileError, "empty.zarr", "empty.zarr", "zarr"),
        (FileError, "is a group of 1 arrays: left.\n.*group.zarr/left", "group.zarr", "zarr"),
        (ConvTypeError, "holds <U1 values", "words.npy", "npy"),
    ):
        with pytest.raises(error, match=told):
            open_array(tmp_path / name, kind, 2)
    assert open_array(tmp_path / "group.zarr" / "left", "zarr", 2).shape == (3, 3)


def test_arrays_that_do_not_fit_the_spec() -> None:
    with pytest.raises(ConvShapeError, match=r"has shape \(3, 60, 50\), 3 before space; .* takes 2 channels"):
        convolved(fl.ConvSpec.parse("conv2d(2, 2, 3, bias=False)"), STACK, np.ones((2, 2, 3, 3)))
    with pytest.raises(ConvShapeError, match="a picture whose colours come last"):
        convolved(SPEC, np.ones((20, 30, 3)), WEIGHT)
    with pytest.raises(ConvShapeError, match=r"1 axes; .* needs 2"):
        convolved(SPEC, STACK[0, 0], WEIGHT)


def test_a_disk_without_room_is_refused_before_anything_is_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    for name in ("out.npy", "out.tif"):
        with pytest.raises(FileError, match=r"No space left on device; .* are needed, .* are free"):
            store_array(da.ones((30, 40), chunks=10), tmp_path / name, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def fail(block: np.ndarray, block_id: tuple[int, ...]) -> np.ndarray:
        if block_id == (1, 1):
            raise RuntimeError("some fault")
        return block

    np.save(tmp_path / "out.npy", np.zeros(3))
    array = da.ones((30, 40), chunks=10).map_blocks(fail, meta=np.ones((0, 0)))
    for name in ("out.npy", "out.tif"):
        with pytest.raises(RuntimeError, match="some fault"):
            store_array(array, tmp_path / name, progress=False)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.npy"]
    assert np.array_equal(np.load(tmp_path / "out.npy"), np.zeros(3))


def test_places_and_types_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot write"):
        store_array(np.ones(3), tmp_path / "file" / "out.npy")
    with pytest.raises(FileError, match="cannot be gone on with"):
        store_array(np.ones(3), tmp_path / "out.npy", resume=True)
    with pytest.raises(ConvTypeError, match="no booleans"):
        store_array(np.ones((3, 3), bool), tmp_path / "out.tif")
    store_array(da.ones((0, 3), chunks=2), tmp_path / "empty.npy")
    assert np.load(tmp_path / "empty.npy").shape == (0, 3)


@pytest.mark.parametrize("name", ["a.npy", "a.tif", "a.zarr"])
def test_no_file_takes_the_place_of_a_pipe(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(FileError, match="is a device, a pipe or a socket"):
        store_array(np.ones((3, 4)), tmp_path / name, overwrite=True)
    assert (tmp_path / name).is_fifo()
    assert len(list(tmp_path.iterdir())) == 1
