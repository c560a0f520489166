"""A running server, and bytes sent to it as they are: what a client would mend or refuse to send must reach it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from socket import SHUT_WR, create_connection
from typing import Any

__all__ = ["Reply", "Server", "running"]


@dataclass(frozen=True)
class Reply:
    """Status, headers by their names in small letters, and body; status 0 where the connection ended without a word."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    """A server of its own process."""

    process: subprocess.Popen[str]
    address: str
    port: int
    token: str

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def headers(self, **changed: str | None) -> dict[str, str]:
        """Those of the page's own questions; a changed one that is None is left out."""
        own: dict[str, str | None] = {
            "Host": self.host, "Origin": f"http://{self.host}", "X-Faltung-Token": self.token, "Content-Type": "application/json",
            "Connection": "close",
        }  # fmt: skip
        return {name: value for name, value in {**own, **{key.replace("_", "-"): value for key, value in changed.items()}}.items() if value}

    def ask(self, path: str, body: object = b"", method: str = "POST", **changed: str | None) -> Reply:
        """The answer to a whole request as the page would send it, but for what is `changed`."""
        return self.say(self.request(path, body if isinstance(body, bytes) else json.dumps(body).encode(), method, **changed))

    def request(self, path: str, body: bytes = b"", method: str = "POST", **changed: str | None) -> bytes:
        """The bytes of such a request."""
        headers = self.headers(**{"Content_Length": str(len(body)), **changed})
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1", "replace") + body

    def say(self, data: bytes, *, ends: bool = False) -> Reply:
        """Send bytes, and read until the server closes the connection; `ends`: nothing more will come."""
        with create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            received = b""
            try:
                connection.sendall(data)
                if ends:
                    with suppress(OSError):  # it is closed already
                        connection.shutdown(SHUT_WR)
                while chunk := connection.recv(65536):
                    received += chunk
            except ConnectionError:  # closed while more was being sent: what it said before counts
                pass
        head, _, rest = received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        words = status.split()
        pairs = (line.partition(":") for line in lines)
        return Reply(int(words[1]) if len(words) > 1 else 0, {name.lower(): value.strip() for name, _, value in pairs}, rest)


@contextmanager
def _heeding_interrupts() -> Iterator[None]:
    """What is started here heeds them, as a program in the foreground does: a shell has those in the background ignore them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def running(*arguments: str, command: Sequence[str] = ()) -> Iterator[Server]:
    """`faltung play` on a free port, or another command that says the same; ended afterwards."""
    command = command or [sys.executable, "-m", "faltung", "play", "--no-browser", *(arguments or ("--port", "0"))]
    with _heeding_interrupts():  # set here: code between fork and exec would not go well with the threads of JAX
        started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with started as process:
        assert process.stdout is not None
        try:
            said = "".join(iter(process.stdout.readline, "Ctrl-C ends it.\n"))
            found = re.search(r"http://127\.0\.0\.1:(\d+)/#token=(\S+)", said)
            assert found, said
            yield Server(process, found[0], int(found[1]), found[2])
        finally:
            process.kill()
