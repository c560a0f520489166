"""Pictures that were uploaded, and the one that is always at hand: as the cells of an input. Pillow and NumPy are imported at call time."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from faltung.app.numbers import nested
from faltung.app.state import State
from faltung.app.uploads import uploaded
from faltung.errors import ConvShapeError
from faltung.viz.scene.build import MAX_CELLS
from faltung.viz.scene.values import Block

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Photo = NDArray[Any]

__all__ = ["EXAMPLE", "cells_of", "default_cells", "photograph", "picture"]

EXAMPLE = "example"
"""What stands for the photograph that is always at hand, in place of an upload's id."""


def picture(upload: object) -> Photo:
    """The picture of an upload, (1, H, W) or (3, H, W), 0 … 255; of `EXAMPLE` the photograph that is always at hand.

    Raises
    ------
    ConvError
        The upload is not there any more, or is no picture that is taken.
    """
    from faltung.photo import default_photograph, photo_of

    return default_photograph() if upload == EXAMPLE else photo_of(uploaded(upload))


def photograph(upload: object, state: State) -> dict[str, Any]:
    """A picture as the input of `state`: ``{"x": {"values"}, "size": of the picture, "channels": of the picture}``."""
    photo = picture(upload)
    channels, height, width = photo.shape
    cells = cells_of(photo, state.in_channels, state.input_size)
    return {"x": {"values": nested(cells)}, "size": [height, width], "channels": channels}


@lru_cache(maxsize=8)
def default_cells(channels: int, size: tuple[int, ...]) -> Block:
    """The photograph that is always at hand, as the cells of an input."""
    return cells_of(picture(EXAMPLE), channels, size)


def cells_of(photo: Photo, channels: int, size: tuple[int, ...]) -> Block:
    """The middle of a photograph (C, H, W) as whole numbers 0 … 255 of (channels, *size), averaged over what a cell covers.

    Three channels are its colours, others its brightness. Along one axis it is the middle row; along three every slice is the same.

    Raises
    ------
    ConvShapeError
        More cells than a scene shows.
    """
    import numpy as np

    from faltung.filtering import brightness

    if channels * math.prod(size) > MAX_CELLS:
        arithmetic = "*".join(map(str, (channels, *size)))
        raise ConvShapeError(
            f"the input has {arithmetic} = {channels * math.prod(size)} cells, more than {MAX_CELLS}.", "Use a smaller input."
        )
    height, width = (1, size[-1]) if len(size) == 1 else size[-2:]
    # A row is a band of the picture: a thin line through it would depend on a single pixel's height.
    cropped = _middle(photo, *((1, 8) if len(size) == 1 else (height, width)))
    planes = _means(cropped if channels == 3 and len(photo) == 3 else brightness(cropped), height, width)
    whole = np.clip(np.rint(planes), 0, 255).astype(int)
    if len(whole) != channels:
        whole = np.repeat(whole[:1], channels, axis=0)
    if len(size) == 3:
        whole = np.repeat(whole[:, None], size[0], axis=1)
    return Block((channels, *size), tuple(whole.ravel().tolist()))


def _middle(photo: Photo, height: int, width: int) -> Photo:
    """The largest part around the middle whose sides are as `height` to `width`."""
    _, rows, columns = photo.shape
    kept_rows = max(min(rows, columns * height // width), 1)
    kept_columns = max(min(columns, rows * width // height), 1)
    top, left = (rows - kept_rows) // 2, (columns - kept_columns) // 2
    return photo[:, top : top + kept_rows, left : left + kept_columns]


def _means(photo: Photo, height: int, width: int) -> Photo:
    """The mean over what each cell covers: no cell shows what lies in another, as smoother resampling would."""
    import numpy as np

    from faltung.extras import optional

    image = optional("PIL.Image", extra="app", purpose="reading pictures", package="Pillow")
    resized = [image.fromarray(np.ascontiguousarray(channel)).resize((width, height), image.Resampling.BOX) for channel in photo]
    return np.stack([np.asarray(channel, np.float32) for channel in resized])
