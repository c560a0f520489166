"""Bytes as a file of an array."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import faltung as fl
from faltung.files.kinds import input_kind
from faltung.files.sources import open_array
from faltung.photo import photo_of, read_photo

__all__ = ["check", "seeds"]

KINDS = ("npy", "tif", "zarr", "png")
MOST_READ = 1 << 20


def check(data: bytes) -> None:
    kind = KINDS[data[0] % 4] if data else "npy"
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        path = Path(folder) / f"a.{kind}"
        if kind == "zarr":
            _store(path, data[1:])
        else:
            path.write_bytes(data[1:])
        with contextlib.suppress(fl.ConvError):
            read_photo(path)
        if kind == "png":
            with contextlib.suppress(fl.ConvError):
                photo_of(data[1:])
            return
        try:
            found = input_kind(path)
            if found != "picture":
                array = open_array(path, found, 2)
                if array.nbytes <= MOST_READ:
                    np.asarray(array)
        except fl.ConvError:
            return
        finally:
            shutil.rmtree(path, ignore_errors=True)


def _store(path: Path, data: bytes) -> None:
    """The store's description, a byte 0, and a chunk."""
    description, _, chunk = data.partition(b"\0")
    path.mkdir()
    (path / "zarr.json").write_bytes(description)
    (path / "c" / "0").mkdir(parents=True)
    (path / "c" / "0" / "0").write_bytes(chunk)


def seeds() -> Iterator[bytes]:
    import tifffile
    import zarr
    from PIL import Image

    for array in (np.arange(12.0).reshape(3, 4), np.ones((2, 3, 4), np.uint8), np.ones(3, np.complex64)):
        buffer = io.BytesIO()
        np.save(buffer, array)
        yield b"\0" + buffer.getvalue()
    for options in ({}, {"tile": (16, 16)}, {"compression": "zlib"}, {"photometric": "rgb"}):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, np.ones((20, 24, 3) if "photometric" in options else (20, 24), np.uint16), **options)
        yield b"\1" + buffer.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        made = zarr.create_array(f"{folder}/a.zarr", shape=(4, 5), chunks=(4, 5), dtype="float32")
        made[...] = 1
        description = json.dumps(json.loads((Path(folder) / "a.zarr" / "zarr.json").read_text()))
        yield b"\2" + description.encode() + b"\0" + (Path(folder) / "a.zarr" / "c" / "0" / "0").read_bytes()
    for kind, mode in (("PNG", "RGB"), ("GIF", "P"), ("BMP", "RGB"), ("JPEG", "L"), ("PNG", "I;16")):
        buffer = io.BytesIO()
        Image.new(mode, (5, 4)).save(buffer, kind)
        yield b"\3" + buffer.getvalue()
