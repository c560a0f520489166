"""What is said of files that cannot be read or written."""

from __future__ import annotations

from pathlib import Path

from faltung.errors import ConvError, shown

__all__ = ["FileError", "unreadable"]


class FileError(ConvError):
    """A file of an array that cannot be read or written."""


def unreadable(path: Path, what: str, error: Exception) -> FileError:
    """The error for a file that a library could not read, which said `error`."""
    said = str(error).rstrip(".") or type(error).__name__
    return FileError(f"{str(path)!r} is no readable {what}: {shown(said)}.", "Fetch or export it again.")
