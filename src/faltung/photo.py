"""Photographs: image files to arrays and back, and one photograph that is always at hand.

Arrays are channels first, float32, (1, H, W) grey or (3, H, W) colour, with 0 black and 255 white, as the
rest of the package takes them. Owns the reading and writing of picture files and what can go wrong there.
Pillow and scikit-image (whose data folder holds the default photograph) are imported at call time only.
"""

from __future__ import annotations

import importlib.util
import io
import re
import struct
import tokenize
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faltung.errors import ConvError, ConvShapeError, ConvTypeError, one_of
from faltung.extras import optional

__all__ = ["PhotoError", "channels_first", "default_photograph", "photo_of", "read_photo", "resize_photo", "to_pixels", "write_photo"]

Photo = NDArray[np.float32]
Pixels = NDArray[np.uint8]

MAX_PIXELS = 89_478_485
"""Images with more pixels are refused: Pillow's own limit, a quarter of a gigabyte of RGB."""

MOST_PIXELS_GIVEN = 2**25
"""Of a picture that comes as bytes, from who knows where: what phones take, and less than half a gigabyte as floats."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""What such a picture may be. Others start programs (EPS) or are seldom."""

DEFAULT = "coffee.png"
"""A cup of coffee by Rachel Michetti, public domain (CC0), 600 x 400, shipped inside scikit-image."""

DAMAGE = (
    *(OSError, ValueError, TypeError, SyntaxError, EOFError, LookupError, OverflowError, MemoryError, RuntimeError),
    *(struct.error, zlib.error, tokenize.TokenError),
)
"""What Pillow's decoders raise on damaged files, and NumPy, which reads a header as Python text."""

_TOO_LARGE = "Pictures are read whole: shrink it, or convert it to .tif, .npy or .zarr, which `faltung run` reads in parts."

_REMEDY = "Give an image file (PNG, JPEG, WebP, TIFF, …) or a .npy array."


class PhotoError(ConvError):
    """A picture file that cannot be read or written."""


def read_photo(path: str | Path) -> Photo:
    """Read an image file or a ``.npy`` array.

    Parameters
    ----------
    path : str or Path
        Any format Pillow reads (the camera's rotation is applied, transparency is laid on white, of an
        animation the first frame is taken), or an array of shape (H, W), (C, H, W) or (H, W, C) with C 1
        or 3, whose values are taken as they are.

    Returns
    -------
    float32 array (1, H, W) or (3, H, W)
        0 … 255; 16-bit images are brought to that range.

    Raises
    ------
    PhotoError
        No such file, a folder, an empty or damaged file, no image, more than `MAX_PIXELS` pixels, or
        Pillow is not installed.
    """
    path = Path(path)
    _check_readable(path)
    photo = _read_array(path) if path.suffix.lower() == ".npy" else _read_image(path, _name(path))
    if not np.isfinite(photo).all():
        raise PhotoError(f"{_name(path)} has values that are no finite number.", "Replace NaN and infinities first, with np.nan_to_num.")
    return photo


def photo_of(data: bytes, name: str = "the picture") -> Photo:
    """The bytes of an image file: PNG, JPEG, WebP, GIF, BMP or TIFF, of which Pillow itself decodes all.

    Parameters
    ----------
    data : bytes
    name : str
        What errors call it.

    Returns
    -------
    float32 array (1, H, W) or (3, H, W)
        As of `read_photo`.

    Raises
    ------
    PhotoError
        As of `read_photo`; more than `MOST_PIXELS_GIVEN` pixels.

    >>> photo_of(b"GIF89a")
    Traceback (most recent call last):
    faltung.photo.PhotoError: the picture is no image that Pillow knows.
      Give an image file (PNG, JPEG, WebP, TIFF, …) or a .npy array.
    """
    if not data:
        raise PhotoError(f"{name} is empty (0 bytes).", "Give an image file (PNG, JPEG, WebP, …).")
    photo = _read_image(io.BytesIO(data), name, FORMATS, MOST_PIXELS_GIVEN)
    if not np.isfinite(photo).all():
        raise PhotoError(f"{name} has values that are no finite number.", "Save it as PNG or JPEG.")
    return photo


def default_photograph() -> Photo:
    """A photograph that needs no network: a cup of coffee, from scikit-image's own data.

    Returns
    -------
    float32 array (3, 400, 600)

    Raises
    ------
    PhotoError
        scikit-image or Pillow is not installed.

    >>> default_photograph().shape
    (3, 400, 600)
    """
    # Found, not imported: importing scikit-image takes half a second and may want its download helper.
    found = importlib.util.find_spec("skimage")
    if found is None or not found.submodule_search_locations:
        raise PhotoError(
            "the default photograph is in scikit-image's data, and scikit-image is not installed.",
            "Run pip install 'faltung[tour]', or give an image of your own.",
        )
    return read_photo(Path(found.submodule_search_locations[0]) / "data" / DEFAULT)


