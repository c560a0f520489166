"""A picture at full resolution through a named kernel or a state's own layers, by the engine, with its time and algorithm.

Owns the bounds: sizes and products are counted before anything is allocated.
"""

from __future__ import annotations

import base64
import io
import math
import time
from typing import TYPE_CHECKING, Any

from faltung.app.checking import check
from faltung.app.named import kernel_cells
from faltung.app.numbers import Given, bias_block, nested, weight_block
from faltung.app.photographs import EXAMPLE, picture
from faltung.app.state import Layer, State
from faltung.errors import ConvShapeError
from faltung.spec import ConvSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["MOST_MACS", "MOST_PIXELS", "filter_picture", "kernel_state"]

MOST_PIXELS = 2**24
"""Of a picture and of a result, channels apart; larger pictures are made smaller first."""

MOST_MACS = 2**36

_LEAST_PIXELS = 64
"""Below, making a picture smaller is no remedy."""

_LONG_ENOUGH, _RUNS = 0.3, 5
"""Seconds after which a call is not repeated, and how often it is at most: the best time counts."""


def filter_picture(upload: object, state: State, *, channel: int = 0, colour: bool | None = None) -> dict[str, Any]:
    """A picture convolved with the layers of a state.

    Parameters
    ----------
    upload : str
        Its id, or ``"example"``.
    state : State
        Of two axes and one channel (brightness, or each colour by itself) or three (the colours).
    channel : int
        Which output channel is shown, where there are neither one nor three.
    colour : bool, optional
        Of a layer with one channel: each colour by itself, or brightness. Without it brightness for kernels that sum to 0, else colours.

    Returns
    -------
    dict
        ``png`` in base64, ``size``, ``channels`` of the result, ``seconds``, ``runs`` of which that is the shortest, ``algorithm``,
        ``spec``, ``shown`` (how results became pixels), ``note`` (whether the picture was made smaller), ``original`` in base64 of the
        example.

    Raises
    ------
    ConvError
        The picture or the layers do not serve, or there would be too much to compute.
    """
    import numpy as np

    from faltung.filtering import as_input, sums_to_zero

    specs = _specs(state)
    photo, note = _bounded(picture(upload), specs)
    weights = [
        np.array(nested(weight_block(layer.weight, spec.weight_shape)), np.float32) for spec, layer in zip(specs, state.layers, strict=True)
    ]
    biases = [
        np.array(bias_block(layer.bias_values, spec.out_channels).flat, np.float32) if spec.bias else None
        for spec, layer in zip(specs, state.layers, strict=True)
    ]
    is_derivative = any(sums_to_zero(spec, weight) for spec, weight in zip(specs, weights, strict=True))
    is_one_channel = all(spec.in_channels == spec.out_channels == 1 for spec in specs)
    x = as_input(specs[0], photo, is_one_channel and (not is_derivative if colour is None else colour))
    algorithms, seconds, runs, y = _run(specs, x, weights, biases)
    result = y[:, 0] if is_one_channel and len(y) > 1 else y[0]  # colours went as a batch of grey pictures
    if len(result) not in (1, 3):
        if not 0 <= channel < len(result):
            raise ConvShapeError(f"channel {channel} is not there: the result has {len(result)}.", f"Use 0 to {len(result) - 1}.")
        result = result[channel : channel + 1]
    pixels, told = _as_pixels(result, weights[-1], is_derivative)
    answer = {
        "png": png_of(pixels),
        "size": list(pixels.shape[1:]),
        "channels": specs[-1].out_channels,
        "seconds": seconds,
        "runs": runs,
        "algorithm": ", then ".join(algorithms),
        "spec": ", then ".join(map(str, specs)),
        "shown": told,
        "note": note,
    }
    return answer | {"original": png_of(photo) if upload == EXAMPLE else None}


def kernel_state(name: str) -> State:
    """The layer that lays a named kernel on a picture: one channel, as many outputs as inputs, the edge repeated.

    >>> print(kernel_state("box(5)").specs()[0])
    conv2d(1, 1, (5, 5), padding='same', bias=False, padding_mode='replicate')
    """
    size, _ = kernel_cells(name)
    return State(layers=(Layer(kernel_size=size, padding="same", padding_mode="replicate", weight=Given(name)),))


