"""How much memory an image takes on its way from store to store: a few rows of its chunks, not all of it."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("dask.array")
pytest.importorskip("zarr")

SIZE, CHUNK = 5000, 250
IMAGE_BYTES = SIZE * SIZE * 4


def test_an_image_passes_through_half_its_size(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import json, resource, sys
        import dask, dask.array as da, numpy as np, zarr
        from faltung.dask import conv, to_zarr

        def through(size, name):
            image = zarr.create_array(f"{{sys.argv[1]}}/{{name}}.zarr", shape=(size, size), chunks=({CHUNK}, {CHUNK}), dtype="float32")
            tile = np.random.default_rng(0).integers(0, 4096, ({CHUNK}, size)).astype(np.float32)
            for top in range(0, size, {CHUNK}):
                image[top : top + {CHUNK}] = tile + top
            x = da.from_zarr(f"{{sys.argv[1]}}/{{name}}.zarr")
            weight = np.arange(225, dtype=np.float32).reshape(1, 1, 15, 15)
            to_zarr(conv("conv2d(1, 1, 15, padding=7, bias=False)", x[None], weight)[0], f"{{sys.argv[1]}}/{{name}}-out.zarr")
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

        with dask.config.set(scheduler="threads", num_workers=2):
            print(json.dumps([through(1000, "small"), through({SIZE}, "large")]))
    """)
    said = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, stdout=subprocess.PIPE, text=True).stdout
    before, peak = json.loads(said)  # 27 MB more, where the image and the result are 200
    assert peak - before < IMAGE_BYTES / 2
