"""`faltung run` from array to array: values as they are, in parts, gone on with where it was stopped."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import faltung as fl
from faltung.files import sources
from faltung.kernels import named_kernel

zarr = pytest.importorskip("zarr")
tifffile = pytest.importorskip("tifffile")
image = pytest.importorskip("PIL.Image")
pytest.importorskip("dask.array")

from faltung.dask import pieces  # noqa: E402

SMOOTH = "conv2d(1, 1, 5, padding=2)"
VALUES = np.random.default_rng(0).integers(0, 4096, (70, 90))


def smoothed(array: np.ndarray, dtype: str) -> np.ndarray:
    weight = named_kernel("gaussian(5)").astype(dtype)[None, None]
    return fl.conv(f"{SMOOTH[:-1]}, bias=False)", array[None, None], weight, accuracy="exact")[0, 0]


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files, read as large ones are."""
    monkeypatch.setattr(sources, "WHOLE_BYTES", 0)
    monkeypatch.setattr(sources, "BLOCK_BYTES", 4000)


@pytest.mark.parametrize(("dtype", "computed"), [("float32", "float32"), ("float64", "float64"), ("uint16", "float32")])
def test_types_are_kept(faltung, tmp_path: Path, dtype: str, computed: str) -> None:
    np.save(tmp_path / "a.npy", VALUES.astype(dtype))
    result = faltung("run", SMOOTH, tmp_path / "a.npy", "--kernel", "gaussian(5)", "--out", tmp_path / "b.npy", columns=200)
    assert result.exit_code == 0, result.stderr
    assert f"70 × 90, {computed}, values as they are; gaussian(5) by" in result.stdout
    assert "MB/s" in result.stdout
    got = np.load(tmp_path / "b.npy")
    assert got.dtype == computed
    assert np.array_equal(got, smoothed(VALUES.astype(dtype), computed))


def test_whole_kernels_on_whole_numbers_are_exact(faltung, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", VALUES.astype(np.uint16))
    spec = "conv2d(1, 1, 3, padding='same', padding_mode='reflect')"
    assert faltung("run", spec, tmp_path / "a.tif", "--kernel", "sobel_x", "--out", tmp_path / "b.zarr").exit_code == 0
    stored = zarr.open_array(str(tmp_path / "b.zarr"))
    assert stored.dtype == np.int64
    padded = np.pad(VALUES, 1, "reflect")
    columns = padded[:, 2:] - padded[:, :-2]
    assert np.array_equal(stored[:], columns[:-2] + 2 * columns[1:-1] + columns[2:])


@pytest.mark.usefixtures("in_parts")
def test_parts_from_store_to_store(as_json, tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "a.zarr"), data=VALUES.astype(np.float32), chunks=(16, 16))
    facts = as_json("run", SMOOTH, tmp_path / "a.zarr", "--kernel", "gaussian(5)", "--out", tmp_path / "new/b.zarr")
    assert facts["shape"] == [70, 90]
    assert facts["dtype"] == "float32"
    stored = zarr.open_array(str(tmp_path / "new/b.zarr"))
    assert stored.nchunks > 4
    assert np.array_equal(stored[:], smoothed(VALUES.astype(np.float32), "float32"))


