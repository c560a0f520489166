"""How tasks run: when, in how many threads, on which scheduler; and graphs of many chunks."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

import faltung as fl
from faltung.engine.native import using_threads

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
faltung_dask = pytest.importorskip("faltung.dask")

from faltung.dask import sizing, threads, work  # noqa: E402


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    def refuse(block: np.ndarray) -> np.ndarray:
        raise AssertionError("computed")

    x = da.ones((2, 100, 100), chunks=10).map_blocks(refuse, dtype=float, meta=np.empty((0, 0, 0)))
    weight = da.ones((3, 2, 5, 5), chunks=2).map_blocks(refuse, dtype=float, meta=np.empty((0,) * 4))
    assert faltung_dask.conv2d(x, weight).shape == (3, 96, 96)
    assert faltung_dask.conv_transpose2d(x, weight[:2]).shape == (2, 104, 104)
    with pytest.raises(AssertionError, match="computed"):
        faltung_dask.conv2d(x, weight).compute(scheduler="sync")


def test_graphs_have_few_tasks_for_each_chunk() -> None:
    """The chunk, its eight neighbours' strips, and what is computed."""
    x = da.zeros((1, 800, 800), chunks=(1, 100, 100), dtype=np.float32)
    result = faltung_dask.conv2d(x, np.ones((1, 1, 15, 15), np.float32), padding=7)
    own = len(result.dask) - len(x.dask)
    assert own <= 64 * 9 + 1
    corner = result[:, :100, :100].dask.cull([(result[:, :100, :100].name, 0, 0, 0)])
    assert len(corner) < 12


def test_neighbours_give_copies_of_strips() -> None:
    """So that no chunk is held, or moved, for the sake of its edge."""
    x = da.from_array(np.arange(24.0).reshape(1, 24), chunks=(1, 8))
    graph = dict(faltung_dask.conv1d(x, np.ones((1, 1, 3)), padding=1).dask)
    strips = [task for key, task in graph.items() if "-cells" in str(key)]
    assert len(strips) == 4
    for task in strips:
        cut = task.func(np.arange(8.0).reshape(1, 8), task.args[1])
        assert cut.shape == (1, 1)
        assert cut.base is None


def test_names_are_the_same_in_every_process() -> None:
    program = (
        "import numpy as np, dask.array as da, faltung.dask as fd;"
        "x = da.ones((1, 9, 9), chunks=(1, 4, 4));"
        "print(fd.conv2d(x, np.ones((1, 1, 3, 3))).name, fd.sobel(x[0]).name, fd.correlate(x[0], np.eye(2)).name)"
    )
    here = io.StringIO()
    with contextlib.redirect_stdout(here):
        exec(program)
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120).stdout
    assert there == here.getvalue()


def test_weights_that_change_later_change_nothing() -> None:
    x, weight = da.ones((1, 9), chunks=(1, 4)), np.ones((1, 1, 3))
    lazy = faltung_dask.conv1d(x, weight)
    weight[:] = 7
    assert (lazy.compute(scheduler="sync") == 3).all()


# -- threads ---------------------------------------------------------------------------------------


def seen_threads(monkeypatch: pytest.MonkeyPatch, scheduler: str, **options: Any) -> set[int]:
    """How many threads the engine takes in tasks."""
    seen = set()
    run = work.run_conv

    def watched(*arguments: Any, **keywords: Any) -> Any:
        seen.add(fl.get_num_threads())
        return run(*arguments, **keywords)

    monkeypatch.setattr(work, "run_conv", watched)
    lazy = faltung_dask.conv1d(da.ones((1, 40), chunks=(1, 8)), np.ones((1, 1, 3)), **options)
    lazy.compute(scheduler=scheduler, num_workers=2)
    return seen


def test_threads_of_dask_and_of_the_engine_are_not_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    with using_threads(3):
        assert seen_threads(monkeypatch, "threads") == {1}
        assert seen_threads(monkeypatch, "sync") == {3}
        assert seen_threads(monkeypatch, "threads", threads=2) == {2}
        assert fl.get_num_threads() == 3


def test_threads_are_those_of_the_current_thread_alone() -> None:
    before = fl.get_num_threads()
    seen = []
    with using_threads(before + 1):
        thread = threading.Thread(target=lambda: seen.extend([fl.get_num_threads(), threads.engine_threads()]))
        thread.start()
        thread.join()
        assert fl.get_num_threads() == threads.engine_threads() == before + 1
    assert seen == [before, 1]


