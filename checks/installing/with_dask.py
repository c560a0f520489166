"""What `pip install 'faltung[dask]'` promises: arrays in chunks, stores of zarr and TIFF, with the bits of one array."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import dask.array as da
import numpy as np
import tifffile
import zarr

import faltung as fl

x = np.random.default_rng(0).standard_normal((1, 2, 40, 50))
weight = np.random.default_rng(1).standard_normal((3, 2, 3, 3))
lazy = fl.dask.conv2d(da.from_array(x, chunks=(1, 2, 16, 13)), weight, padding=1)
whole = fl.conv2d(x, weight, padding=1, accuracy="exact")
assert np.array_equal(lazy.compute(), whole)
with tempfile.TemporaryDirectory() as folder:
    store, picture, blurred = (Path(folder) / name for name in ("whole.zarr", "a.tif", "b.zarr"))
    fl.dask.to_zarr(lazy, store)
    assert np.array_equal(zarr.open_array(store)[:], whole)
    tifffile.imwrite(picture, x[0, 0].astype(np.float32), tile=(16, 16))
    run = [sys.executable, "-m", "faltung", "run", "conv2d(1, 1, 3)", str(picture), "--kernel", "gaussian(3)", "--out", str(blurred)]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL, timeout=60)
    assert zarr.open_array(blurred).shape == (38, 48)
