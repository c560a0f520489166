"""A program of `test_no_memory`: every call with each of its allocations refused in turn.

A call then gives its result or says that there is no memory, and the next call is right. Prints how many were refused.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable

import numpy as np

import faltung as fl
from faltung import ndimage

MOST = 400  # allocations of a call that are tried


def numbers(*shape: int, dtype: str = "float32") -> np.ndarray:
    return (np.arange(np.prod(shape)).reshape(shape) % 7 - 3).astype(dtype)


def forget() -> None:
    """What is remembered of earlier calls, so that kernels are made anew."""
    for name, module in list(sys.modules.items()):
        if name.startswith("faltung.engine"):
            for value in list(vars(module).values()):
                if isinstance(value, functools._lru_cache_wrapper) and value.__wrapped__.__code__.co_argcount:
                    value.cache_clear()


def calls() -> dict[str, Callable[[], object]]:
    made: dict[str, Callable[[], object]] = {}

    def conv(name: str, spec: str, *size: int, dtype: str = "float32", batch: int = 2) -> None:
        described = fl.ConvSpec.parse(spec)
        x, weight = numbers(batch, described.in_channels, *size, dtype=dtype), numbers(*described.weight_shape, dtype=dtype)
        bias = numbers(described.out_channels, dtype=dtype)
        grad = numbers(*described.output_shape(x.shape), dtype=dtype)
        made[f"{name}, {dtype}"] = lambda: fl.conv(described, x, weight, bias)
        made[f"{name}, {dtype}, prepared"] = lambda: fl.plan(described, x.shape, dtype).prepare(weight, bias, "relu")(x)
        made[f"{name}, {dtype}, input gradient"] = lambda: fl.conv_input_grad(described, grad, weight, size)
        made[f"{name}, {dtype}, weight gradient"] = lambda: fl.conv_weight_grad(described, x, grad)

    conv("dense", "conv2d(20, 30, 3, padding=1)", 40, 40)
    conv("dense", "conv2d(20, 30, 3, padding=1)", 40, 40, dtype="float16")
    conv("dense", "conv2d(20, 30, 3, padding=1)", 20, 20, dtype="int64")
    conv("strided", "conv2d(3, 40, 7, stride=2, padding=3)", 60, 60)
    conv("depthwise", "conv2d(64, 64, 3, padding=1, groups=64)", 50, 50)
    conv("pointwise", "conv2d(64, 64, 1)", 30, 30)
    conv("dilated", "conv2d(16, 16, 3, dilation=2, padding=2)", 40, 40)
    conv("transposed", "conv_transpose2d(16, 16, 3, stride=2)", 20, 20)
    conv("grouped, circular", "conv2d(16, 16, 3, padding=1, groups=4, padding_mode='circular')", 30, 30)
    conv("long", "conv1d(2, 2, 301)", 4000)
    conv("three axes", "conv3d(4, 4, 3)", 12, 12, 12, dtype="float64")
    image = numbers(3, 200, 300)
    made["gaussian"] = lambda: ndimage.gaussian_filter(image, 2)
    made["box"] = lambda: ndimage.uniform_filter(image.astype(np.uint8), 5)
    made["footprint"] = lambda: ndimage.correlate(image, np.ones((3, 3, 3)))
    return made


def main() -> None:
    library = ctypes.CDLL(sys.argv[1])
    refused = 0
    fl.set_num_threads(3)
    for name, call in calls().items():
        expected = call()
        for at in range(MOST):
            if at % 2:
                forget()
            library.fail_after(at)
            try:
                found = call()
            except (fl.ConvError, MemoryError):
                found = None
            finally:
                library.fail_after(-1)
            count = library.failed()
            refused += count
            if found is not None:
                np.testing.assert_array_equal(found, expected, name)
            if at % 16 == 0:
                np.testing.assert_array_equal(call(), expected, f"{name}, afterwards")
            if count == 0:
                break
        np.testing.assert_array_equal(call(), expected, f"{name}, afterwards")
    print(refused)


if __name__ == "__main__":
    main()
