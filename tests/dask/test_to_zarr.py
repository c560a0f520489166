"""`to_zarr`: a whole result or none, gone on with after every way to end, the same on every scheduler."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from faltung.errors import ConvShapeError, ConvTypeError

da = pytest.importorskip("dask.array")
zarr = pytest.importorskip("zarr")

from faltung.dask.pieces import aligned_chunks  # noqa: E402
from faltung.dask.storing import Progress, StorageError, to_zarr  # noqa: E402
from faltung.dask.unfinished import unfinished_path  # noqa: E402
from faltung.dask.watching import reporter  # noqa: E402

VALUES = np.arange(70 * 50, dtype=np.float32).reshape(70, 50)
PIECES = 12  # blocks of 20 × 20


def blocks(at: Callable[[tuple[int, ...]], None] = lambda _: None, values: np.ndarray = VALUES) -> Any:
    """`values` in blocks; `at` is called with the place of each block that is computed."""

    def block(part: np.ndarray, block_id: tuple[int, ...]) -> np.ndarray:
        at(block_id)
        return part

    # Named, so that the function is no part of the name: it does what it does on purpose.
    return da.from_array(values, chunks=20).map_blocks(block, meta=values[:0, :0], name="blocks")


class Stopping:
    """Counts the blocks computed, and raises `error` at one of them as long as it is set."""

    def __init__(self, error: BaseException | None, at: tuple[int, ...] = (2, 1)) -> None:
        self.error, self.at, self.count = error, at, Counter()

    def __call__(self, block_id: tuple[int, ...]) -> None:
        if block_id == self.at and self.error is not None:
            raise self.error
        self.count[block_id] += 1


def stopped(path: Path, error: BaseException) -> Stopping:
    """A run that ended with `error` in the middle; gives the counter with the error taken out."""
    stop = Stopping(error)
    with pytest.raises((StorageError, type(error))):
        to_zarr(blocks(stop), path, scheduler="sync")
    stop.error = None
    assert 0 < len(stop.count) < PIECES
    return stop


# -- what is stored ------------------------------------------------------------------------------


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_the_store_holds_the_array(tmp_path: Path, scheduler: str) -> None:
    stored = to_zarr(blocks(), tmp_path / "a.zarr", scheduler=scheduler)
    assert isinstance(stored, zarr.Array)
    assert stored.chunks == (20, 20)
    assert stored.dtype == np.float32
    assert np.array_equal(stored[:], VALUES)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


def test_options_are_those_of_zarr(tmp_path: Path) -> None:
    options = {"chunks": (5, 10), "shards": (20, 10), "compressors": None, "attributes": {"unit": "m"}, "fill_value": 7}
    stored = to_zarr(blocks(), tmp_path / "a.zarr", "inner", **options)
    assert (stored.path, stored.chunks, stored.shards) == ("inner", (5, 10), (20, 10))
    assert stored.compressors == ()
    assert stored.attrs["unit"] == "m"
    assert stored.fill_value == 7
    assert np.array_equal(zarr.open_group(str(tmp_path / "a.zarr"))["inner"][:], VALUES)
    assert np.array_equal(to_zarr(blocks(), tmp_path / "b.zarr", zarr_format=2)[:], VALUES)


def test_arrays_without_axes_and_without_cells(tmp_path: Path) -> None:
    assert to_zarr(da.asarray(np.float64(2.5)), tmp_path / "0.zarr")[()] == 2.5
    assert to_zarr(da.zeros((0, 3), chunks=(2, 2)), tmp_path / "e.zarr").shape == (0, 3)


def test_blocks_of_nothing_but_the_fill_value_are_finished_too(tmp_path: Path) -> None:
    stop = Stopping(OSError(5, "some fault"))
    with pytest.raises(OSError, match="some fault"):
        to_zarr(blocks(stop, np.zeros_like(VALUES)), tmp_path / "a.zarr", scheduler="sync")
    stop.error = None
    stored = to_zarr(blocks(stop, np.zeros_like(VALUES)), tmp_path / "a.zarr", resume=True, scheduler="sync")
    assert set(stop.count.values()) == {1}
    assert not stored[:].any()


@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    unit=st.none() | st.integers(1, 12),
)
@example(sizes=[1, 0], unit=None)
@example(sizes=[0, 0], unit=3)
def test_no_two_pieces_share_a_file(sizes: list[int], unit: int | None) -> None:
    (aligned,) = aligned_chunks([tuple(sizes)], None if unit is None else (unit,))
    step = max(aligned[0], 1) if unit is None else unit
    assert sum(aligned) == sum(sizes)
    assert all(border % step == 0 for border in list(accumulate(aligned))[:-1])
    assert all(aligned) or aligned == (0,)
    assert max(aligned) <= max(step, *sizes)


def test_irregular_blocks_and_smaller_chunks(tmp_path: Path) -> None:
    array = da.from_array(VALUES, chunks=((30, 1, 39), (7, 43)))
    assert to_zarr(array, tmp_path / "a.zarr").chunks == (39, 43)
    stored = to_zarr(array, tmp_path / "b.zarr", chunks=(8, 16))
    assert stored.chunks == (8, 16)
    assert np.array_equal(stored[:], VALUES)


def test_a_data_array_keeps_its_coordinates(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    labels = {"y": np.arange(70) / 2, "x": np.arange(50) + 100}
    array = xarray.DataArray(blocks(), dims=("y", "x"), coords=labels, name="height", attrs={"unit": "m"})
    stored = to_zarr(array, tmp_path / "a.zarr", chunks=(10, 20))
    assert (stored.path, stored.chunks) == ("height", (10, 20))
    read = xarray.open_zarr(tmp_path / "a.zarr")["height"]
    assert read.attrs["unit"] == "m"
    assert read.drop_attrs().identical(array.drop_attrs())
    assert to_zarr(array, tmp_path / "a.zarr", chunks=(10, 20), resume=True).path == "height"
    moved = array.assign_coords(x=labels["x"] + 1)
    with pytest.raises(StorageError, match="exists"):
        to_zarr(moved, tmp_path / "a.zarr", chunks=(10, 20), resume=True)


# -- going on ------------------------------------------------------------------------------------


def test_finished_blocks_are_not_computed_again(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    stop = stopped(path, OSError(5, "some fault"))
    assert not path.exists()
    kept = len(stop.count)
    seen: list[Progress] = []
    stored = to_zarr(blocks(stop), path, resume=True, scheduler="sync", progress=seen.append)
    assert set(stop.count.values()) == {1}
    assert len(stop.count) == PIECES
    assert np.array_equal(stored[:], VALUES)
    assert [now.done for now in seen] == list(range(kept, PIECES + 1))
    assert seen[0].kept_bytes == seen[0].done_bytes > 0
    assert seen[-1].done_bytes == seen[-1].total_bytes == VALUES.nbytes
    assert not unfinished_path(path).exists()


def test_a_whole_result_is_not_computed_again(tmp_path: Path) -> None:
    stop = Stopping(None)
    for _ in range(2):
        to_zarr(blocks(stop), tmp_path / "a.zarr", resume=True)
    assert set(stop.count.values()) == {1}


def test_torn_and_changed_files_are_computed_again(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    stop = stopped(path, OSError(5, "some fault"))
    journal = unfinished_path(path) / "journal"
    places = [json.loads(line)[0] for line in journal.read_text().splitlines()]
    first, second, third = (unfinished_path(path) / "result" / "c" / str(row) / str(column) for row, column in places[:3])
    first.write_bytes(first.read_bytes()[:-7])
    second.write_bytes(bytes([second.read_bytes()[0] ^ 1]) + second.read_bytes()[1:])
    third.unlink()
    journal.write_text(journal.read_text()[:-5])  # the last line torn: one block more
    stored = to_zarr(blocks(stop), path, resume=True, scheduler="sync")
    assert sorted(stop.count.values())[-4:] == [2, 2, 2, 2]
    assert sum(stop.count.values()) == PIECES + 4
    assert np.array_equal(stored[:], VALUES)


def test_after_a_kill_nothing_half_written_is_taken_for_whole(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import os, signal, sys
        import numpy as np
        from faltung.dask.pieces import write_piece
        from faltung.dask.storing import to_zarr
        import dask.array as da

        def block(part, block_id):
            if block_id == (2, 1):
                store = sys.argv[1] + ".unfinished/result/c/2"
                os.makedirs(store, exist_ok=True)
                open(store + "/1.0123.partial", "wb").write(b"half")  # as zarr writes, beside the chunk
                os.kill(os.getpid(), signal.SIGKILL)
            return part

        values = np.arange(70 * 50, dtype=np.float32).reshape(70, 50)
        array = da.from_array(values, chunks=20).map_blocks(block, meta=values[:0, :0], name="blocks")
        to_zarr(array, sys.argv[1], scheduler="sync")
    """)
    path = tmp_path / "a.zarr"
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not path.exists()
    journal = (unfinished_path(path) / "journal").read_text().splitlines()
    assert 0 < len(journal) < PIECES
    stop = Stopping(None)
    stored = to_zarr(blocks(stop), path, resume=True)
    assert set(stop.count.values()) == {1}
    assert len(stop.count) == PIECES - len(journal)
    assert np.array_equal(stored[:], VALUES)
    assert not list(tmp_path.rglob("*.partial"))


