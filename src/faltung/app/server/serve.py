"""`serve`: a loopback socket, uvicorn on it, and an end without delay."""

from __future__ import annotations

import contextlib
import errno
import logging
import secrets
import socket
import sys
from collections.abc import Callable

import uvicorn

from faltung.app.server.application import make_application
from faltung.app.server.connections import PromptConnection
from faltung.app.server.limits import CONNECTIONS
from faltung.errors import ConvError

__all__ = ["FIRST_PORT", "bound", "serve"]

FIRST_PORT = 8765
TRIED = 20


def serve(port: int | None = None, *, ready: Callable[[str], None]) -> None:
    """Serve the playground on this machine until it is interrupted.

    Parameters
    ----------
    port : int, optional
        0 takes any that is free. Without it, the first free one from `FIRST_PORT` on.
    ready : callable
        Given the address to open, once it answers. The token of this start is in its fragment, which browsers send to nobody.

    Raises
    ------
    ConvError
        The port is taken, or may not be taken.
    KeyboardInterrupt
        Ctrl-C.
    """
    listening = bound(port)
    with contextlib.closing(listening):
        taken = listening.getsockname()[1]
        token = secrets.token_urlsafe(24)
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # it has words of its own for ends that are meant
        config = uvicorn.Config(
            make_application(taken, token), http=PromptConnection, limit_concurrency=CONNECTIONS, loop="asyncio", ws="none",
            timeout_graceful_shutdown=0, lifespan="on", log_config=None, access_log=False, proxy_headers=False, server_header=False,
        )  # fmt: skip
        _Server(config, lambda: ready(f"http://127.0.0.1:{taken}/#token={token}")).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def bound(port: int | None) -> socket.socket:
    """A socket on `port` of the loopback address, or on the first free one from `FIRST_PORT` on.

    >>> with bound(0) as listening, bound(None) as other:
    ...     listening.getsockname()[0], other.getsockname()[1] >= FIRST_PORT
    ('127.0.0.1', True)
    """
    if port is not None:
        try:
            return _bind(port)
        except (OSError, OverflowError) as error:
            raise _refused(port, error) from None
    for number in range(FIRST_PORT, FIRST_PORT + TRIED):
        with contextlib.suppress(OSError):
            return _bind(number)
    return _bind(0)


def _bind(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that ended lately do not hold it
        listening.bind(("127.0.0.1", port))
        listening.listen(128)  # a port that another program has bound and not yet listens on fails here, not later
    except BaseException:
        listening.close()
        raise
    return listening


def _refused(port: int, error: OSError | OverflowError) -> ConvError:
    if isinstance(error, OverflowError):
        return ConvError(f"--port={port} is no port: they go from 1 to 65535.", "Without --port a free one is found.")
    if error.errno == errno.EADDRINUSE:
        return ConvError(f"--port={port} is taken by another program.", "Give another number, or leave --port out: a free one is found.")
    return ConvError(f"--port={port} cannot be used: {error.strerror or error}.", "Numbers from 1024 on are open to everybody.")
