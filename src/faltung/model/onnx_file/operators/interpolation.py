"""Interpolation to other sizes: `Resize`, and `Upsample` before it."""

from __future__ import annotations

import math

import numpy as np

from faltung.errors import ConvShapeError, ConvTypeError, one_of
from faltung.model.onnx_file.calls import Call, NoShapeError
from faltung.model.onnx_file.operators.table import Operator
from faltung.model.onnx_file.tensors import Tensor
from faltung.model.operations import Resize, Unknown

__all__ = ["STANDARD"]

_MODES = {"nearest": "nearest", "linear": "linear", "bilinear": "linear", "cubic": "cubic"}


def _resize(call: Call) -> list[Tensor]:
    x, shape = call.tensor(0), call.shape(0)
    how = _MODES[one_of("mode", call.attributes.text("mode", "nearest"), _MODES, ConvTypeError)]
    places = call.attributes.text("coordinate_transformation_mode", "half_pixel")
    given = call.attributes.ints("axes")
    dims = tuple(range(len(shape))) if given is None else tuple(call.dim(axis, len(shape)) for axis in given)
    scales, sizes = _scales(call), None
    if scales is None or len(scales) == 0:
        sizes, scales = call.ints(3, ""), None
    found = sizes if scales is None else scales
    if found is None or len(found) != len(dims):
        raise ConvShapeError(
            f"{call.op} has {'no' if found is None else len(found)} sizes for {len(dims)} dimensions.", "Export the file again."
        )
    if places == "tf_crop_and_resize" and scales is not None:
        raise NoShapeError
    result = list(shape)
    if scales is not None:
        for dim, scale in zip(dims, scales, strict=True):
            result[dim] = _scaled(shape[dim], scale)
    else:
        for dim, size in zip(dims, _kept_aspect(call, [shape[dim] for dim in dims], sizes or ()), strict=True):
            result[dim] = size
    if call.attributes.integer("antialias", 0):
        return [call.emit(Unknown("interpolation that widens its windows against aliasing"), [x], tuple(result))]
    rounding = call.attributes.text("nearest_mode", "round_prefer_floor")
    if call.op == "Upsample" or call.version < 11:
        places, rounding = "asymmetric", "floor"
    return [call.emit(Resize(how, places, rounding), [x], tuple(result))]


def _scales(call: Call) -> tuple[float, ...] | None:
    if call.op == "Upsample" and call.version < 9:
        if call.version < 7:
            factors = (call.attributes.number("height_scale", 1.0), call.attributes.number("width_scale", 1.0))
            return (1.0, 1.0, *factors)
        return call.attributes.floats("scales")
    index = 1 if call.op == "Upsample" or call.version < 11 else 2
    numbers = call.numbers(index)
    return None if numbers is None else tuple(float(number) for number in numbers.reshape(-1))


def _scaled(size: int, scale: float) -> int:
    if not math.isfinite(scale) or scale <= 0:
        raise ConvShapeError(f"a factor of {scale} is no factor.", "Export the file again.")
    return math.floor(size * float(np.float32(scale)))


def _kept_aspect(call: Call, before: list[int], sizes: tuple[int, ...]) -> tuple[int, ...]:
    policy = call.attributes.text("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch" or 0 in before:
        return sizes
    factors = [size / own for size, own in zip(sizes, before, strict=True)]
    factor = min(factors) if policy == "not_larger" else max(factors)
    return tuple(math.floor(factor * own + 0.5) for own in before)


STANDARD: dict[str, Operator] = {"Resize": _resize, "Upsample": _resize}
