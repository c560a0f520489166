"""What the server and the processes that compute say to each other: a letter, a length, bytes. Standard library only.

========  =========================  ==================================================
`READY`   from the process           nothing: it has imported what it needs
`ASK`     to the process             name of the question, a line feed, its body as JSON
`ANSWER`  from the process           the answer as JSON
`WANT`    from the process           the id of an upload
`GIVE`    to the process             the bytes of the upload; `GONE` where there is none
========  =========================  ==================================================
"""

from __future__ import annotations

import struct
from typing import BinaryIO

__all__ = ["ANSWER", "ASK", "GIVE", "GONE", "HEAD", "READY", "WANT", "head", "opened", "read_frame", "write_frame"]

READY, ASK, ANSWER, WANT, GIVE, GONE = b"R", b"Q", b"A", b"W", b"G", b"N"
_HEAD = struct.Struct(">cQ")
HEAD = _HEAD.size


def head(kind: bytes, length: int) -> bytes:
    """What stands before the bytes.

    >>> opened(head(ASK, 70000))
    (b'Q', 70000)
    """
    return _HEAD.pack(kind, length)


def opened(packed: bytes) -> tuple[bytes, int]:
    """The kind and the length of what follows."""
    kind, length = _HEAD.unpack(packed)
    return kind, length


def write_frame(sink: BinaryIO, kind: bytes, data: bytes) -> None:
    """Write one frame and flush."""
    sink.write(head(kind, len(data)))
    sink.write(data)
    sink.flush()


def read_frame(source: BinaryIO) -> tuple[bytes, bytes] | None:
    """The next frame; None where the other side has gone."""
    packed = source.read(HEAD)
    if len(packed) < HEAD:
        return None
    kind, length = opened(packed)
    data = source.read(length)
    return (kind, data) if len(data) == length else None
