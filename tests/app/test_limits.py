"""Limits of time and memory, and questions that break the process that answers: the server tells, and goes on."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.app.conversation import Server, running

HASTY = [sys.executable, str(Path(__file__).with_name("hasty.py"))]


@pytest.fixture(scope="module")
def hasty() -> Iterator[Server]:
    for package in ("starlette", "uvicorn"):
        pytest.importorskip(package)
    with running(command=HASTY) as server:
        yield server


def pid(server: Server) -> int:
    return int(server.ask("/ask/pid", {}).json["pid"])


def is_alive(process: int) -> bool:
    state = subprocess.run(["ps", "-p", str(process), "-o", "stat="], capture_output=True, text=True, check=False).stdout
    return state.strip()[:1] not in ("", "Z")


# -- slow clients --------------------------------------------------------------------------------


@pytest.mark.parametrize("begun", [b"", b"P", b"POST /ask/show HTTP/1.1\r\nHost: x"])
def test_a_head_that_does_not_come_is_not_waited_for(hasty: Server, begun: bytes) -> None:
    assert hasty.say(begun).status == 0  # the server ends it: this side says no more, and does not close


def test_a_head_that_comes_byte_by_byte_is_not_waited_for(hasty: Server) -> None:
    with socket.create_connection(("127.0.0.1", hasty.port), timeout=0.05) as connection:
        ends = time.monotonic() + 60
        with contextlib.suppress(ConnectionError):
            while True:
                assert time.monotonic() < ends
                connection.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    if connection.recv(1) == b"":
                        break


def test_the_next_request_of_a_connection_is_not_waited_for_either(hasty: Server) -> None:
    head = f"GET / HTTP/1.1\r\nHost: {hasty.host}\r\n\r\n".encode()
    reply = hasty.say(head + b"GET /")
    assert (reply.status, "connection" in reply.headers) == (200, False)


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_an_answer_that_is_not_read_is_not_kept(hasty: Server, connection: str) -> None:
    """One that is larger than what the system holds for a connection: its memory, and its place among the connections, are free again."""
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", hasty.port))
        head = "".join(f"{name}: {value}\r\n" for name, value in hasty.headers(Content_Length="2", Connection=connection).items())
        reader.sendall(f"POST /ask/large HTTP/1.1\r\n{head}\r\n{{}}".encode())
        read = len(reader.recv(1))
        assert hasty.say(b"").status == 0  # this one's time has begun later, and is over
        with contextlib.suppress(ConnectionError):
            while chunk := reader.recv(2**20):
                read += len(chunk)
    assert read < 2**24


@pytest.mark.parametrize(("path", "seconds"), [("/ask/pid", 0.4), ("/upload", 1.2)])
def test_a_body_that_does_not_come_is_not_waited_for(hasty: Server, path: str, seconds: float) -> None:
    kind = "application/json" if path.startswith("/ask") else "application/octet-stream"
    reply = hasty.ask(path, b"{", Content_Length="100", Content_Type=kind)
    assert (reply.status, reply.json["problem"]["message"]) == (408, f"The body took longer than {seconds} s.")


# -- questions that misbehave --------------------------------------------------------------------


def test_a_question_that_takes_too_long_is_stopped_and_told(hasty: Server) -> None:
    before = pid(hasty)
    reply = hasty.ask("/ask/forever", {})
    assert reply.status == 200
    assert reply.json["problem"]["message"] == "this took longer than 0.8 s and was stopped."
    after = pid(hasty)
    assert after != before
    assert not is_alive(before)


def test_slow_questions_do_not_keep_quick_ones_waiting(hasty: Server) -> None:
    pid(hasty)  # its process has started: that may take as long as the slow one has
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(hasty.ask, "/ask/endless", {})
        assert pid(hasty)
        assert not slow.done()
        assert slow.result().json["problem"]["message"] == "this took longer than 1.5 s and was stopped."


@pytest.mark.parametrize("question", ["crash", "leave"])
def test_a_process_that_ends_is_told_and_another_answers(hasty: Server, question: str) -> None:
    reply = hasty.ask(f"/ask/{question}", {})
    assert reply.status == 200
    assert reply.json["problem"]["message"].startswith("the process that computes has ended")
    assert hasty.ask("/ask/other", {"a": 1}).json == {"question": "other", "body": {"a": 1}}


def test_memory_is_bounded(hasty: Server) -> None:
    assert hasty.ask("/ask/memory", {"bytes": 2**20}).json == {"length": 2**20}
    reply = hasty.ask("/ask/memory", {"bytes": 2**31})
    if sys.platform == "linux":
        assert reply.json["problem"]["message"] == "there is not enough memory for this."
    assert hasty.ask("/ask/memory", {"bytes": 2**20}).json == {"length": 2**20}


def test_faults_are_told_without_a_traceback(hasty: Server) -> None:
    reply = hasty.ask("/ask/fault", {})
    assert reply.json["problem"]["message"] == "this went wrong inside: KeyError: '<b>'"
    assert b"Traceback" not in reply.body
    assert hasty.ask("/ask/wrong", {}).json == {"problem": {"message": "5 - 9 = -4 cells.", "hint": "Take 9.", "remedies": []}}
    assert hasty.ask("/ask/number", {}).json["problem"]["message"].startswith("this went wrong inside: ValueError")


def test_what_libraries_print_is_no_answer(hasty: Server) -> None:
    assert hasty.ask("/ask/print", {}).json == {"read": ""}


def test_as_many_questions_wait_as_may(hasty: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: hasty.ask("/ask/forever", {}).json["problem"]["message"], range(8)))
    assert sorted(set(replies)) == ["3 questions are waiting already.", "this took longer than 0.8 s and was stopped."]
    assert replies.count("3 questions are waiting already.") >= 4


# -- uploads -------------------------------------------------------------------------------------


def upload(server: Server, data: bytes) -> dict[str, str]:
    reply = server.ask("/upload", data, Content_Type="application/octet-stream")
    assert reply.status == 200
    return reply.json


def test_an_upload_is_found_by_its_id_alone(hasty: Server) -> None:
    name = upload(hasty, b"x" * 70_000)["upload"]
    assert len(name) >= 20
    assert hasty.ask("/ask/upload", {"upload": name}).json == {"length": 70_000, "again": 70_000}
    for other in (name[:-1], "", "../../etc/passwd", "/etc/passwd", None, 3, "é", [name], {"upload": name}):
        problem = hasty.ask("/ask/upload", {"upload": other}).json["problem"]
        assert problem["message"].startswith("this upload is no longer there")


def test_the_last_uploads_are_kept(hasty: Server) -> None:
    names = [upload(hasty, bytes([number]) * (number + 1))["upload"] for number in range(18)]
    assert len(set(names)) == 18
    gone = [name for name in names if "problem" in hasty.ask("/ask/upload", {"upload": name}).json]
    assert gone == names[:2]


def test_uploads_survive_the_process_that_reads_them(hasty: Server) -> None:
    name = upload(hasty, b"12345")["upload"]
    assert hasty.ask("/ask/upload", {"upload": name}).json["length"] == 5
    hasty.ask("/ask/crash", {})
    assert hasty.ask("/ask/upload", {"upload": name}).json["length"] == 5


def test_empty_and_large_uploads_are_refused(hasty: Server) -> None:
    assert upload(hasty, b"")["problem"]["message"] == "the file is empty."  # type: ignore[index]
    assert hasty.ask("/upload", b"x" * (2**20 + 1), Content_Type="application/octet-stream").status == 413
    assert "upload" in upload(hasty, b"x" * 2**20)


# -- the end -------------------------------------------------------------------------------------


def begun(server: Server) -> list[socket.socket]:
    """Connections that say nothing, a body half sent, a question that computes without end."""
    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(6)]
    for connection, body in zip(connections, (b"{", b"{}"), strict=False):
        head = "".join(f"{name}: {value}\r\n" for name, value in server.headers(Content_Length="2").items())
        connection.sendall(f"POST /ask/forever HTTP/1.1\r\n{head}\r\n".encode() + body)
    return connections


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_all_of_it_at_once(signum: signal.Signals) -> None:
    with running(command=HASTY) as server:
        worker = pid(server)
        connections = begun(server)
        server.process.send_signal(signum)
        server.process.wait(timeout=60)  # 0.2 s on a quiet machine
        for connection in connections:
            connection.close()
        assert not is_alive(worker)


def test_a_server_that_is_killed_leaves_no_process_behind() -> None:
    with running(command=HASTY) as server:
        worker = pid(server)
        connections = begun(server)
        server.process.kill()
        server.process.wait(timeout=60)
        for connection in connections:
            connection.close()
        ends = time.monotonic() + 60
        while is_alive(worker):
            assert time.monotonic() < ends
