"""Two worker processes of a `distributed` cluster, one of which is killed: the same result in the end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

from faltung.dask.storing import Progress, to_zarr  # noqa: E402


def test_a_worker_that_is_killed_changes_nothing(tmp_path: Path) -> None:
    values = np.arange(70 * 50, dtype=np.float32).reshape(70, 50)
    once = str(tmp_path / "killed")

    def block(part: np.ndarray, block_id: tuple[int, ...]) -> np.ndarray:
        if block_id == (1, 1):
            try:
                os.close(os.open(once, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except FileExistsError:
                return part
            os.kill(os.getpid(), signal.SIGKILL)
        return part

    seen: list[Progress] = []
    array = da.from_array(values, chunks=20).map_blocks(block, meta=values[:0, :0])
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50)
    with cluster, distributed.Client(cluster) as client:
        before = set(client.run(os.getpid).values())
        stored = to_zarr(array, tmp_path / "a.zarr", progress=seen.append)
        client.wait_for_workers(2)
        after = set(client.run(os.getpid).values())
    assert len(before) == len(after) == 2
    assert len(before & after) == 1  # one was killed, and another started in its place
    assert np.array_equal(stored[:], values)
    assert seen[-1].done == seen[-1].total == 12


def test_processes_give_the_same(tmp_path: Path) -> None:
    import dask

    values = np.arange(40 * 30, dtype=np.float32).reshape(40, 30)
    array = da.from_array(values, chunks=20).map_blocks(lambda part: part + 1, meta=values[:0, :0])
    seen: list[Progress] = []
    with dask.config.set(scheduler="processes", num_workers=1):
        stored = to_zarr(array, tmp_path / "a.zarr", progress=seen.append)
    assert np.array_equal(stored[:], values + 1)
    assert [now.done for now in seen] == [0, 1, 2, 3, 4]