@pytest.mark.usefixtures("in_parts")
def test_a_run_that_was_stopped_goes_on(faltung, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", VALUES.astype(np.float32))
    call = ("run", SMOOTH, tmp_path / "a.npy", "--kernel", "gaussian(5)", "--out", tmp_path / "b.zarr")
    write, written = pieces.write_piece, []

    def stopping(after: int) -> Callable[..., object]:
        def piece(block: object, *, target: object, blocks: object, block_id: tuple[int, ...]) -> object:
            if len(written) == after:
                raise KeyboardInterrupt
            written.append(block_id)
            return write(block, target=target, blocks=blocks, block_id=block_id)

        return piece

    import dask

    monkeypatch.setattr("faltung.dask.storing.write_piece", stopping(3))
    with dask.config.set(scheduler="sync"):
        stopped = faltung(*call, columns=200)
        assert stopped.exit_code == 130
        assert "interrupted: 3 of 9 pieces are stored." in stopped.stderr
        assert "Run the same with --resume to go on." in stopped.stderr
        assert "Pass --resume to go on with it, or --overwrite to throw it away." in faltung(*call, columns=200).stderr
        monkeypatch.setattr("faltung.dask.storing.write_piece", stopping(-1))
        assert faltung(*call, "--resume").exit_code == 0
    assert len(written) == len(set(written)) == 9
    assert np.array_equal(zarr.open_array(str(tmp_path / "b.zarr"))[:], smoothed(VALUES.astype(np.float32), "float32"))


def test_a_store_that_is_there_is_replaced_if_asked_for(faltung, refused, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", VALUES)
    call = ("run", "conv2d(1, 1, 3, padding=1)", tmp_path / "a.npy", "--kernel", "identity", "--out", tmp_path / "b.zarr")
    assert faltung(*call).exit_code == 0
    assert "exists." in refused(*call)
    assert faltung(*call, "--overwrite").exit_code == 0
    assert np.array_equal(zarr.open_array(str(tmp_path / "b.zarr"))[:], VALUES)


def test_between_pictures_and_arrays(faltung, photo: Path, tmp_path: Path) -> None:
    spec = "conv2d(1, 1, 3, padding='same', padding_mode='reflect')"
    assert faltung("run", spec, photo, "--kernel", "gaussian(3)", "--colour", "--out", tmp_path / "soft.zarr").exit_code == 0
    assert faltung("run", spec, photo, "--kernel", "gaussian(3)", "--colour", "--out", tmp_path / "soft.npy").exit_code == 0
    soft = np.load(tmp_path / "soft.npy")
    assert np.array_equal(zarr.open_array(str(tmp_path / "soft.zarr"))[:], soft)
    assert faltung("run", spec, tmp_path / "soft.zarr", "--kernel", "identity", "--colour", "--out", tmp_path / "again.png").exit_code == 0
    with image.open(tmp_path / "again.png") as opened:
        assert np.array_equal(np.moveaxis(np.asarray(opened), -1, 0), np.rint(soft))
    image.open(photo).save(tmp_path / "photo.tif")  # 8 bits: a picture
    assert faltung("run", spec, tmp_path / "photo.tif", "--kernel", "gaussian(3)", "--colour", "--out", tmp_path / "tif.npy").exit_code == 0
    assert np.array_equal(np.load(tmp_path / "tif.npy"), soft)


def test_arrays_that_are_no_pictures(refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zarr.create_array(str(tmp_path / "a.zarr"), data=np.ones((5, 20, 20), np.float32))
    call = ("run", "conv2d(1, 1, 3)", tmp_path / "a.zarr", "--kernel", "sobel_x", "--out")
    assert "has shape (5, 20, 20) and float32 values, a picture is" in refused(*call, tmp_path / "b.png")
    monkeypatch.setattr("faltung.photo.MAX_PIXELS", 100)
    assert "Give an --out that is written in parts: .zarr, .npy or .tif." in refused(*call, tmp_path / "b.png")
    large = image.new("1", (10_000, 9_000))
    large.save(tmp_path / "large.png")
    said = refused("run", "conv2d(1, 1, 3)", tmp_path / "large.png", "--kernel", "sobel_x", "--out", tmp_path / "b.zarr")
    assert "10000×9000 pixels, more than 89478485" in said or "90000000 pixels" in said
    assert "Pictures are read whole: shrink it, or convert it to .tif, .npy or .zarr" in said


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("conv3d(1, 1, 3)", "A kernel has 3, (depth, height, width), or the weight's 5"),
        ("conv2d(2, 2, 3, groups=2)", "takes 2 channels"),
        ("conv2d(1, 1, 3, dilation=60)", "no output along axis 0"),
    ],
)
def test_specs_that_do_not_fit_the_array(refused, tmp_path: Path, spec: str, told: str) -> None:
    np.save(tmp_path / "a.npy", np.ones((3, 30, 30)))
    assert told in refused("run", spec, tmp_path / "a.npy", "--kernel", "sobel_x", "--out", tmp_path / "b.npy")
    assert not (tmp_path / "b.npy").exists()


def test_only_stores_are_gone_on_with(refused, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((30, 30)))
    assert "cannot be gone on with" in refused(
        "run", "conv2d(1, 1, 3)", tmp_path / "a.npy", "--kernel", "sobel_x", "--out", tmp_path / "b.npy", "--resume"
    )
    assert "there is no file" in refused("run", "conv2d(1, 1, 3)", tmp_path / "c.zarr", "--kernel", "sobel_x", "--out", tmp_path / "b.npy")


def test_the_help_says_what_happens_to_values(faltung) -> None:
    said = " ".join(faltung("run", "--help", columns=max(100, shutil.get_terminal_size().columns)).stdout.split())
    assert "values stay as they are" in said
    assert "whole numbers under a whole kernel become int64" in said
