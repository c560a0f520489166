"""What was measured on this machine: the fastest algorithm of each problem, remembered in the user's cache folder.

Owns the file and the table in memory. A file that is missing, damaged, of another machine or of another version counts as empty; what it
says decides between algorithms that serve the problem and keep their bounds, so it changes the speed alone. `measure` fills it, `choice`
asks it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from faltung import __version__
from faltung.engine.native import chosen_isa
from faltung.engine.problem import Problem
from faltung.errors import ConvPlanError, one_of

__all__ = [
    "Machine",
    "Measured",
    "clear",
    "cpu_name",
    "file",
    "forget",
    "is_on",
    "key",
    "lookup",
    "machine",
    "on_change",
    "remember",
    "table",
]

FORMAT = 1
SWITCH, FOLDER = "FALTUNG_TUNING", "FALTUNG_CACHE_DIR"
MAX_BYTES = 64 * 2**20

_listeners: list[Callable[[], object]] = []


@dataclass(frozen=True)
class Machine:
    """What measurements hold for. Processors, not threads: the algorithm must not depend on how many threads are asked for."""

    cpu: str
    isa: str
    processors: int
    version: str


@dataclass(frozen=True)
class Measured:
    """The algorithm to take for a problem, "" for the one with the least estimate, and the seconds that each took."""

    algorithm: str
    seconds: Mapping[str, float]


class _Held(dict[str, dict[str, Measured]]):
    """The table in memory, under one key; emptied, it is read anew.

    A lock would do as well, but for a child of a fork, which nobody would ever unlock it in.
    """

    def __init__(self) -> None:
        self.cache_clear = self.clear  # named as in other caches


_held = _Held()


def cpu_name() -> str:
    """The processor as it calls itself."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


@functools.cache
def machine() -> Machine:
    """The one that this runs on, with the version of the package."""
    return Machine(cpu_name(), chosen_isa(), os.cpu_count() or 1, __version__)


def is_on() -> bool:
    """Whether measurements are used: unless the environment variable FALTUNG_TUNING is "off".

    Raises
    ------
    ConvPlanError
        It is neither "on" nor "off".
    """
    return one_of(SWITCH, os.environ.get(SWITCH, "on"), ("on", "off"), ConvPlanError) == "on"


def file() -> Path:
    """Where this machine's measurements are kept: FALTUNG_CACHE_DIR, else the folder for caches that the system has."""
    given = os.environ.get(FOLDER)
    if given:
        folder = Path(given)
    elif sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "faltung" / "Cache"
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches" / "faltung"
    else:
        wish = os.environ.get("XDG_CACHE_HOME", "")
        folder = (Path(wish) if wish.startswith("/") else Path.home() / ".cache") / "faltung"
    digest = hashlib.sha256(json.dumps(asdict(machine()), sort_keys=True).encode()).hexdigest()[:16]
    return folder / f"tuning-{digest}.json"


def key(problem: Problem, dtype: str, *, is_exact: bool, is_prepared: bool) -> str:
    """What measurements are kept by."""
    sizes = json.dumps(problem.arguments, separators=(",", ":"))
    return f"{dtype} {'exact' if is_exact else 'default'} {'prepared' if is_prepared else 'unprepared'} {sizes}"


def table() -> dict[str, Measured]:
    """The measurements, read once."""
    held = _held.get("table")
    if held is None:
        # Two threads may read at the same time; both go on with what the first one of them put there.
        held = _held.setdefault("table", dict(_read()) if is_on() else {})
    return held


def lookup(problem: Problem, dtype: str, *, is_exact: bool, is_prepared: bool) -> Measured | None:
    """What was measured for `problem`, if anything was."""
    measured = table()
    return measured.get(key(problem, dtype, is_exact=is_exact, is_prepared=is_prepared)) if measured else None


def remember(measured: Mapping[str, Measured]) -> Path | None:
    """Use `measured` from now on, and write it to the file, beside what is there.

    Returns
    -------
    Path or None
        The file; None where it could not be written.
    """
    table().update(measured)
    _changed()
    try:
        return _write({**_read(), **measured})
    except OSError:
        return None


def clear() -> bool:
    """Remove this machine's file; whether there was one.

    Raises
    ------
    OSError
        It cannot be removed.
    """
    path = file()
    existed = path.exists()
    path.unlink(missing_ok=True)
    forget()
    return existed


def forget() -> None:
    """Read the file anew when it is next asked for."""
    _held.cache_clear()
    _changed()


def on_change(listener: Callable[[], object]) -> None:
    """Call `listener` when plans may come out differently."""
    _listeners.append(listener)


def _changed() -> None:
    for listener in _listeners:
        listener()


def _read() -> dict[str, Measured]:
    try:
        path = file()
        if path.stat().st_size > MAX_BYTES:
            return {}
        held = json.loads(path.read_text(encoding="utf-8"))
        if held["format"] != FORMAT or held["machine"] != asdict(machine()):
            return {}
        return {str(name): _measured(entry) for name, entry in held["measured"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, RuntimeError):
        return {}


def _measured(entry: Any) -> Measured:
    return Measured(str(entry["algorithm"]), {str(name): float(seconds) for name, seconds in entry["seconds"].items()})


def _write(measured: Mapping[str, Measured]) -> Path:
    path = file()
    path.parent.mkdir(parents=True, exist_ok=True)
    held = {"format": FORMAT, "machine": asdict(machine()), "measured": {name: asdict(entry) for name, entry in measured.items()}}
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(held, stream, indent=1)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    return path