def test_another_computation_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    stop = stopped(path, OSError(5, "some fault"))
    for other, differs in (
        (blocks(stop) + 1, "computation 'blocks', now"),
        (blocks(stop).astype("float64"), "dtype 'float32', now 'float64'"),
        (blocks(stop)[:60], r"shape \[70, 50\], now \[60, 50\]"),
    ):
        with pytest.raises(StorageError, match=differs):
            to_zarr(other, path, resume=True)
    with pytest.raises(StorageError, match="holds an unfinished result"):
        to_zarr(blocks(stop), path)
    to_zarr(blocks(stop), path, resume=True)
    assert set(stop.count.values()) == {1}


def test_a_computation_may_have_a_name_of_its_own(tmp_path: Path) -> None:
    stop = Stopping(OSError(5, "some fault"))
    for attempt in ("first", "second"):
        array = blocks(stop).map_blocks(lambda part: part, name=attempt, meta=VALUES[:0, :0])
        if attempt == "first":
            with pytest.raises(OSError, match="some fault") as caught:
                to_zarr(array, tmp_path / "a.zarr", fingerprint="mine", scheduler="sync")
            assert any("resume=True" in note for note in caught.value.__notes__)
            stop.error = None
        else:
            to_zarr(array, tmp_path / "a.zarr", fingerprint="mine", resume=True)
    assert set(stop.count.values()) == {1}


