"""What a network is given: arrays, tensors and photographs as one batch.

Owns the step from a picture to numbers. Knows no framework beyond asking an object for its array.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.engine.arrays import as_array
from faltung.errors import ConvShapeError, ConvTypeError, one_of, shown
from faltung.extras import optional
from faltung.photo import Photo, channels_first, read_photo, resize_photo

__all__ = ["Preprocess", "as_input", "batch_of", "picture_of", "picture_places"]

FITS = ("middle", "squash")
LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Preprocess:
    """From a photograph to what a network was trained on: size, then ``(share of white - mean) / std`` for each colour.

    Parameters
    ----------
    size : (int, int)
        Height and width.
    mean, std : float or three of them
        Of colours from 0, black, to 1, white.
    fit : {"middle", "squash"}
        Take the largest part of the middle that has the shape of `size`, or bring all of the picture to it.
    channels : {3, 1}
        Colours, or brightness alone (0.299 R + 0.587 G + 0.114 B, ITU-R BT.601).

    Examples
    --------
    >>> prepare = Preprocess((224, 224), mean=0.5, std=0.25)
    >>> x = prepare(np.full((3, 300, 400), 255))
    >>> x.shape, x.dtype, float(x.max())
    ((1, 3, 224, 224), dtype('float32'), 2.0)
    """

    size: tuple[int, int]
    mean: float | Sequence[float] = 0.0
    std: float | Sequence[float] = 1.0
    fit: str = "middle"
    channels: int = 3

    def __post_init__(self) -> None:
        one_of("fit", self.fit, FITS, ConvTypeError)
        if self.channels not in (1, 3):
            raise ConvTypeError(f"channels={shown(self.channels)} is neither 3 nor 1.", "Use 3 for colours, 1 for brightness.")
        if np.shape(self.size) != (2,) or min(self.size) < 1:
            raise ConvShapeError(f"size={shown(self.size)} is no height and width.", "Give two whole numbers, such as (224, 224).")
        for name, value in (("mean", self.mean), ("std", self.std)):
            if np.shape(value) not in ((), (3,)) or not np.isfinite(value).all():
                raise ConvTypeError(
                    f"{name}={shown(value)} is neither a number nor three of them.", f"Give {name}=0.5 or {name}=(0.4, 0.5, 0.6)."
                )
        if not np.all(np.asarray(self.std) > 0):
            raise ConvTypeError(
                f"std={shown(self.std)} is not above 0: colours are divided by it.", "Give std=1 to leave them as they are."
            )

    def picture(self, photo: object) -> Photo:
        """The part of a photograph that the network sees, (3, H, W) from 0 to 255; grey ones become three equal colours."""
        channels = _colours(photo)
        height, width = self.size
        if self.fit == "middle":
            scale = min(channels.shape[1] / height, channels.shape[2] / width)
            rows, columns = max(round(height * scale), 1), max(round(width * scale), 1)
            top, left = (channels.shape[1] - rows) // 2, (channels.shape[2] - columns) // 2
            channels = channels[:, top : top + rows, left : left + columns]
        return np.clip(resize_photo(channels, self.size), 0, 255)

    def __call__(self, photo: object) -> NDArray[np.float32]:
        """The photograph, (H, W), (C, H, W) or (H, W, C) from 0 to 255, as an input (1, 3, H, W)."""
        mean, std = self.scales()
        picture = self.picture(photo) / np.float32(255)
        if self.channels == 1:
            picture = np.tensordot(np.asarray(LUMA, np.float32), picture, axes=1)[None]
        return np.ascontiguousarray(((picture - mean) / std)[None], np.float32)

    def scales(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and standard deviation, (1, 1, 1) or (3, 1, 1)."""
        mean, std = (np.reshape(np.asarray(value, np.float32), (-1, 1, 1)) for value in (self.mean, self.std))
        return mean, std


def picture_places(shape: Sequence[int | None]) -> tuple[int, tuple[int, int]] | None:
    """Channels of an input that takes pictures, 3 where that is open, and its axes of rows and columns, from the end; None of others.

    >>> picture_places((1, 3, 224, 224)), picture_places((None, 224, 224, 3)), picture_places((1, 10))
    ((3, (-2, -1)), (3, (-3, -2)), None)
    """
    if len(shape) != 4:
        return None
    is_last = shape[-1] in (1, 3) and shape[1] not in (1, 3)  # as TensorFlow has it
    channels = (shape[3] if is_last else shape[1]) or 3
    return (channels, (-3, -2) if is_last else (-2, -1)) if channels in (1, 3) else None


def as_input(photo: object, prepare: Preprocess, rows: int, dtype: str) -> NDArray[Any]:
    """A photograph as the input of a file: colours last where `rows` is -3, whole numbers where `dtype` is of them."""
    x: NDArray[Any] = prepare(photo)
    if dtype.startswith(("uint", "int")):
        x = np.clip(np.rint(x if float(x.max()) > 1 else x * 255), 0, 255).astype(dtype)
    return np.moveaxis(x, 1, -1) if rows == -3 else x


def _colours(photo: object) -> Photo:
    values = as_array("photo", photo)
    channels = channels_first(values)
    if channels is None:
        raise ConvShapeError(
            f"photo has shape {values.shape}, expected (H, W), (3, H, W) or (H, W, 3).", "Give one picture, with values from 0 to 255."
        )
    return np.broadcast_to(channels.astype(np.float32), (3, *channels.shape[1:]))


def batch_of(x: object, preprocess: Callable[[Any], Any] | None = None, *, name: str = "x") -> Any:
    """What was given as a batch ``(N, C, *size)``: an array, or the tensor that it is.

    Parameters
    ----------
    x : array or tensor ``(N, C, *size)`` or ``(C, H, W)``, or path of a picture
    preprocess : callable, optional
        Takes the picture. A `Preprocess` gets an array from 0 to 255; of other callables, such as the ``transforms()`` of a weight
        of torchvision, a path becomes a Pillow image, and what else was given is passed on as it is.

    Raises
    ------
    ConvTypeError, ConvShapeError
        It is none of these, or has no batch.
    PhotoError
        The picture cannot be read.
    """
    if isinstance(x, str | os.PathLike):
        if preprocess is None:
            raise ConvTypeError(
                f"{name}={shown(os.fspath(x))} is a picture, and preprocess is missing: networks want a size and a range of their own.",
                "Give preprocess=Preprocess((224, 224), mean=0.5, std=0.5) with the numbers of your network.",
            )
        photo = read_photo(Path(x))
        x = photo if isinstance(preprocess, Preprocess) else _pillow_image(photo)
    if preprocess is not None:
        x = preprocess(x)
        if isinstance(x, Mapping):  # processors of transformers
            x = x.get("pixel_values", x)
    batch: Any = x if hasattr(x, "detach") else as_array(name, x)
    if 0 in batch.shape:
        raise ConvShapeError(f"{name} has shape {tuple(batch.shape)}: there is nothing to look at.", "Give at least one sample.")
    return batch[None] if len(batch.shape) == 3 else batch


def _pillow_image(photo: Photo) -> Any:
    image = optional("PIL.Image", extra="tour", purpose="reading pictures", package="Pillow")
    return image.fromarray(np.moveaxis(np.broadcast_to(np.rint(photo), (3, *photo.shape[1:])), 0, -1).astype(np.uint8))


def picture_of(x: object, preprocess: object) -> Photo | None:
    """What the network sees of a picture, (3, H, W) from 0 to 255; None where that is not known."""
    if not isinstance(preprocess, Preprocess):
        return None
    return preprocess.picture(read_photo(Path(x)) if isinstance(x, str | os.PathLike) else x)
