from __future__ import annotations

import builtins
import contextlib
import importlib
import importlib.util
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from faltung.errors import ConvError, ConvShapeError, ConvTypeError
from faltung.extras import MissingExtraError
from faltung.photo import PhotoError, default_photograph, read_photo, resize_photo, to_pixels, write_photo

Image = pytest.importorskip("PIL.Image")

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def save(path: Path, image) -> Path:
    image.save(path)
    return path


def test_colour_comes_channels_first(tmp_path):
    photo = read_photo(save(tmp_path / "a.png", Image.fromarray(RGB)))
    assert photo.dtype == np.float32
    np.testing.assert_array_equal(photo, np.moveaxis(RGB, -1, 0))


def test_grey_has_one_channel(tmp_path):
    photo = read_photo(save(tmp_path / "a.png", Image.fromarray(RGB[..., 0])))
    np.testing.assert_array_equal(photo, RGB[None, ..., 0])


def test_one_bit_images_are_black_and_white(tmp_path):
    photo = read_photo(save(tmp_path / "a.png", Image.fromarray(RGB[..., 0] > 100)))
    np.testing.assert_array_equal(photo, np.where(RGB[None, ..., 0] > 100, 255, 0))


def test_sixteen_bits_are_brought_to_eight(tmp_path):
    deep = (RGB[..., 0].astype(np.uint16) * 257).astype(np.uint16)
    np.testing.assert_allclose(read_photo(save(tmp_path / "a.png", Image.fromarray(deep))), RGB[None, ..., 0])


def test_transparency_is_laid_on_white(tmp_path):
    clear = np.dstack([RGB, np.zeros((5, 7), np.uint8)])
    assert (read_photo(save(tmp_path / "a.png", Image.fromarray(clear))) == 255).all()


def test_palettes_are_resolved(tmp_path):
    photo = read_photo(save(tmp_path / "a.gif", Image.new("RGB", (3, 2), (255, 0, 0)).convert("P")))
    np.testing.assert_array_equal(photo, np.broadcast_to(np.array([255, 0, 0]).reshape(3, 1, 1), (3, 2, 3)))


def test_the_camera_s_rotation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    assert read_photo(tmp_path / "a.png").shape == (3, 7, 5)


@pytest.mark.parametrize(
    ("shape", "expected"), [((5, 7), (1, 5, 7)), ((3, 5, 7), (3, 5, 7)), ((5, 7, 3), (3, 5, 7)), ((5, 7, 1), (1, 5, 7))]
)
def test_arrays_are_read_as_they_are(tmp_path, shape, expected):
    values = np.random.default_rng(1).normal(size=shape)
    np.save(tmp_path / "a.npy", values)
    photo = read_photo(tmp_path / "a.npy")
    assert photo.shape == expected
    np.testing.assert_allclose(np.sort(photo.ravel()), np.sort(values.ravel()), rtol=1e-6)