def test_overwriting_replaces_when_the_new_result_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    to_zarr(blocks() * 2, path)
    with pytest.raises(StorageError, match="exists"):
        to_zarr(blocks(), path)
    with pytest.raises(OSError, match="some fault"):
        to_zarr(blocks(Stopping(OSError(5, "some fault"))), path, overwrite=True)
    assert np.array_equal(zarr.open_array(str(path))[:], 2 * VALUES)
    assert np.array_equal(to_zarr(blocks() + 1, path, overwrite=True)[:], VALUES + 1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zarr"]


def test_a_store_may_be_computed_from_what_it_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    to_zarr(blocks(), path)
    assert np.array_equal(to_zarr(da.from_zarr(str(path)) + 1, path, overwrite=True)[:], VALUES + 1)


def test_interrupting_tells_how_to_go_on(tmp_path: Path) -> None:
    def watch(now: Progress) -> None:
        if now.done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"5 of 12 pieces are stored\. Call again with resume=True to go on\."):
        to_zarr(blocks(), tmp_path / "a.zarr", progress=watch, scheduler="sync")
    assert np.array_equal(to_zarr(blocks(), tmp_path / "a.zarr", resume=True)[:], VALUES)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    refusals = []

    def watch(now: Progress) -> None:
        if now.done == 3:
            with pytest.raises(StorageError, match=f"is being written by process {os.getpid()} on ") as caught:
                to_zarr(blocks(), tmp_path / "a.zarr", resume=True)
            refusals.append(caught)

    to_zarr(blocks(), tmp_path / "a.zarr", progress=watch)
    assert len(refusals) == 1


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuses)
    with pytest.raises(StorageError, match="cannot be locked: No locks available"):
        to_zarr(blocks(), tmp_path / "a.zarr")


def test_a_folder_without_a_description_is_begun_anew(tmp_path: Path) -> None:
    folder = unfinished_path(tmp_path / "a.zarr")
    (folder / "result" / "c").mkdir(parents=True)
    (folder / "journal").write_text(json.dumps([[0, 0], 3, 3]) + "\n")
    assert np.array_equal(to_zarr(blocks(), tmp_path / "a.zarr")[:], VALUES)


# -- places that take nothing --------------------------------------------------------------------


def test_a_disk_that_fills_up_keeps_what_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    stop = Stopping(OSError(28, "No space left on device"))
    with pytest.raises(
        StorageError, match=r"is full.* (\d+) of 12 pieces are stored\. About .* more are needed, .* are free\.\n.*resume=True"
    ):
        to_zarr(blocks(stop), path, scheduler="sync")
    stop.error = None
    assert np.array_equal(to_zarr(blocks(stop), path, resume=True)[:], VALUES)
    assert set(stop.count.values()) == {1}


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    noise = np.random.default_rng(0).random((70, 50))  # chunks of 3200 bytes, the last ones smaller
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2600, hard))
    try:
        with pytest.raises(StorageError, match="is full, or a quota is reached"):
            to_zarr(blocks(values=noise), path, scheduler="sync", compressors=None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not path.exists()
    assert not list(tmp_path.rglob("*.partial"))
    assert np.array_equal(to_zarr(blocks(values=noise), path, resume=True, compressors=None)[:], noise)


def test_what_cannot_fit_is_refused_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6 - 9000, 9000))
    stop = Stopping(None)
    with pytest.raises(StorageError, match=r"13\.67 KiB are needed in .*, 8\.789 KiB are free"):
        to_zarr(blocks(stop), tmp_path / "a.zarr", compressors=None)
    assert not stop.count
    to_zarr(blocks(stop), tmp_path / "b.zarr")  # compressed, it may fit


