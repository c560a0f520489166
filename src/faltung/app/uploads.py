"""What was uploaded, kept by id in bounded memory: pictures and ONNX files, never on disk.

Imports nothing of the package but `errors`.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable

from faltung.errors import ConvError

__all__ = ["MOST_BYTES", "Uploads", "fetch_uploads_with", "keep_upload", "uploaded"]

MOST_BYTES = 128 * 2**20
"""Of one upload."""


class Uploads:
    """The last uploads, as many as fit.

    Parameters
    ----------
    most : int
        How many are kept.
    most_bytes : int
        Of all together; of one at most `MOST_BYTES`.

    >>> uploads = Uploads(most=1)
    >>> first, second = uploads.keep(b"one"), uploads.keep(b"two")
    >>> uploads.find(second)
    b'two'
    >>> uploads.find(first)
    Traceback (most recent call last):
    faltung.errors.ConvError: this upload is no longer there: the last 1 are kept, up to 256 MiB together.
      Upload the file again.
    """

    def __init__(self, most: int = 16, most_bytes: int = 2 * MOST_BYTES) -> None:
        self.most, self.most_bytes = most, most_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def keep(self, data: bytes) -> str:
        """Keep it, and drop those not asked for longest where memory or number need it; the id cannot be guessed."""
        if not data:
            raise ConvError("the file is empty.", "Choose a picture or an ONNX file.")
        most = min(MOST_BYTES, self.most_bytes)
        if len(data) > most:
            raise ConvError(f"the file has {len(data)} bytes, more than {most} are not taken.", "Use faltung from Python for larger ones.")
        upload = secrets.token_urlsafe(16)
        self._kept[upload] = data
        while len(self._kept) > self.most or sum(map(len, self._kept.values())) > self.most_bytes:
            self._kept.popitem(last=False)
        return upload

    def find(self, upload: object) -> bytes:
        """The bytes; whatever was asked for last is dropped last.

        Raises
        ------
        ConvError
            There is no such upload any more, or there never was.
        """
        if not isinstance(upload, str) or upload not in self._kept:
            raise ConvError(
                f"this upload is no longer there: the last {self.most} are kept, up to {self.most_bytes // 2**20} MiB together.",
                "Upload the file again.",
            )
        self._kept.move_to_end(upload)
        return self._kept[upload]


_HERE = Uploads()
_find: Callable[[object], bytes] = _HERE.find


def keep_upload(data: bytes) -> str:
    """Keep `data` in this process and give its id."""
    return _HERE.keep(data)


def uploaded(upload: object) -> bytes:
    """The bytes of an upload, wherever they are kept; `Uploads.find` says what is raised."""
    return _find(upload)


def fetch_uploads_with(find: Callable[[object], bytes]) -> None:
    """Let `uploaded` ask `find`: in a process that computes for another one, which keeps them."""
    global _find
    _find = find