def test_a_distributed_cluster_gives_the_same_bits() -> None:
    distributed = pytest.importorskip("distributed")
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((2, 40, 30)).astype(np.float32), rng.standard_normal((3, 2, 5, 5)).astype(np.float32)
    source = da.from_array(x, chunks=(1, 16, 16))
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0") as client:
        lazy = faltung_dask.conv2d(source, weight, padding=2, padding_mode="circular")
        assert (
            client.compute(lazy).result().tobytes() == fl.conv2d(x, weight, padding=2, padding_mode="circular", accuracy="exact").tobytes()
        )
        assert sizing.memory_of_a_task() <= 128 * 2**20
        smooth = client.compute(faltung_dask.gaussian_filter(source, 1.5)).result()
    assert smooth.tobytes() == fl.ndimage.gaussian_filter(x, 1.5).tobytes()


# -- chunks by memory ------------------------------------------------------------------------------


def test_automatic_chunks_fit_the_memory_of_a_task() -> None:
    x = np.random.default_rng(0).standard_normal((2, 1, 200, 300))
    source = da.from_array(x, chunks=(2, 1, 7, 300))
    weight = np.random.default_rng(1).standard_normal((1, 1, 5, 5))
    with dask.config.set({"array.chunk-size": "96 kiB"}):
        lazy = faltung_dask.conv2d(source, weight, padding=2, chunks="auto")
        mixed = faltung_dask.conv2d(source, weight, padding=2, chunks=(None, None, "auto", 100))
        smooth = faltung_dask.uniform_filter(source, 3, chunks="auto")
    assert lazy.chunks[:2] == ((1, 1), (1,))
    assert max(lazy.chunks[2]) * max(lazy.chunks[3]) * 24 <= 96 * 1024
    assert max(lazy.chunks[2]) % 7 == 0  # runs of whole chunks
    assert mixed.chunks[0] == (2,)
    assert mixed.chunks[3] == (100, 100, 100)
    assert max(map(max, smooth.chunks)) < 200
    whole = fl.conv2d(x, weight, padding=2, accuracy="exact")
    assert lazy.compute(scheduler="sync").tobytes() == mixed.compute(scheduler="sync").tobytes() == whole.tobytes()


def test_large_chunks_are_divided() -> None:
    assert sizing.auto_chunks([(1000,), (1000,)], 2500) == [(50,) * 20, (50,) * 20]


# -- what is refused -------------------------------------------------------------------------------


def test_chunks_of_unknown_size_are_refused() -> None:
    x = da.ones((10, 10), chunks=5)
    unknown = x[x[:, 0] > 0][None]
    with pytest.raises(fl.ConvShapeError, match=r"x has chunks of unknown size along axis 1.*\n.*compute_chunk_sizes"):
        faltung_dask.conv2d(unknown, np.ones((1, 1, 3, 3)))


def test_bad_arguments_are_refused_at_once() -> None:
    x = da.ones((1, 10, 10), chunks=5)
    with pytest.raises(fl.ConvShapeError, match=r"weight has shape \(1, 1, 3\)"):
        faltung_dask.conv2d(x, np.ones((1, 1, 3)))
    with pytest.raises(fl.ConvPlanError, match="accuracy='best' is not known"):
        faltung_dask.conv2d(x, np.ones((1, 1, 3, 3)), accuracy="best")
    with pytest.raises(fl.ConvPlanError, match="threads=0 is no number of threads"):
        faltung_dask.conv2d(x, np.ones((1, 1, 3, 3)), threads=0)
    with pytest.raises(fl.ConvSpecError, match="is not transposed"):
        faltung_dask.conv_transpose("conv2d(1, 1, 3)", x, np.ones((1, 1, 3, 3)))
    with pytest.raises(fl.ConvShapeError, match="no output along axis 0"):
        faltung_dask.conv2d(x, np.ones((1, 1, 11, 3)))


MISSING = """
import sys
sys.modules["dask"] = None
import faltung.dask
try:
    faltung.dask.conv2d([[[1.0]]], [[[[1.0]]]])
except ImportError as error:
    print(error)
"""


def test_without_dask_the_error_names_the_extra() -> None:
    done = subprocess.run([sys.executable, "-c", MISSING], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "faltung.dask needs dask, which is not installed.\n  Run pip install 'faltung[dask]'.\n"