@pytest.mark.parametrize("place", ["file/a.zarr", "missing/a.zarr", "/proc/a.zarr", "x" * 300])
def test_places_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        to_zarr(blocks(), tmp_path / place)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_arguments_that_are_none(tmp_path: Path) -> None:
    unknown = blocks()[blocks()[:, 0] > 3]
    for error, told, call in (
        (ConvTypeError, "takes a dask array", lambda: to_zarr(VALUES, tmp_path / "a")),
        (ConvTypeError, "is no path", lambda: to_zarr(blocks(), zarr.storage.MemoryStore())),
        (StorageError, "no local folder", lambda: to_zarr(blocks(), "s3://bucket/a.zarr")),
        (ConvShapeError, "sizes that dask does not know", lambda: to_zarr(unknown, tmp_path / "a")),
        (ConvShapeError, "is no chunk of an array with 2 axes", lambda: to_zarr(blocks(), tmp_path / "a", chunks=(5, 0))),
        (ConvTypeError, "progress='yes' is neither", lambda: to_zarr(blocks(), tmp_path / "a", progress="yes")),
        (ConvTypeError, "holds object values", lambda: to_zarr(blocks().astype(object), tmp_path / "a")),
        (
            StorageError,
            "zarr makes no array of .* with .*shards",
            lambda: to_zarr(blocks(), tmp_path / "a", chunks=(7, 7), shards=(20, 20)),
        ),
        (StorageError, "zarr makes no array of .* with .*what", lambda: to_zarr(blocks(), tmp_path / "a", what=1)),
        (StorageError, "zarr makes no array of", lambda: to_zarr(blocks(), tmp_path / "a", "../x")),
    ):
        with pytest.raises(error, match=told):
            call()
        assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_where_nothing_was_finished(tmp_path: Path) -> None:
    def fail(_: tuple[int, ...]) -> None:
        raise RuntimeError("some fault")

    with pytest.raises(RuntimeError, match="some fault"):
        to_zarr(blocks(fail), tmp_path / "a", scheduler="sync")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_linked", [False, True])
def test_nothing_takes_the_place_of_a_pipe(tmp_path: Path, is_linked: bool) -> None:
    """Nor of a device: both are other programs'. No block is computed first."""
    pipe, target = tmp_path / "pipe", tmp_path / ("link.zarr" if is_linked else "pipe")
    os.mkfifo(pipe)
    if is_linked:
        target.symlink_to(pipe)
    stop = Stopping(OSError(5, "computed"))
    for overwrite in (False, True):
        with pytest.raises(StorageError, match="is a device, a pipe or a socket"):
            to_zarr(blocks(stop), target, overwrite=overwrite, scheduler="sync")
    assert pipe.is_fifo()
    assert target.is_symlink() == is_linked
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({"pipe", target.name})


def test_a_pipe_that_came_meanwhile_stays(tmp_path: Path) -> None:
    target = tmp_path / "a.zarr"

    def compute(block: np.ndarray) -> np.ndarray:
        if block.size and not target.exists():
            os.mkfifo(target)
        return block

    with pytest.raises(StorageError, match="is a device, a pipe or a socket"):
        to_zarr(blocks().map_blocks(compute, dtype=np.float32), target, overwrite=True, scheduler="sync")
    assert target.is_fifo()


def test_a_link_to_nowhere_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StorageError, match="exists"):
        to_zarr(blocks(), tmp_path / "a")
    assert np.array_equal(to_zarr(blocks(), tmp_path / "a", overwrite=True)[:], VALUES)


# -- watching ------------------------------------------------------------------------------------


LATE = Progress(3, 4, 3 * 10**9, 4 * 10**9, 10**9, seconds=10800.0)


def test_a_terminal_shows_throughput_and_time_left(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"COLUMNS": "120", "FORCE_COLOR": "1", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    with reporter("auto", "a.zarr") as report:
        report(LATE)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "a.zarr" in shown.err
    assert "3/4" in shown.err
    assert "0.278 MB/s, 1:00:00 left" in shown.err


def test_elsewhere_a_line_for_each_tenth_if_asked_for(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    with reporter("auto", "a.zarr") as report:
        report(LATE)
    with reporter(True, "a.zarr") as report:
        report(Progress(0, 4, 0, 4, 0, seconds=1.0))
        report(LATE)
        report(LATE)
    assert capsys.readouterr().err == "a.zarr: 70 %, 0.278 MB/s, 1:00:00 left\n"
