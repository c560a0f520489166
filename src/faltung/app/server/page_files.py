"""The files of the page, by the paths under which a browser asks for them.

A path is looked up among the files that there are and never joined to a folder: no path leads out of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from faltung.app.bundle import without_comments

__all__ = ["PAGE", "page_file"]

PAGE = Path(__file__).resolve().parent.parent / "page"

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


def page_file(path: str, folder: Path = PAGE) -> tuple[bytes, str] | None:
    """Content and type of what stands under `path`; None where nothing does.

    >>> page_file("/")[1]
    'text/html; charset=utf-8'
    >>> page_file("/../server/guard.py") is None
    True
    """
    for name, file in _files(folder):
        if path == f"/{name}" or (path == "/" and name == "index.html"):
            return _sent(file, file.stat().st_mtime_ns), KINDS[file.suffix]
    return None


@lru_cache(maxsize=256)
def _sent(file: Path, _changed: int) -> bytes:
    """What a browser is sent: comments are for who reads the source."""
    data = file.read_bytes()
    return without_comments(data.decode()).encode() if file.suffix == ".js" else data


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for file in folder.rglob("*"):
        if file.suffix in KINDS and file.is_file():
            yield file.relative_to(folder).as_posix(), file