def resize_photo(photo: ArrayLike, size: tuple[int, int]) -> Photo:
    """Resample a photograph to `size` = (height, width), averaging when it shrinks (Lanczos).

    >>> resize_photo(np.full((3, 8, 8), 200.0), (4, 2)).shape
    (3, 4, 2)
    """
    image = _pillow("PIL.Image")
    channels = _as_channels(photo)
    height, width = size
    resized = [image.fromarray(channel).resize((width, height), image.Resampling.LANCZOS) for channel in channels]
    return np.stack([np.asarray(channel, np.float32) for channel in resized])


def to_pixels(photo: ArrayLike, scale: Literal["auto", "clip", "stretch"] = "auto") -> Pixels:
    """Bring any real array into the 0 … 255 of a picture.

    Parameters
    ----------
    photo : array (H, W), (1, H, W) or (3, H, W)
    scale : {"auto", "clip", "stretch"}
        ``"clip"`` rounds and cuts off below 0 and above 255. ``"stretch"`` maps smallest … largest to
        0 … 255. ``"auto"``: where values are negative, zero becomes middle grey (128) and the largest
        absolute value black or white; else where any exceeds 255, the largest becomes 255; else as clip.

    Returns
    -------
    uint8 array (H, W, 1) or (H, W, 3)

    Raises
    ------
    ConvTypeError, ConvShapeError
        The array is no real image.

    >>> to_pixels([[-4.0, 0.0, 2.0]])[..., 0].tolist()
    [[1, 128, 192]]
    """
    one_of("scale", scale, ("auto", "clip", "stretch"), ConvError)
    channels = np.nan_to_num(_as_channels(photo).astype(np.float64))
    low, high = (float(channels.min()), float(channels.max())) if channels.size else (0.0, 0.0)
    if scale == "stretch":
        channels = (channels - low) * (255 / (high - low)) if high > low else np.zeros_like(channels)
    elif scale == "auto" and low < 0:
        channels = 128 + channels * (127 / max(-low, high))
    elif scale == "auto" and high > 255:
        channels = channels * (255 / high)
    return np.moveaxis(np.clip(np.rint(channels), 0, 255).astype(np.uint8), 0, -1)


