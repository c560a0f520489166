"""Ctrl-C in the middle of long calls, each of seconds: how long until KeyboardInterrupt, and whether the engine goes on rightly.

``python checks/interrupting.py``; the limit is half a second. Each call is interrupted three times, or as often as
`--tries` says, at random moments; one that is always over before has not been tried, which is a fault, too.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable

import numpy as np

import faltung as fl
import faltung.ndimage
import faltung.signal

LIMIT_SECONDS = 0.5
Call = Callable[[], object]


def numbers(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape, dtype=np.float32).astype(dtype, copy=False)


def planned(text: str, x: tuple[int, ...], algorithm: str = "auto", dtype: str = "float32") -> Call:
    """A forward call of its own plan, weights packed at each call."""
    spec = fl.ConvSpec.parse(text)
    cells, weight = numbers(*x, dtype=dtype), numbers(*spec.weight_shape, dtype=dtype)
    plan = fl.plan(spec, x, dtype, algorithm=algorithm)
    return lambda: plan(cells, weight)


def weight_gradient(text: str, x: tuple[int, ...], dtype: str = "float32") -> Call:
    spec = fl.ConvSpec.parse(text)
    cells, grad = numbers(*x, dtype=dtype), numbers(*spec.output_shape(x), dtype=dtype)
    return lambda: fl.conv_weight_grad(spec, cells, grad)


def calls() -> dict[str, Call]:
    """Calls of some seconds each."""
    image, kernel = numbers(6000, 6000, dtype="float64"), numbers(31, 31, dtype="float64")
    return {
        "31×31 float64 on 36 Mpx, exact": lambda: fl.conv2d(image[None], kernel[None, None], accuracy="exact"),
        "31×31 float64 on 144 Mpx": lambda: [fl.correlate(image, kernel) for _ in range(4)],
        "general": planned("conv2d(16, 32, 5)", (8, 16, 500, 500), "general"),
        "general, one task": planned("conv2d(1, 1, 63)", (1, 1, 1000, 1000), "general"),
        "weight gradient of integers": weight_gradient("conv2d(2, 2, 33, padding_mode='reflect', padding=16)", (64, 2, 400, 400), "int64"),
        "integers": planned("conv2d(64, 64, 5)", (4, 64, 200, 200), "auto", "int64"),
        "fft": planned("conv2d(8, 8, 255)", (4, 8, 1024, 1024), "fft"),
        "3×3 layers": planned("conv2d(256, 256, 3, padding=1)", (32, 256, 112, 112)),
        "3×3 layers, exact": planned("conv2d(256, 256, 3, padding=1)", (16, 256, 112, 112), "direct"),
        "3-D": planned("conv3d(32, 32, 5)", (1, 32, 64, 128, 128)),
        "weight gradient": weight_gradient("conv2d(256, 256, 3, padding=1)", (16, 256, 112, 112)),
        "weight gradient, few tasks": weight_gradient("conv2d(4, 4, 11)", (16, 4, 1024, 1024)),
        "weight gradient, one channel": weight_gradient("conv2d(1, 1, 31)", (4, 1, 3000, 3000), "float64"),
        "weight gradient, depthwise": weight_gradient("conv2d(32, 32, 15, groups=32)", (8, 32, 700, 700)),
        "half precision": planned("conv2d(256, 256, 3, padding=1)", (16, 256, 112, 112), "auto", "float16"),
        "long row": planned("conv1d(1, 1, 4001)", (1, 1, 4_000_000), "general"),
        "ndimage, Gaussian": lambda: fl.ndimage.gaussian_filter(image, 40),
        "ndimage, kernel": lambda: fl.ndimage.correlate(image, kernel),
        "signal": lambda: fl.signal.convolve2d(image, kernel),
        **others(),
    }


def others() -> dict[str, Call]:
    """The same from within dask and PyTorch."""
    import dask.array

    import faltung.dask
    import faltung.torch
    import torch

    cells = dask.array.ones((1, 8, 8000, 4000), chunks=(1, 8, 2000, 2000), dtype="float32")
    summed = faltung.dask.conv2d(cells, numbers(8, 8, 11, 11)).sum()
    layer, x = faltung.torch.Conv2d(256, 256, 3), torch.randn(8, 256, 112, 112, requires_grad=True)
    result = layer(x)
    ones = torch.ones_like(result)
    return {
        "dask": lambda: summed.compute(scheduler="synchronous"),
        "dask on threads": lambda: summed.compute(scheduler="threads"),
        "PyTorch forward": lambda: [layer(x) for _ in range(20)],
        "PyTorch backward": lambda: [result.backward(ones, retain_graph=True) for _ in range(20)],
    }


def interrupted_after(call: Call, seconds: float) -> float | None:
    """Seconds from the signal to KeyboardInterrupt; None where the call was over before."""
    sent = []

    def interrupt() -> None:
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(seconds, interrupt)
    timer.start()
    try:
        call()
    except KeyboardInterrupt:
        return time.perf_counter() - sent[0]
    finally:
        timer.cancel()
    timer.join()
    return None


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tries", type=int, default=3)
    options.add_argument("--only", default="")
    arguments = options.parse_args()
    random.seed(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has its background jobs ignore it
    image, kernel = numbers(2, 8, 60, 60), numbers(8, 8, 3, 3)
    expected, faults = fl.conv2d(image, kernel), 0
    for name, call in calls().items():
        if arguments.only not in name:
            continue
        waits = []
        for _ in range(arguments.tries):
            with contextlib.suppress(KeyboardInterrupt):  # that came when the call was just over
                waits.append(interrupted_after(call, 0.3 + random.random() / 2))
            assert np.array_equal(fl.conv2d(image, kernel), expected), name
        heard = [waited for waited in waits if waited is not None]
        over, worst = arguments.tries - len(heard), max(heard, default=0.0)
        faults += not heard or worst > LIMIT_SECONDS
        notes = ["too slow"] * (worst > LIMIT_SECONDS) + [f"{over} of {arguments.tries} were over before"] * bool(over)
        print(f"{name:35} {worst:6.3f} s  {', '.join(notes)}", flush=True)
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main())
