"""A server with short limits and questions that misbehave, run as a program: ``python hasty.py``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from faltung.app.server import computing, limits
from faltung.app.uploads import uploaded
from faltung.errors import ConvError

__all__ = ["answer"]

PROGRAM = f"""
import json, runpy, sys
sys.path[:] = json.loads(sys.argv[1])
import faltung.app.server.limits as limits
limits.MEMORY = {2**30}
sys.modules["faltung.app.answers"] = type("Answers", (), runpy.run_path({str(Path(__file__))!r}))
from faltung.app.server.worker import main
main()
"""


def answer(question: str, body: dict[str, Any]) -> dict[str, Any]:
    """What real questions must never do."""
    match question:
        case "pid":
            return {"pid": os.getpid()}
        case "forever" | "endless":
            while True:
                pass
        case "crash":
            os.abort()
        case "leave":
            sys.exit(3)
        case "memory":
            return {"length": len(bytearray(body["bytes"]))}
        case "large":
            return {"text": "x" * 2**24}
        case "fault":
            raise KeyError("<b>")
        case "wrong":
            raise ConvError("5 - 9 = -4 cells.", "Take 9.")
        case "number":
            return {"number": float("nan")}
        case "print":
            print("printed" * 1000)  # noqa: T201
            os.write(1, b"written")
            return {"read": sys.stdin.read()}
        case "upload":
            return {"length": len(uploaded(body["upload"])), "again": len(uploaded(body["upload"]))}
    return {"question": question, "body": body}


if __name__ == "__main__":
    computing._PROGRAM = PROGRAM
    limits.HEAD_SECONDS = limits.BODY_SECONDS = 0.4
    limits.UPLOAD_SECONDS = 1.2  # a busy machine may need some of it for a megabyte that comes
    limits.QUICK_SECONDS, limits.SLOW_SECONDS = 0.8, 1.5
    limits.QUICK = frozenset({"pid", "forever"})  # type: ignore[assignment]
    limits.MOST_BYTES = 2**20
    limits.WAITING = 3
    computing.WAITING = 3
    from faltung.app.server.serve import serve

    serve(0, ready=lambda address: print(f"{address}\nCtrl-C ends it.", flush=True))  # noqa: T201