def write_photo(path: str | Path, photo: ArrayLike, scale: Literal["auto", "clip", "stretch"] = "auto") -> Path:
    """Write an array as an image file, or as it is to a ``.npy`` file.

    Parameters
    ----------
    path : str or Path
        Its ending names the format: .png, .jpg, .webp, .tif, … or .npy. Missing folders are made.
    photo : array (H, W), (1, H, W) or (3, H, W)
    scale : {"auto", "clip", "stretch"}
        How values become pixels, see `to_pixels`; a .npy file keeps them.

    Returns
    -------
    Path

    Raises
    ------
    PhotoError
        The format is unknown or the place cannot be written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".npy":
            np.save(path, np.asarray(photo), allow_pickle=False)
            return path
        pixels = to_pixels(photo, scale)
        picture = _pillow("PIL.Image").fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        picture.save(path, **({"quality": 92} if path.suffix.lower() in (".jpg", ".jpeg", ".webp") else {}))
    except ValueError as error:
        if isinstance(error, ConvError):
            raise
        raise PhotoError(
            f"{_name(path)}: no image format has the ending {path.suffix!r}.", "Use .png, .jpg, .webp, .tif or .npy."
        ) from None
    except OSError as error:
        raise PhotoError(
            f"cannot write {_name(path)}: {error.strerror or error}.", "Give a file in a folder that you may write to."
        ) from None
    return path


# -- reading -------------------------------------------------------------------------------------


def _name(path: Path) -> str:
    return repr(str(path))


def _check_readable(path: Path) -> None:
    try:
        if path.is_dir():
            raise PhotoError(f"{_name(path)} is a folder, not an image.", "Name a file inside it.")
        if not path.exists():
            raise PhotoError(f"no such file: {_name(path)}.", _nearby(path))
        if path.stat().st_size == 0:
            raise PhotoError(f"{_name(path)} is empty (0 bytes).", "The download or copy was probably cut off: fetch it again.")
    except (OSError, ValueError) as error:  # names that no file can have, folders that may not be looked into
        if isinstance(error, PhotoError):
            raise
        raise PhotoError(f"cannot look at {_name(path)}: {getattr(error, 'strerror', None) or error}.", _REMEDY) from None


def _nearby(path: Path) -> str:
    """The remedy for a missing file: the file that was probably meant."""
    import difflib

    if not path.parent.is_dir():
        return f"The folder {_name(path.parent)} does not exist either."
    near = difflib.get_close_matches(path.name, [entry.name for entry in path.parent.iterdir()], n=1)
    return f"Did you mean {near[0]!r}?" if near else _REMEDY


def _pillow(module: str) -> Any:
    return optional(module, extra="tour", purpose="reading and writing pictures", package="Pillow")


def _read_image(source: Path | io.BytesIO, name: str, formats: Sequence[str] | None = None, most: int = MAX_PIXELS) -> Photo:
    image, operations = _pillow("PIL.Image"), _pillow("PIL.ImageOps")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", image.DecompressionBombWarning)
            with image.open(source, formats=formats) as opened:
                if opened.width * opened.height > most:
                    raise PhotoError(f"{name} has {opened.width}×{opened.height} pixels, more than {most}.", _TOO_LARGE)
                opened.load()
                return _channels_of(operations.exif_transpose(opened), image)
    except (image.DecompressionBombError, image.DecompressionBombWarning) as error:
        pixels = re.search(r"\d+", str(error))
        raise PhotoError(f"{name} has {pixels[0] if pixels else 'too many'} pixels, more than {MAX_PIXELS}.", _TOO_LARGE) from None
    except image.UnidentifiedImageError:
        raise PhotoError(f"{name} is no image that Pillow knows.", _REMEDY) from None
    except PermissionError:
        raise PhotoError(f"{name} may not be read.", "Change its permissions, or copy it to a place of your own.") from None
    except PhotoError:
        raise
    except DAMAGE as error:
        raise PhotoError(f"{name} is damaged or cut off: {error}.", "Fetch or export it again.") from None


def _channels_of(opened: Any, image: Any) -> Photo:
    """A Pillow image in any of its modes as (1, H, W) or (3, H, W), 0 … 255."""
    mode: str = opened.mode
    if mode.startswith("I") or mode == "F":
        values = np.asarray(opened, np.float32)[None]
        return values / np.float32(257) if mode.startswith("I") and values.size and values.max() > 255 else values
    if mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in opened.info:
        rgba = opened.convert("RGBA")
        opened = image.alpha_composite(image.new("RGBA", rgba.size, "white"), rgba).convert(
            "L" if mode in ("L", "LA", "La", "1") else "RGB"
        )
    elif mode in ("1", "L"):
        opened = opened.convert("L")
    elif mode != "RGB":
        opened = opened.convert("RGB")
    values = np.asarray(opened, np.float32)
    return np.ascontiguousarray(np.moveaxis(values, -1, 0) if values.ndim == 3 else values[None])


def _read_array(path: Path) -> Photo:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: a huge one is refused unread
    except DAMAGE as error:
        raise PhotoError(
            f"{_name(path)} is no readable .npy array: {error}.", "Write it with np.save(path, array), of numbers only."
        ) from None
    if not isinstance(values, np.ndarray):
        values.close()
        raise PhotoError(f"{_name(path)} holds several arrays (.npz).", "Save one of them with np.save.")
    if values.size > 3 * MAX_PIXELS:
        raise PhotoError(f"{_name(path)} has {values.size} values, more than {3 * MAX_PIXELS}.", "Crop or shrink it first.")
    try:
        return np.array(_as_channels(values))  # a copy: the mapped file is let go
    except ConvError as error:
        raise PhotoError(f"{_name(path)}: {error.problem}", error.remedy) from None


def _as_channels(photo: ArrayLike) -> Photo:
    """An array of shape (H, W), (C, H, W) or (H, W, C) as float32 (C, H, W), C 1 or 3."""
    values = np.asarray(photo)
    if values.dtype.kind not in "buif":
        raise ConvTypeError(f"a picture has real numbers, not {values.dtype}.", "For complex arrays show np.abs(array).")
    arranged = channels_first(values)
    if arranged is None:
        raise ConvShapeError(
            f"a picture has shape (H, W), (1, H, W) or (3, H, W), not {np.shape(photo)}.",
            "Pick one sample, and one or three of its channels.",
        )
    return np.ascontiguousarray(arranged, np.float32)


def channels_first(values: NDArray[Any]) -> NDArray[Any] | None:
    """A picture (H, W), (C, H, W) or (H, W, C), C 1 or 3, as (C, H, W); None where it is none of these, or empty.

    >>> channels_first(np.zeros((4, 5, 3))).shape
    (3, 4, 5)
    """
    if values.ndim == 2:
        values = values[None]
    elif values.ndim == 3 and values.shape[0] not in (1, 3) and values.shape[2] in (1, 3):
        values = np.moveaxis(values, -1, 0)
    return None if values.ndim != 3 or values.shape[0] not in (1, 3) or 0 in values.shape else values
