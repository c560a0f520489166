"""Files that are written whole, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from faltung.errors import ConvError
from faltung.photo import PhotoError
from faltung.places import refuse_device

__all__ = ["write_whole"]


def write_whole(path: Path, writer: Callable[[Path], object]) -> None:
    """Let a file be written beside the place where it belongs, then put it there in one step."""
    name = repr(str(path))
    try:
        target = path.resolve()
        if target.is_dir():
            raise PhotoError(f"{name} is a folder.", "Name a file inside it.")
        refuse_device(target, PhotoError)
        if not target.parent.is_dir():
            raise PhotoError(f"cannot write {name}: there is no folder {str(path.parent)!r}.", "Make the folder first, or name another.")
        if target.exists() and not os.access(target, os.W_OK):
            raise PhotoError(f"cannot write {name}: it is there and may not be changed.", "Change its permissions, or give another name.")
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".faltung-", ignore_cleanup_errors=True) as folder:
            part = Path(folder) / f"part{target.suffix}"
            writer(part)
            os.replace(part, target)
    except (OSError, ValueError) as error:  # ValueError: names that no file can have
        if isinstance(error, ConvError):
            raise
        raise PhotoError(
            f"cannot write {name}: {getattr(error, 'strerror', None) or error}.", "Give a file in a folder that you may write to."
        ) from None
