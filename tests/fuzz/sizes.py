"""Public functions with sizes up to and past 64 bits, on arrays that repeat one cell: a result soon, or a `ConvError`.

Memory is bounded by the runner; work is, by the number of products a call is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import faltung as fl
from faltung import ndimage, signal
from tests.fuzz.draw import Draw

__all__ = ["check"]

DTYPES = ("float32", "float64", "int8", "uint16", "int64", "float16", "complex64", "bool")
MODES = ("zeros", "zeros", "zeros", "circular", "reflect", "replicate", "symmetric")
MOST_CELLS = 1 << 22
MOST_PRODUCTS = 1 << 26


class _TooMuch(Exception):
    """More cells than a computer reads soon: rightly asked for, and not tried."""


def _array(shape: Any, dtype: str) -> np.ndarray:
    try:
        return np.broadcast_to(np.ones((), dtype), shape)
    except (ValueError, OverflowError, TypeError, MemoryError):
        raise _TooMuch from None


def _cells(*arrays: Any) -> None:
    if any(array is not None and array.size > MOST_CELLS for array in arrays):
        raise _TooMuch


def _few_or_too_many(*arrays: Any) -> None:
    """Cells that are soon read, or that no memory holds."""
    if any(array.size > MOST_CELLS and array.nbytes < 1 << 34 for array in arrays):
        raise _TooMuch


def _spec(draw: Draw) -> fl.ConvSpec:
    axes = draw.between(1, 3)

    def numbers() -> Any:
        return [draw.huge() for _ in range(axes)] if draw.chance(3) else [draw.between(1, 3) for _ in range(axes)]

    padding: Any = [(draw.huge(), draw.huge()) for _ in range(axes)] if draw.chance(3) else 0
    if draw.chance(6):
        padding = draw.one_of(("same", "full", "causal"))
    groups = draw.huge() if draw.chance(9) else 1
    channels = [groups * (draw.huge() if draw.chance(5) else draw.between(1, 3)) for _ in range(2)]
    transposed = draw.chance(3)
    output_padding: Any = numbers() if transposed and draw.chance(5) else 0
    return fl.ConvSpec(
        *channels, numbers(), numbers(), padding, numbers(), groups, draw.chance(2), draw.one_of(MODES), transposed, output_padding,
        draw.chance(4), ndim=axes,
    )  # fmt: skip


def _described(draw: Draw) -> None:
    """What is worked out from sizes alone."""
    spec = _spec(draw)
    size = tuple(draw.huge() for _ in range(spec.ndim))
    shape = (draw.huge(), spec.in_channels, *size)
    questions: tuple[Callable[[], object], ...] = (
        lambda: spec.output_size(size), lambda: spec.input_sizes(size), lambda: spec.macs(size), lambda: spec.flops(size),
        lambda: spec.memory(shape), lambda: spec.adjoint(size), lambda: spec.parameters, lambda: spec.sides(size), lambda: str(spec),
        lambda: spec.receptive_field, lambda: spec.kinds, lambda: fl.ConvSpec.parse(str(spec)), lambda: spec.to_dict(), lambda: hash(spec),
    )  # fmt: skip
    for ask in questions:
        try:
            ask()
        except fl.ConvError:
            continue
    fl.plan(spec, shape, draw.one_of(DTYPES), accuracy=draw.one_of(("default", "exact")))


def _products(spec: fl.ConvSpec, *sizes: Any) -> None:
    if math.prod(sizes) * spec.out_channels * max(spec.in_channels // spec.groups, 1) * math.prod(spec.kernel_size) > MOST_PRODUCTS:
        raise _TooMuch


def _convolved(draw: Draw) -> None:
    spec, dtype = _spec(draw), draw.one_of(DTYPES)
    size = tuple(draw.huge() for _ in range(spec.ndim))
    batch = draw.huge() if draw.chance(5) else 1
    x, weight = _array((batch, spec.in_channels, *size), dtype), _array(spec.weight_shape, dtype)
    try:
        out = spec.output_shape(x.shape)
    except fl.ConvError:
        out = (1,)
    grad = _array(out, dtype)
    bias = _array((spec.out_channels,), dtype) if spec.bias else None
    which = draw.below(3)
    # What fits into memory is computed: it has to be little.
    if max(x.size, weight.size, grad.size) < 1 << 34:
        _cells(x, weight, grad)
        _products(spec, batch, *(out[2:] if not spec.transposed else size))
    elif all(array.nbytes < 1 << 33 for array in (x, grad, weight)):
        raise _TooMuch
    if max(weight.nbytes, 0 if which else grad.nbytes) < 1 << 33 and x.size > MOST_CELLS:
        raise _TooMuch  # a giant input, read for a small result
    if which == 0:
        fl.conv(spec, x, weight, bias)
    elif which == 1:
        if grad.size > MOST_CELLS and x.nbytes < 1 << 33:
            raise _TooMuch
        fl.conv_input_grad(spec, grad, weight, size)
    else:
        if (grad.size > MOST_CELLS or x.size > MOST_CELLS) and weight.nbytes < 1 << 33:
            raise _TooMuch
        fl.conv_weight_grad(spec, x, grad)


def _patches(draw: Draw) -> None:
    dtype = draw.one_of(DTYPES)
    options = {name: draw.huge() for name in ("stride", "padding", "dilation") if draw.chance(3)}
    kernel: Any = draw.huge() if draw.chance(3) else draw.between(1, 3)
    if draw.chance(2):
        x = _array((1, draw.between(1, 2), draw.huge(), draw.huge()), dtype)
        _cells(x)
        fl.unfold(x, kernel, **options)
    else:
        size = (draw.huge(), draw.huge())
        y = _array((1, draw.huge(), draw.huge()), dtype)
        _cells(y)
        fl.fold(y, size, kernel, **options)


def _image(draw: Draw) -> np.ndarray:
    shape = [draw.huge() if draw.chance(4) else draw.between(1, 5) for _ in range(draw.between(1, 3))]
    return _array(shape, draw.one_of(DTYPES))


def _ndimage(draw: Draw) -> None:
    x = _image(draw)
    name = draw.one_of(
        ("gaussian_filter", "uniform_filter", "correlate", "sobel", "laplace", "correlate1d", "uniform_filter1d", "gaussian_laplace")
    )
    mode = {"mode": draw.one_of(("reflect", "constant", "nearest", "mirror", "wrap"))}
    if x.size > MOST_CELLS and x.nbytes < 1 << 33:
        raise _TooMuch
    if name in ("gaussian_filter", "gaussian_laplace"):
        sigma = draw.one_of((1, 2.5, 1e3, 1e9, 1e300, float("inf"), float("nan"), draw.huge()))
        more = {"radius": draw.huge()} if name == "gaussian_filter" and draw.chance(3) else {}
        if x.size * min(abs(sigma), 1e7) > 1e8 and sigma < 1e7:
            raise _TooMuch
        getattr(ndimage, name)(x, sigma, **mode, **more)
    elif name == "uniform_filter":
        ndimage.uniform_filter(x, draw.huge(), **mode)
    elif name == "uniform_filter1d":
        ndimage.uniform_filter1d(x, draw.huge(), origin=draw.huge() if draw.chance(3) else 0, **mode)
    elif name == "correlate":
        weights = _array([draw.huge() if draw.chance(3) else 2 for _ in range(x.ndim)], "float64")
        if weights.nbytes < 1 << 33:
            _cells(weights)
            if weights.size * x.size > 1 << 28:
                raise _TooMuch
        ndimage.correlate(x, weights, **mode)
    elif name == "correlate1d":
        weights = _array((draw.huge(),), "float64")
        if weights.nbytes < 1 << 33:
            _cells(weights)
            if weights.size * x.size > 1 << 28:
                raise _TooMuch
        ndimage.correlate1d(x, weights, origin=draw.huge() if draw.chance(3) else 0, **mode)
    else:
        getattr(ndimage, name)(x, **mode)


def _pair(draw: Draw) -> tuple[np.ndarray, np.ndarray]:
    """Arrays that are soon convolved, or too large for any memory."""
    first, second = _image(draw), _image(draw)
    _few_or_too_many(first, second)
    if first.size * second.size > 1 << 28 and max(first.nbytes, second.nbytes) < 1 << 34:
        raise _TooMuch
    return first, second


def _signal(draw: Draw) -> None:
    first, second = _pair(draw)
    name = draw.one_of(("convolve", "correlate", "fftconvolve", "oaconvolve", "convolve2d", "choose_conv_method", "lags"))
    mode = draw.one_of(("full", "same", "valid"))
    if name == "lags":
        lengths = draw.huge(), draw.huge()
        if MOST_CELLS < sum(map(abs, lengths)) < 1 << 33:
            raise _TooMuch
        signal.correlation_lags(*lengths, mode)
    else:
        if name == "choose_conv_method":  # which looks for the largest number, as SciPy's does
            _cells(first, second)
        getattr(signal, name)(first, second, mode)


def _fl_plain(draw: Draw) -> None:
    first, second = _pair(draw)
    getattr(fl, draw.one_of(("convolve", "correlate")))(first, second, draw.one_of(("full", "same", "valid")))


def _shown(draw: Draw) -> None:
    spec, size = _spec(draw), ()
    which = draw.below(4)
    if which == 0:
        x, weight = _array((1, spec.in_channels, *(draw.huge() for _ in range(spec.ndim))), "float32"), _array(spec.weight_shape, "float32")
        _few_or_too_many(x, weight)
        fl.explain(spec, x, weight)
        return
    size = tuple(draw.huge() for _ in range(spec.ndim))
    if which == 1:
        fl.scene(spec, input_size=size)
    elif which == 2:
        fl.animate(spec, input_size=size)
    else:
        fl.receptive_pyramid([spec, spec], size)


KINDS = (_described, _described, _convolved, _convolved, _convolved, _patches, _ndimage, _signal, _fl_plain, _shown)


def check(data: bytes) -> None:
    draw = Draw(data)
    try:
        draw.one_of(KINDS)(draw)
    except (_TooMuch, fl.ConvError):
        return
    except MemoryError as error:
        assert any(character.isdigit() for character in str(error)), error  # says how much
