"""Where a result may stand: names that nothing may take the place of. Standard library only."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from faltung.errors import ConvError

__all__ = ["refuse_device"]


def refuse_device(path: Path, error: type[ConvError]) -> None:
    """Raise `error` where there is a device, a pipe or a socket at `path`, or where a link there leads to one.

    A result that is written beside its place and then renamed would take the name away from it, for every other program.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # nothing there, or nothing that can be seen: whoever writes says so
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise error(f"{str(path)!r} is a device, a pipe or a socket, which no result may take the place of.", "Give another path.")
