"""A result on its way to its place: the folder beside the target, its journal and its lock.

A store is written as ``TARGET.unfinished/result`` and renamed to ``TARGET`` when the last chunk is there, so that
whatever stands under the target's name is whole. ``computation.json`` says what is being computed, ``journal`` has
a line for each finished piece with the size and checksum of what it wrote, and whoever writes holds ``lock``.
Knows nothing of dask or zarr.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Self

from faltung.errors import ConvError, shown
from faltung.places import refuse_device

__all__ = ["Receipt", "StorageError", "Unfinished", "cannot_write", "is_full", "unfinished_path"]

ENDING = ".unfinished"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_PLACE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}


class StorageError(ConvError):
    """A result that cannot be stored, or continued, where it was asked for."""


class Receipt(NamedTuple):
    """What a finished piece wrote: its place in the grid of pieces, bytes on disk, and their checksum."""

    place: tuple[int, ...]
    stored_bytes: int
    checksum: int


def unfinished_path(target: Path) -> Path:
    """Where a result stands while it is not whole.

    >>> unfinished_path(Path("/data/filtered.zarr")).name
    'filtered.zarr.unfinished'
    """
    return target.with_name(target.name + ENDING)


def is_full(error: BaseException) -> bool:
    """Whether the error says that no more can be written: the disk, a quota, the size of a file."""
    return isinstance(error, OSError) and error.errno in _FULL


def cannot_write(target: Path, error: OSError) -> StorageError:
    """The error for a place that takes no files."""
    return StorageError(f"cannot write {str(target)!r}: {error.strerror or error}.", "Give a path in a folder that you may write to.")


class Unfinished:
    """The folder of one unfinished result, held by this process until `release` or `complete`.

    Parameters
    ----------
    target : Path
        Where the result will stand.
    description : mapping
        What is computed, as JSON: equal descriptions mean equal results, piece by piece.
    resume : bool
        Go on with the folder of an earlier run, if there is one; it must have the same description.
    overwrite : bool
        Throw such a folder away. What stands at the target goes when the new result is whole.

    Raises
    ------
    StorageError
        The folder cannot be made, belongs to another computation, or another process is writing it.
    """

    def __init__(self, target: Path, description: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
        self.target = target
        self.folder = unfinished_path(target)
        self.store = self.folder / "result"
        self.resumed = False
        self._description = json.loads(json.dumps(description))
        self._journal: Any = None
        self._lock: int | None = _lock(self.folder, target)
        try:
            self._take(resume, overwrite)
        except BaseException:
            self.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error is not None and not self._lines():  # nothing is lost, and nothing stands in the way of the next call
            self.discard()
        self.release()

    def _take(self, resume: bool, overwrite: bool) -> None:
        earlier = self._read_description()
        if earlier is not None and not (resume or overwrite):
            raise StorageError(
                f"{str(self.folder)!r} holds an unfinished result ({len(self._lines())} pieces done).",
                "Pass resume=True to go on with it, or overwrite=True to throw it away.",
            )
        if earlier is not None and resume:
            differing = [key for key in {**self._description, **earlier} if self._description.get(key) != earlier.get(key)]
            if differing:
                said = "; ".join(f"{key} {shown(earlier.get(key))}, now {shown(self._description.get(key))}" for key in sorted(differing))
                raise StorageError(
                    f"{str(self.folder)!r} is the unfinished result of a different computation: {said}.",
                    "Ask for the same computation (name it by fingerprint= if dask gives it a new name in every run), "
                    "give another path, or throw the unfinished one away: overwrite=True without resume=True.",
                )
            self.resumed = True
            return
        for entry in self.folder.iterdir():  # an earlier result that is not wanted, or a folder without a description: nothing to keep
            if entry.name != "lock":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def begin(self) -> None:
        """After the empty store has been made: from here on the folder can be resumed."""
        temporary = self.folder / "computation.json.new"
        temporary.write_text(json.dumps(self._description, indent=1))
        temporary.replace(self.folder / "computation.json")

    def _read_description(self) -> dict[str, Any] | None:
        try:
            read = json.loads((self.folder / "computation.json").read_text())
        except (OSError, ValueError):
            return None
        return read if isinstance(read, dict) else None

    # -- the journal ---------------------------------------------------------------------------------

    def note(self, receipt: Receipt) -> None:
        """Write down that a piece is finished."""
        if self._journal is None:
            # A line that an earlier run left torn must not swallow the first one of this run.
            path = self.folder / "journal"
            torn = path.exists() and not path.read_bytes().endswith(b"\n")
            self._journal = path.open("a", encoding="ascii")
            if torn:
                self._journal.write("\n")
        self._journal.write(json.dumps(receipt) + "\n")
        self._journal.flush()

    def _lines(self) -> dict[tuple[int, ...], Receipt]:
        try:
            text = (self.folder / "journal").read_text(encoding="ascii", errors="replace")
        except OSError:
            return {}
        receipts = {}
        for line in text.splitlines():
            try:
                place, stored_bytes, checksum = json.loads(line)
                receipt = Receipt(tuple(map(int, place)), int(stored_bytes), int(checksum))
            except (ValueError, TypeError):  # torn by the end of the process
                continue
            receipts[receipt.place] = receipt
        return receipts

    def finished(self, check: Callable[[tuple[int, ...]], Receipt]) -> dict[tuple[int, ...], Receipt]:
        """The pieces of the journal whose files are as they were written; `check` reads them again."""

        def holds(receipt: Receipt) -> bool:
            try:
                return check(receipt.place) == receipt
            except (OSError, ValueError, IndexError):
                return False

        receipts = list(self._lines().values())
        with ThreadPoolExecutor(max_workers=4) as pool:
            return {receipt.place: receipt for receipt, good in zip(receipts, pool.map(holds, receipts), strict=True) if good}

    # -- the end -------------------------------------------------------------------------------------

    def complete(self) -> None:
        """All pieces are there: to disk with them, and to their place under the target's name."""
        for leftover in self.store.rglob("*.partial"):  # of writers that were killed
            leftover.unlink(missing_ok=True)
        _to_disk(self.store)
        refuse_device(self.target, StorageError)
        replaced = None
        if os.path.lexists(self.target):
            replaced = self.folder / f"replaced-{uuid.uuid4().hex}"
            self.target.rename(replaced)
        try:
            self.store.rename(self.target)
        except OSError as error:
            if replaced is not None:
                replaced.rename(self.target)
            raise cannot_write(self.target, error) from error
        _to_disk(self.target.parent, deep=False)
        self.discard()

    def discard(self) -> None:
        """Remove the folder and all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()

    def release(self) -> None:
        """Let others write. What is finished stays."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _lock(folder: Path, target: Path) -> int:
    """The folder's lock, which the system lets go when this process ends, however it ends."""
    import fcntl

    while True:
        made = False
        try:
            folder.mkdir(exist_ok=True)
            made = True
            descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            if made and isinstance(error, FileNotFoundError):
                continue  # who held it has finished, and removed the folder just now
            if error.errno in _NO_PLACE or isinstance(error, FileExistsError) or is_full(error):
                raise cannot_write(target, error) from None
            raise
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            os.close(descriptor)
            raise StorageError(f"{str(folder)!r} is being written by {holder}.", "Wait for it, end it, or give another path.") from None
        except OSError as error:  # some file systems have no locks
            os.close(descriptor)
            raise StorageError(
                f"{str(folder)!r} cannot be locked: {error.strerror or error}.", "Give a path on a file system that locks files."
            ) from None
        try:
            same = os.path.samestat(os.fstat(descriptor), os.stat(folder / "lock"))
        except OSError:
            same = False
        if same:
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
            return descriptor
        os.close(descriptor)


def _to_disk(path: Path, *, deep: bool = True) -> None:
    """Wait until the files and folders below are on the disk, so that a name is never there before its content."""
    paths = [path, *path.rglob("*")] if deep else [path]

    def sync(one: Path) -> None:
        descriptor = os.open(one, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    with ThreadPoolExecutor(max_workers=4) as pool:
        for _ in pool.map(sync, paths):
            pass
