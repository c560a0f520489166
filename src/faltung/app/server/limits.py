"""How large, how deep, how long: every number that bounds what a page can ask of the server. Standard library only."""

from __future__ import annotations

from faltung.app.uploads import MOST_BYTES

__all__ = [
    "BODY_SECONDS", "CONNECTIONS", "END_SECONDS", "HEAD_SECONDS", "MEMORY", "MOST_BYTES", "QUESTION_BYTES", "QUESTION_DEPTH", "QUICK",
    "QUICK_SECONDS", "SLOW_SECONDS", "START_SECONDS", "UPLOADS_AT_ONCE", "UPLOAD_SECONDS", "WAITING",
]  # fmt: skip

QUESTION_BYTES = 2**20
"""Of the body of a question."""

QUESTION_DEPTH = 32
"""Lists and objects within each other."""

HEAD_SECONDS = 10.0
"""From the opening of a connection, or the end of the last answer, to a whole head of a request."""

BODY_SECONDS = 10.0
"""For the body of a question to arrive."""

UPLOAD_SECONDS = 60.0

UPLOADS_AT_ONCE = 2
"""That are being read; the others wait, and take no memory."""

CONNECTIONS = 64
"""At a time; a browser opens six."""

QUICK = frozenset({"show", "read", "presets", "kernels"})
"""Questions that a control waits for; the others wait for each other in a process of their own."""

QUICK_SECONDS = 10.0
SLOW_SECONDS = 60.0

START_SECONDS = 60.0
"""For the process of answers to import what it needs."""

END_SECONDS = 2.0
"""Until a process that was killed is gone; the server ends without it then."""

WAITING = 16
"""Questions that wait for the process."""

MEMORY = 6 * 2**30
"""Bytes of data that the process of an answer may take."""
