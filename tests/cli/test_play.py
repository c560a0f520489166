"""`faltung play`: where it listens, what it says, how it ends. What it answers is tested in tests/app."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import subprocess
import sys
import webbrowser

import pytest

from tests.app.conversation import running

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")


def loopback(port: int = 0) -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", port))
    taken.listen()
    return taken


def test_a_port_that_is_taken_is_told(refused) -> None:
    with loopback() as taken:
        port = taken.getsockname()[1]
        assert refused("play", "--no-browser", "--port", port) == (
            f"error: --port={port} is taken by another program.\n  Give another number, or leave --port out: a free one is found.\n"
        )


def test_a_port_is_tried_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    from faltung.app.server import serve

    with loopback() as taken:
        monkeypatch.setattr(serve, "FIRST_PORT", taken.getsockname()[1])
        with serve.bound(None) as listening:
            assert listening.getsockname()[0] == "127.0.0.1"
            assert listening.getsockname()[1] != taken.getsockname()[1]


def test_a_port_that_may_not_be_taken_is_told(refused, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(self: socket.socket, address: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(socket.socket, "bind", forbid)
    assert refused("play", "--no-browser", "--port", "80").startswith("error: --port=80 cannot be used: Permission denied.\n")


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_what_is_no_port_is_told(refused, port: str) -> None:
    assert "--port" in refused("play", "--no-browser", "--port", port)


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_a_missing_package_names_the_extra(refused, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert refused("play", "--no-browser") == (
        f"error: the playground needs {package}, which is not installed.\n  Run pip install 'faltung[app]'.\n"
    )


def test_it_listens_on_this_machine_alone() -> None:
    with running() as server:
        listening = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True, check=False).stdout if sys.platform == "linux" else ""
        ours = [line.split()[3] for line in listening.splitlines() if line.split()[3].endswith(f":{server.port}")]
        assert set(ours) <= {server.host}
        for address in {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}:
            with socket.socket() as other:
                other.settimeout(5)
                assert other.connect_ex((str(address), server.port)) != 0 or str(address).startswith("127.")


def test_each_start_has_a_token_of_its_own() -> None:
    with running() as one, running() as other:
        assert one.token != other.token
        assert len(one.token) >= 32
        assert one.ask("/ask/presets", {}, X_Faltung_Token=other.token).status == 401


def test_an_interrupt_ends_it_in_silence() -> None:
    with running() as server:
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode())
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(timeout=60) == 128 + signal.SIGINT
        assert server.process.stdout is not None
        assert server.process.stdout.read() == ""
        with loopback(server.port):
            pass  # the port is free again


def test_the_browser_is_given_the_address_with_the_token(faltung, monkeypatch: pytest.MonkeyPatch) -> None:
    from faltung.app.server import serve

    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr("threading.Thread.start", lambda self: self.run())
    monkeypatch.setattr(serve, "serve", lambda port, *, ready: ready("http://127.0.0.1:8765/#token=secret"))
    monkeypatch.setenv("DISPLAY", ":0")
    shown = faltung("play").stdout
    assert opened == ["http://127.0.0.1:8765/#token=secret"]
    assert re.search(r"^http://127\.0\.0\.1:8765/#token=secret$", shown, re.MULTILINE)
    faltung("play", "--no-browser")
    assert len(opened) == 1
    if sys.platform == "linux":
        monkeypatch.delenv("DISPLAY")
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        assert "no screen" in faltung("play").stdout
        assert len(opened) == 1
