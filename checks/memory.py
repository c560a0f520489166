"""Memory after ten thousand convolutions of different shapes, forwards and backwards: what is kept must not grow.

``make check-memory``. The first shapes fill the caches of plans, which are bounded; from then on the resident memory may rise by a
hundredth and no more, from the median of the first fifth of the looks at it to that of the last fifth. Before each look the engine gives
back the results that it keeps for the next ones (of at most 256 MiB, which the suite tests), and the C library the holes in its heap: both
come and go with the sizes that were last drawn.
``ARGS="--leak 400"`` forgets so many bytes at each shape, which has to be noticed.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import resource
import statistics
import sys
from pathlib import Path

import numpy as np

import faltung as fl
from faltung import ndimage, signal
from faltung.engine.native import new_result

WARM = 6000
MOST_GROWTH = 0.01
SAMPLES = 20
RETURNS_KEPT = 1024  # of native/core/recycled.h


def resident_bytes() -> int:
    """Of what is in use."""
    gc.collect()
    for _ in range(2 * RETURNS_KEPT):  # so many results later, no older one is kept
        new_result([1 << 16], np.dtype(np.uint8))
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def one(rng: np.random.Generator) -> None:
    """A convolution of a shape that has hardly been there before, with its gradients, and a filter."""
    axes = int(rng.integers(1, 4))
    groups = int(rng.choice([1, 1, 2, 4]))
    read, written = (groups * int(rng.integers(1, 9)) for _ in range(2))
    size = [int(rng.integers(5, 40 // axes)) for _ in range(axes)]
    spec = fl.ConvSpec(
        read, written, [int(rng.integers(1, 5)) for _ in range(axes)], [int(rng.integers(1, 3)) for _ in range(axes)],
        int(rng.integers(0, 3)), groups=groups, transposed=bool(rng.random() < 0.25), ndim=axes,
        padding_mode=str(rng.choice(["zeros", "zeros", "circular", "replicate"])),
    )  # fmt: skip
    dtype = str(rng.choice(["float32", "float32", "float64", "int64", "float16", "complex64"]))
    x = np.ones((int(rng.integers(1, 3)), read, *size), dtype)
    weight = np.ones(spec.weight_shape, dtype)
    try:
        y = fl.conv(spec, x, weight)
        fl.conv_input_grad(spec, y, weight, tuple(size))
        fl.conv_weight_grad(spec, x, y)
    except fl.ConvError:  # no window fits
        return
    if rng.random() < 0.2:
        image = np.ones(tuple(rng.integers(5, 60, 2)))
        ndimage.gaussian_filter(image, float(rng.random() * 3) + 0.1)
        signal.convolve(image, image[:3, : int(rng.integers(1, 5))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", type=int, default=10_000, help="after those that fill the caches")
    parser.add_argument("--leak", type=int, default=0, help="bytes to be lost at each of them, to see the check fail")
    given = parser.parse_args()
    rng = np.random.default_rng(1)
    for _ in range(WARM):
        one(rng)
    levels, lost = [], []
    for at in range(given.shapes):
        one(rng)
        lost.append(bytes(given.leak))
        if at % max(1, given.shapes // (5 * SAMPLES)) == 0:
            levels.append(resident_bytes())
    first, last = statistics.median(levels[:SAMPLES]), statistics.median(levels[-SAMPLES:])
    growth = last / first - 1
    print(f"{WARM} shapes to begin with, then {given.shapes}: {first / 2**20:.1f} MiB resident, then {last / 2**20:.1f}: {growth:+.2%}")
    sys.exit(growth > MOST_GROWTH)


if __name__ == "__main__":
    main()
