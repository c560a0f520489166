"""`faltung play`: the playground in the browser, served on this machine only."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from typing import Annotated

import typer

from faltung.cli import output
from faltung.extras import optional

__all__ = ["register"]

_EPILOG = """Example: faltung play --port 8765

It listens on this machine's own address alone; the address that is shown has the token of this start. Ctrl-C ends it."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("play", epilog=_EPILOG)(play)


def play(
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="N", min=0, max=65535, help="By default the first free one from 8765 on."),
    ] = None,
    browser: Annotated[bool, typer.Option(" /--no-browser", help="Show the address and open nothing.")] = True,
) -> None:
    """Open the playground: every kind of convolution, its numbers step by step, in the browser."""
    for package in ("starlette", "uvicorn"):
        optional(package, extra="app", purpose="the playground")
    from faltung.app.server.serve import serve

    def ready(address: str) -> None:
        output.print_line("The playground is at")
        output.print_text(f"{address}\n")  # whole, to be clicked on
        opened = browser and _has_screen()
        output.print_line("Ctrl-C ends it." if opened or not browser else "There is no screen here to open it on. Ctrl-C ends it.")
        sys.stdout.flush()
        if opened:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()  # some browsers keep their caller waiting

    serve(port, ready=ready)


def _has_screen() -> bool:
    """Whether a browser can open a window; without a screen some would take over the terminal."""
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
