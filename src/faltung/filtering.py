"""A convolution applied to a photograph: the photograph as an input, and results as pixels.

Derivative kernels (those that sum to 0, such as sobel_x) answer with both signs, so a picture shows their absolute
value on black; everything else is a picture already. NumPy is imported at call time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faltung.spec import ConvSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["LUMA", "as_input", "as_picture", "brightness", "sums_to_zero"]

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601, what image libraries call grey."""

SATURATED_PERCENT = 1.0


def sums_to_zero(spec: ConvSpec, weight: Array) -> bool:
    """Whether every filter sums to 0, as derivatives do: a uniform picture gives nothing."""
    import numpy as np

    filters = weight.swapaxes(0, 1) if spec.transposed else weight
    sums = filters.sum(axis=(1, 2, 3), dtype=np.float64)
    return bool(np.all(np.abs(sums) <= 1e-5 * np.abs(filters).sum(axis=(1, 2, 3), dtype=np.float64)))


def as_input(spec: ConvSpec, photo: Array, colour: bool) -> Array:
    """The photograph (C, H, W) as (N, in_channels, H, W); colours of a one-channel spec go as the batch."""
    import numpy as np

    if spec.in_channels == 3:
        return np.repeat(photo, 3, axis=0)[None] if len(photo) == 1 else photo[None]
    if len(photo) == 1 or (colour and spec.out_channels == 1):
        return photo[:, None]
    return brightness(photo)[None]


def brightness(photo: Array) -> Array:
    """A photograph (3, H, W) in grey, (1, H, W); a grey one as it is."""
    import numpy as np

    return photo if len(photo) == 1 else np.tensordot(np.asarray(LUMA, photo.dtype), photo, axes=1)[None]


def as_picture(result: Array, how: str, weight: Array) -> tuple[Array, str]:
    """Results (C, H, W) as pixel values 0 … 255, and what was done to them.

    Stretching takes the value that all but 1 % stay below to the end of the range: one bright spot does
    not darken the picture. It stops at a hundredth of what the kernel can answer, so that rounding errors
    of a uniform picture stay invisible.
    """
    import numpy as np

    if how == "clip":
        return result, "cut off at 0 and 255"
    size = np.abs(result)
    most = 255 * float(np.abs(weight).sum()) / 2 / max(weight.shape[0], 1)
    level = max(float(np.percentile(size, 100 - SATURATED_PERCENT)) if size.size else 0.0, most / 100, 1e-30)
    if how == "absolute":
        return size * (255 / level), f"|result| × {255 / level:.3g}"
    return 128 + result * (127 / level), f"128 + result × {127 / level:.3g}"
