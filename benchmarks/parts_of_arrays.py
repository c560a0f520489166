"""Smoothing in chunks: exact sums, outer products, passes along the axes, and dask's own `map_overlap` with SciPy.

    python benchmarks/parts_of_arrays.py --size 4000 --chunk 1000 --threads 2

Seconds for an image in memory, the best of three; results are thrown away chunk by chunk. Decisions 38 and 39 quote it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import scipy.ndimage

import faltung as fl
from faltung import dask as fd


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("size", 4000), ("chunk", 1000), ("threads", 2)):
        asked.add_argument(f"--{name}", type=int, default=value)
    options = asked.parse_args()
    rng = np.random.default_rng(0)
    image = da.from_array(rng.random((options.size, options.size), dtype=np.float32), chunks=options.chunk).persist(scheduler="threads")

    def seconds(lazy: Any, rounds: int = 3) -> float:
        corner = lazy.map_blocks(lambda block: block[:1, :1])
        return min(timed(lambda: corner.compute(scheduler="threads", num_workers=options.threads)) for _ in range(rounds))

    for size in (5, 15, 31):
        row = np.exp(-np.square(np.linspace(-2, 2, size))).astype(np.float32)
        kernel = np.outer(row, row)
        print(f"{size}×{size}")
        for accuracy in ("exact", "default"):
            print(f"  correlate, {accuracy:8}{seconds(fd.correlate(image, kernel, 'same', accuracy=accuracy)):9.3f} s")
        print(f"  gaussian_filter   {seconds(fd.gaussian_filter(image, size / 8)):9.3f} s")
        if size == 15:
            overlapping = da.map_overlap(
                lambda block, taps=kernel: scipy.ndimage.correlate(block, taps, mode="constant"),
                image,
                depth=7,
                boundary=0.0,
                dtype=np.float32,
            )
            print(f"  map_overlap, SciPy{seconds(overlapping, 1):9.3f} s")

    print("one array, one thread: accuracy 'exact' and 'default'")
    for text, size in LAYERS:
        spec = fl.ConvSpec.parse(text)
        shape = (spec.in_channels, *size)
        x, weight = rng.random(shape, dtype=np.float32), rng.random(spec.weight_shape, dtype=np.float32)
        times = []
        for accuracy in ("exact", "default"):
            layer = fl.plan(spec, shape, threads=1, accuracy=accuracy).prepare(weight)
            times.append(f"{layer.algorithm} {1e3 * min(timed(lambda run=layer, x=x: run(x)) for _ in range(9)):.2f} ms")
        print(f"  {text} on {'×'.join(map(str, size))}: {', '.join(times)}")


LAYERS = [
    ("conv2d(1, 1, 3, padding=1, bias=False)", (1024, 1024)),
    ("conv2d(1, 1, 15, padding=7, bias=False)", (1024, 1024)),
    ("conv2d(32, 32, 7, padding=3, groups=32, bias=False)", (56, 56)),
    ("conv2d(64, 64, 3, stride=2, padding=1, groups=64, bias=False)", (56, 56)),
    ("conv3d(1, 1, 5, padding=2, bias=False)", (96, 96, 96)),
    ("conv2d(64, 64, 3, padding=1, bias=False)", (1000, 3)),
    ("conv2d(64, 64, 3, padding=1, bias=False)", (1000, 4)),
    ("conv2d(1, 1, 3, padding=1, bias=False)", (100_000, 3)),
    ("conv2d(1, 1, (15, 2), padding=(7, 0), bias=False)", (4000, 3)),
    ("conv3d(1, 1, 3, padding=1, bias=False)", (300, 300, 3)),
]


def timed(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
