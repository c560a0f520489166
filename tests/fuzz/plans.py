"""Convolutions of arrays that lie anywhere, by every way and algorithm, against the definition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import faltung as fl
from faltung.engine.catalog import CHOICES
from faltung.geometry import PADDING_RULES
from tests.fuzz.draw import Draw
from tests.support.engine import expected_forward, expected_input_grad, expected_weight_grad

__all__ = ["check"]

DTYPES = ("float32", "float64", "int64", "int8", "uint8", "int32", "float16", "complex64", "bool", "uint64", "float32", "float32")
MODES = ("zeros", "zeros", "zeros", "circular", "reflect", "replicate", "symmetric")
ALGORITHMS = ("auto", *CHOICES)
MOST_PRODUCTS = 30_000  # of the definition, which is slow
BOUNDS = {2: 4e-3, 4: 4e-4, 8: 1e-12}  # by bytes of a real number, of the largest output: far above rounding, far below a wrong product


def check(data: bytes) -> None:
    draw = Draw(data)
    made = problem(draw)
    if made is None:
        return
    spec, shape = made
    dtype = np.dtype(draw.one_of(DTYPES))
    x, weight = draw.array(shape, dtype), draw.array(spec.weight_shape, dtype)
    bias = draw.array((spec.out_channels,), dtype) if spec.bias else None
    fl.set_num_threads(draw.one_of((1, 2, 3)))
    try:
        check_forward(draw, spec, x, weight, bias)
        check_gradient(draw, spec, x, weight)
    finally:
        fl.set_num_threads(1)


def problem(draw: Draw) -> tuple[fl.ConvSpec, tuple[int, ...]] | None:
    """A spec and the shape of an input, or None where these numbers make none."""
    axes = draw.between(1, 3)
    kernel = [draw.between(6, 17) if draw.chance(9) else draw.between(1, 5) for _ in range(axes)]
    stride, dilation = [draw.between(1, 3) for _ in range(axes)], [draw.one_of((1, 1, 1, 2, 3)) for _ in range(axes)]
    rule = draw.one_of(PADDING_RULES) if draw.chance(5) else None
    padding = rule or [(draw.between(-1, 3), draw.between(-1, 3)) for _ in range(axes)]
    groups = draw.one_of((1, 1, 1, 2, 3, 5))
    read, written = groups * draw.one_of((1, 1, 2, 3, 4, 7, 16)), groups * draw.one_of((1, 1, 2, 3, 4, 9, 17))
    transposed = draw.chance(4)
    size = tuple(draw.between(10, 40) if draw.chance(6) else draw.between(0, 9) for _ in range(axes))
    try:
        spec = fl.ConvSpec(
            read, written, kernel, stride, padding, dilation, groups=groups, transposed=transposed, flip=draw.chance(4),
            bias=draw.chance(2), padding_mode=draw.one_of(MODES), output_padding=draw.below(2) if transposed and rule is None else 0,
            ndim=axes,
        )  # fmt: skip
        shape = (draw.between(0, 3), read, *size)
        spec.output_shape(shape)
        return (spec, shape) if spec.macs(size) * max(shape[0], 1) <= MOST_PRODUCTS else None
    except fl.ConvError:
        return None


def check_forward(draw: Draw, spec: fl.ConvSpec, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> None:
    """The result by one of the ways there are."""
    way, accuracy, threads, algorithm = draw.below(5), draw.one_of(("default", "exact")), draw.one_of((None, 1, 2)), draw.one_of(ALGORITHMS)

    def run() -> np.ndarray:
        if way < 2:
            y = fl.conv(spec, x, weight, bias, accuracy=accuracy)
            return y if way == 0 else written(draw, y, lambda out: fl.conv(spec, x, weight, bias, out=out, accuracy=accuracy))
        plan = fl.plan(spec, x.shape, x.dtype, threads=threads, algorithm=algorithm)
        if way == 2:
            return plan(x, weight, bias)
        prepared = plan.prepare(weight, bias)
        y = prepared(x)
        return y if way == 3 else written(draw, y, lambda out: prepared(x, out=out))

    compare(run, lambda: expected_forward(spec, x, weight, bias), may_refuse=way >= 2 and algorithm != "auto")


def compare(run: Callable[[], np.ndarray], define: Callable[[], np.ndarray], *, may_refuse: bool = False) -> None:
    """The same numbers; what is refused, the definition refuses, too."""
    try:
        found = run()
    except fl.ConvError as refusal:
        if may_refuse:
            return
        try:
            define()
        except fl.ConvError:
            return
        raise AssertionError(f"refused without need: {refusal}") from refusal
    same(found, define())


def written(draw: Draw, y: np.ndarray, call: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """What is written into an array that lies anywhere; the cells between its own are left as they were."""
    frame, out = draw.framed(y.shape, y.dtype)
    before = frame.copy()
    assert call(out) is out
    result = out.copy()
    out[...] = 1
    changed = frame.copy()
    out[...] = 0
    between = changed == frame  # in cells that are not of out
    np.testing.assert_array_equal(changed[between], before[between])
    return result


def check_gradient(draw: Draw, spec: fl.ConvSpec, x: np.ndarray, weight: np.ndarray) -> None:
    grad = draw.array(spec.output_shape(x.shape), x.dtype.newbyteorder("="))
    size = x.shape[2:]
    if draw.chance(2):
        compare(lambda: fl.conv_input_grad(spec, grad, weight, size), lambda: expected_input_grad(spec, grad, weight, size))
    else:
        compare(lambda: fl.conv_weight_grad(spec, x, grad), lambda: expected_weight_grad(spec, x, grad))


def same(found: np.ndarray, wanted: np.ndarray) -> None:
    """Of whole numbers: equal, or next to it where an algorithm rounds."""
    assert (found.shape, found.dtype.newbyteorder("=")) == (wanted.shape, wanted.dtype.newbyteorder("=")), (found, wanted)
    if found.dtype.kind in "biu":
        np.testing.assert_array_equal(found, wanted)
        return
    largest = max(float(np.abs(wanted).max(initial=0)), 1.0)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=largest * BOUNDS[found.real.dtype.itemsize])
