"""The steps of benchmarks/larger_than_memory.py on a small image, in this process: they find what they claim to find."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

for needed in ("dask.array", "zarr", "skimage", "PIL"):
    pytest.importorskip(needed)


@pytest.fixture
def program() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "larger_than_memory.py"
    described = importlib.util.spec_from_file_location("larger_than_memory", path)
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


def test_the_steps_agree(program: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"folder": tmp_path, "size": 330, "chunk": 100, "kernel": 15, "threads": 2, "peer_size": 250}
    found = {"options": options, "processor": "some", "image": program.make_image(**options)}
    assert 0.3 < found["image"]["stored_bytes"] / (4 * 330**2) < 0.7  # it compresses as photographs do
    found["faltung"] = program.by_faltung(**options)
    found["map_overlap"] = program.by_map_overlap(**options)
    assert 0 < found["map_overlap"]["difference"] < 1e-5 * found["map_overlap"]["largest"]
    found["resumed"] = program.by_resuming(**options)
    assert found["resumed"]["same"]
    for row in ("faltung", "map_overlap", "resumed"):
        found[row] |= {"peak_bytes": 2**20}
    program.show(found)
    assert "every chunk the same; 0 of 16 chunks kept, 16 computed" in capsys.readouterr().out


def test_other_chunks_are_seen(program: ModuleType, tmp_path: Path) -> None:
    options = {"folder": tmp_path, "size": 60, "chunk": 30}
    program.make_image(**options)
    shutil.copytree(tmp_path / "image.zarr", tmp_path / "other.zarr")
    assert program.same_chunks(tmp_path / "image.zarr", tmp_path / "other.zarr")
    changed = tmp_path / "other.zarr" / "c" / "0" / "1"
    changed.write_bytes(changed.read_bytes()[:-1] + b"\0")
    assert not program.same_chunks(tmp_path / "image.zarr", tmp_path / "other.zarr")
    changed.unlink()
    assert not program.same_chunks(tmp_path / "image.zarr", tmp_path / "other.zarr")
    assert not program.same_chunks(tmp_path, tmp_path / "nothing")
