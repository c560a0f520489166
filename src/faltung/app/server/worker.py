"""The process that computes: reads questions from standard input, writes answers to standard output, until its server is gone.

It can be stopped at any time: it keeps nothing that is not kept by the server as well.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
from collections import OrderedDict
from typing import BinaryIO

from faltung.app.server import frames
from faltung.app.server.limits import MEMORY
from faltung.app.server.questions import problem, read_question
from faltung.app.uploads import fetch_uploads_with
from faltung.errors import ConvError

__all__ = ["main", "respond"]

REMEMBERED = 2  # an upload is asked for many times: once for each question about it


def respond(question: str, body: bytes) -> bytes:
    """The answer as JSON, whatever happens."""
    try:
        from faltung.app.answers import answer

        found = answer(question, read_question(body))
        return json.dumps(found, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ConvError as error:
        found = problem(error.problem, error.remedy)
    except MemoryError:
        found = problem("there is not enough memory for this.", "Make the input, the kernel or the channels smaller.")
    except Exception as error:
        logging.getLogger("faltung.app").exception("question %r", question)
        what = f"{type(error).__name__}: {str(error)[:200]}"
        found = problem(f"this went wrong inside: {what}", "It is a fault of the program; the terminal has the rest.")
    return json.dumps(found).encode()


def main() -> None:
    """Answer until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of the terminal; the server ends this one
    source, sink = _take_streams()
    _bound_memory()
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    fetch_uploads_with(_Fetching(source, sink))
    with contextlib.suppress(BrokenPipeError):
        respond("show", b"{}")  # loads what answers need, so that the first question finds it there
        frames.write_frame(sink, frames.READY, b"")
        while (frame := frames.read_frame(source)) is not None:
            question, _, body = frame[1].partition(b"\n")
            frames.write_frame(sink, frames.ANSWER, respond(question.decode("ascii", "replace"), body))
    os._exit(0)


def _take_streams() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the server; what libraries print goes to standard error, and they read nothing."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    os.close(nowhere)
    return source, sink


def _bound_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    with contextlib.suppress(OSError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard), hard))


def _end_with_parent(parent: int) -> None:
    """A server that was killed leaves no process behind that computes for nobody."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


class _Fetching:
    """Uploads by id, asked of the server between a question and its answer."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source, self._sink = source, sink
        self._last: OrderedDict[str, bytes] = OrderedDict()

    def __call__(self, upload: object) -> bytes:
        name = upload if isinstance(upload, str) and upload.isascii() else ""
        if name not in self._last:
            frames.write_frame(self._sink, frames.WANT, name.encode())
            frame = frames.read_frame(self._source)
            if frame is None:
                sys.exit(1)
            if frame[0] == frames.GONE:
                raise ConvError(frame[1].decode(), "Upload the file again.")
            self._last[name] = frame[1]
            if len(self._last) > REMEMBERED:
                self._last.popitem(last=False)
        self._last.move_to_end(name)
        return self._last[name]