def png_of(photo: Array) -> str:
    """A picture (C, H, W) as a PNG file in base64."""
    from faltung.extras import optional
    from faltung.photo import to_pixels

    pixels = to_pixels(photo, "clip")
    image = optional("PIL.Image", extra="app", purpose="writing pictures", package="Pillow")
    file = io.BytesIO()
    image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG", compress_level=1)
    return base64.b64encode(file.getvalue()).decode("ascii")


# -- checked -------------------------------------------------------------------------------------


def _specs(state: State) -> tuple[ConvSpec, ...]:
    specs = check(state).specs
    if state.ndim != 2:
        raise ConvShapeError(f"the layer has {state.ndim} spatial axes, a picture has 2.", "Choose two dimensions, or a named kernel.")
    if state.in_channels not in (1, 3):
        raise ConvShapeError(
            f"the layer takes {state.in_channels} channels, a picture has 3, or 1 as grey.", "Use 1 or 3 input channels, or a named kernel."
        )
    return specs


def _bounded(photo: Array, specs: tuple[ConvSpec, ...]) -> tuple[Array, str]:
    """The picture, made smaller where it or its result has too many values, and what was done."""
    from faltung.photo import resize_photo

    _, height, width = photo.shape
    size, scale = (height, width), min(math.sqrt(MOST_PIXELS / (height * width)), 1.0)
    while True:
        if scale < 1:
            size = max(int(height * scale), 1), max(min(int(width * scale), MOST_PIXELS), 1)
        try:
            _check_work(specs, size)
            break
        except ConvShapeError:
            if size[0] * size[1] <= _LEAST_PIXELS:
                raise
        scale *= 0.8
    if size == (height, width):
        return photo, ""
    return resize_photo(photo, size), f"made smaller first: {height} × {width} to {size[0]} × {size[1]}, the most that is taken"


def _check_work(specs: tuple[ConvSpec, ...], size: tuple[int, ...]) -> None:
    macs = 0
    for spec in specs:
        macs += spec.macs(size) * (3 if spec.in_channels == 1 else 1)
        size = spec.output_size(size)
        cells = spec.out_channels * math.prod(size)
        if cells > 3 * MOST_PIXELS:
            raise ConvShapeError(
                f"the result would have {spec.out_channels} * {size[0]} * {size[1]} = {cells} values, more than {3 * MOST_PIXELS}.",
                "Use a smaller picture, fewer channels or a larger stride.",
            )
    if macs > MOST_MACS:
        raise ConvShapeError(f"there are {macs} products to compute, more than {MOST_MACS} = 2**36.", "Use a smaller picture or kernel.")


# -- run and shown -------------------------------------------------------------------------------


def _run(specs: tuple[ConvSpec, ...], x: Array, weights: list[Array], biases: list[Array | None]) -> tuple[list[str], float, int, Array]:
    from faltung.engine.plan import plan

    plans = []
    shape = x.shape
    for spec in specs:
        plans.append(plan(spec, shape, "float32"))
        shape = spec.output_shape(shape)
    best, runs, y = math.inf, 0, x
    while runs < _RUNS and (runs == 0 or best * runs < _LONG_ENOUGH):
        start = time.perf_counter()
        y = x
        for made, weight, bias in zip(plans, weights, biases, strict=True):
            y = made(y, weight, bias)
        best, runs = min(best, time.perf_counter() - start), runs + 1
    return [made.algorithm for made in plans], best, runs, y


def _as_pixels(result: Array, weight: Array, is_derivative: bool) -> tuple[Array, str]:
    """Results as 0 … 255, and what was done to them; stretched where they lie far outside."""
    import numpy as np

    from faltung.filtering import as_picture

    if is_derivative:
        return as_picture(result, "absolute", weight)
    low, high = (float(value) for value in np.percentile(result, (0.5, 99.5)))
    if low >= -16 and high <= 271:
        return as_picture(result, "clip", weight)
    scale = 255 / max(high - low, 1e-30)
    return (result - low) * scale, f"stretched: {low:.6g} is black, {high:.6g} is white"