def png_header(width: int, height: int) -> bytes:
    """The beginning of a PNG file that claims a size."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


class TestWhatCanBeWrong:
    def check_fails(self, path, problem: str, remedy: str = "") -> None:
        with pytest.raises(PhotoError) as raised:
            read_photo(path)
        assert problem in raised.value.problem
        assert remedy in raised.value.remedy
        assert raised.value.remedy

    def test_no_such_file(self, tmp_path):
        save(tmp_path / "holiday.png", Image.fromarray(RGB))
        self.check_fails(tmp_path / "holiday.jpg", "no such file", "Did you mean 'holiday.png'?")
        self.check_fails(tmp_path / "nowhere" / "a.png", "no such file", "does not exist either")

    def test_a_folder(self, tmp_path):
        self.check_fails(tmp_path, "is a folder, not an image")

    def test_an_empty_file(self, tmp_path):
        for name in ("a.png", "a.npy"):
            (tmp_path / name).touch()
            self.check_fails(tmp_path / name, "is empty (0 bytes)")

    def test_no_image(self, tmp_path):
        (tmp_path / "a.png").write_text("hello")
        self.check_fails(tmp_path / "a.png", "is no image that Pillow knows")

    @pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tif", "gif", "bmp"])
    def test_cut_off(self, tmp_path, kind):
        noise = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        path = save(tmp_path / f"a.{kind}", Image.fromarray(noise))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        self.check_fails(path, "")

    def test_too_large(self, tmp_path):
        (tmp_path / "a.png").write_bytes(png_header(20_000, 20_000) + struct.pack(">I", 64) + b"IDAT" + bytes(64))
        self.check_fails(tmp_path / "a.png", "has 400000000 pixels, more than 89478485", "Pictures are read whole: shrink it, or")

    def test_an_array_that_claims_too_much(self, tmp_path):
        huge = np.lib.format.open_memmap(tmp_path / "a.npy", mode="w+", dtype=np.uint8, shape=(20_000, 20_000))
        del huge
        self.check_fails(tmp_path / "a.npy", "has 400000000 values, more than 268435455")

    def test_an_array_of_objects(self, tmp_path):
        np.save(tmp_path / "a.npy", np.array([{}, []], object), allow_pickle=True)
        self.check_fails(tmp_path / "a.npy", "no readable .npy array")

    @pytest.mark.parametrize("values", [np.zeros(5), np.zeros((2, 5, 7)), np.zeros((0, 7)), np.zeros((5, 7), complex)])
    def test_an_array_that_is_no_picture(self, tmp_path, values):
        np.save(tmp_path / "a.npy", values)
        self.check_fails(tmp_path / "a.npy", "a picture has")

    def test_values_without_a_number(self, tmp_path):
        np.save(tmp_path / "a.npy", np.full((5, 7), np.nan))
        self.check_fails(tmp_path / "a.npy", "no finite number")

    def test_a_name_that_no_file_can_have(self):
        self.check_fails("a\0b.png", "")
        self.check_fails("x" * 5000, "")

    @pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "tiff", "npy"])
    def test_damage_never_crashes(self, tmp_path, kind):
        path = tmp_path / f"a.{kind}"
        if kind == "npy":
            np.save(path, RGB)
        else:
            Image.fromarray(RGB).save(path)
        whole, draw = path.read_bytes(), np.random.default_rng(3)
        for _ in range(60):
            broken = bytearray(whole)
            for place in draw.integers(0, min(len(whole), draw.choice([40, 400])), 3):
                broken[place] = draw.integers(256)
            path.write_bytes(bytes(broken))
            with contextlib.suppress(PhotoError):
                assert read_photo(path).ndim == 3

    def test_pillow_is_missing(self, tmp_path, monkeypatch):
        path = save(tmp_path / "a.png", Image.fromarray(RGB))
        real = importlib.import_module

        def without_pillow(name, *rest):
            if name.startswith("PIL"):
                raise ModuleNotFoundError(name=name)
            return real(name, *rest)

        monkeypatch.setattr(importlib, "import_module", without_pillow)
        with pytest.raises(MissingExtraError, match=r"needs Pillow, which is not installed.\n  Run pip install 'faltung\[tour\]'"):
            read_photo(path)

    def test_scikit_image_is_missing(self, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(PhotoError, match=r"pip install 'faltung\[tour\]'"):
            default_photograph()


def test_the_default_photograph_needs_no_import_of_scikit_image(monkeypatch):
    pytest.importorskip("skimage")
    real = builtins.__import__

    def watched(name, *rest):
        assert not name.startswith("skimage")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", watched)
    assert default_photograph().shape == (3, 400, 600)


class TestPixels:
    def test_clip(self):
        assert to_pixels([[-5.0, 0.4, 254.6, 300.0]], "clip")[0, :, 0].tolist() == [0, 0, 255, 255]

    def test_stretch(self):
        assert to_pixels([[-1.0, 0.0, 3.0]], "stretch")[0, :, 0].tolist() == [0, 64, 255]
        assert to_pixels([[7.0, 7.0]], "stretch")[0, :, 0].tolist() == [0, 0]

    def test_auto_puts_zero_in_the_middle_where_there_are_negative_values(self):
        assert to_pixels([[-2.0, 0.0, 1.0]])[0, :, 0].tolist() == [1, 128, 192]
        assert to_pixels([[0.0, 510.0]])[0, :, 0].tolist() == [0, 255]
        assert to_pixels([[0.0, 17.0]])[0, :, 0].tolist() == [0, 17]

    def test_values_without_a_number_become_black(self):
        assert to_pixels([[np.nan, 255.0]])[0, :, 0].tolist() == [0, 255]

    def test_what_is_no_picture(self):
        with pytest.raises(ConvShapeError):
            to_pixels(np.zeros((4, 5, 6)))
        with pytest.raises(ConvTypeError):
            to_pixels(np.zeros((4, 5), complex))
        with pytest.raises(ConvError, match="Did you mean 'stretch'"):
            to_pixels(np.zeros((4, 5)), "stretches")  # type: ignore[arg-type]


class TestWriting:
    @pytest.mark.parametrize("kind", ["png", "tif", "bmp"])
    def test_what_was_written_is_read_again(self, tmp_path, kind):
        path = write_photo(tmp_path / "new" / f"a.{kind}", np.moveaxis(RGB, -1, 0))
        np.testing.assert_array_equal(read_photo(path), np.moveaxis(RGB, -1, 0))

    def test_jpeg_is_close(self, tmp_path):
        smooth = np.tile(np.linspace(0, 255, 64), (64, 1))
        np.testing.assert_allclose(read_photo(write_photo(tmp_path / "a.jpg", smooth))[0], smooth, atol=6)

    def test_arrays_keep_their_values(self, tmp_path):
        values = np.random.default_rng(4).normal(size=(2, 5, 7))
        np.testing.assert_array_equal(np.load(write_photo(tmp_path / "a.npy", values)), values)

    def test_an_unknown_ending(self, tmp_path):
        with pytest.raises(PhotoError, match="no image format has the ending"):
            write_photo(tmp_path / "a.xyz", RGB[..., 0])

    def test_a_place_that_cannot_be_written(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(PhotoError, match="cannot write"):
            write_photo(tmp_path / "file" / "a.png", RGB[..., 0])


def test_resizing_averages():
    photo = np.zeros((1, 8, 8))
    photo[:, :, ::2] = 200
    np.testing.assert_allclose(resize_photo(photo, (4, 2))[0, :, :], 100, atol=15)
