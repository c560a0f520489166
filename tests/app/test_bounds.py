"""What is too long, too deep, too slow or no HTTP at all; and the server answers right afterwards."""

from __future__ import annotations

import random
import socket
import time

import pytest

from faltung.app.server import limits
from faltung.app.server.questions import read_question
from faltung.errors import ConvError
from tests.app.conversation import Server

SHOW = {"state": {"input_size": [3, 3], "kernel_size": [3, 3], "x": {"values": [[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]}}}


def check_it_still_answers(server: Server) -> None:
    reply = server.ask("/ask/show", SHOW)
    assert reply.status == 200
    assert reply.json["scene"]["stages"][0]["output"]["size"] == [1, 1]


# -- length --------------------------------------------------------------------------------------


def test_a_question_as_long_as_allowed_is_read_and_a_longer_one_is_not(server: Server) -> None:
    filled = b'{"text": "%s"}' % (b"x" * (limits.QUESTION_BYTES - 12))
    assert len(filled) == limits.QUESTION_BYTES
    assert server.ask("/ask/read", filled).status == 200
    reply = server.ask("/ask/read", filled + b" ")
    assert (reply.status, reply.json["problem"]["message"]) == (413, f"More than {limits.QUESTION_BYTES} bytes are not taken.")


def test_a_length_that_is_told_is_refused_before_anything_is_read(server: Server) -> None:
    for length in (str(limits.QUESTION_BYTES + 1), str(10**18), "9" * 40):
        assert server.ask("/ask/show", b"", Content_Length=length).status in (400, 413)
    assert server.ask("/upload", b"", Content_Length=str(limits.MOST_BYTES + 1), Content_Type="application/octet-stream").status == 413
    check_it_still_answers(server)


def test_a_length_that_is_not_told_is_counted(server: Server) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    head = "".join(f"{name}: {value}\r\n" for name, value in server.headers(Transfer_Encoding="chunked").items())
    reply = server.say(f"POST /ask/show HTTP/1.1\r\n{head}\r\n".encode() + chunk * 20)  # 1.25 MiB, and no end
    assert reply.status == 413
    check_it_still_answers(server)


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "ten", "5, 6", ""])
def test_a_length_that_is_none_is_refused(server: Server, length: str) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in server.headers().items())
    assert server.say(f"POST /ask/show HTTP/1.1\r\n{head}Content-Length: {length}\r\n\r\n{{}}".encode()).status in (400, 413)
    check_it_still_answers(server)


def test_a_body_that_ends_early_leaves_the_server_as_it_was(server: Server) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in server.headers(Content_Length="1000").items())
    for _ in range(20):
        assert server.say(f"POST /ask/show HTTP/1.1\r\n{head}\r\n{{".encode(), ends=True).status in (0, 400)
    check_it_still_answers(server)


# -- depth ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"state":[', b"[[[{}]],"])
@pytest.mark.parametrize("times", [40, 100_000])
def test_deep_nesting_is_refused_before_it_is_followed(server: Server, opening: bytes, times: int) -> None:
    reply = server.ask("/ask/show", opening * times)
    assert reply.status == 200
    assert "nested" in reply.json["problem"]["message"]
    check_it_still_answers(server)


NO_QUESTIONS = [
    b"", b"null", b"3", b"[]", b'"{}"', b"{", b"{}{}", b"{'a': 1}", b"\xff\xfe", b"\x00", b'{"state": NaN}', b'{"state": Infinity}',
    b'{"state": 1%s}' % (b"0" * 5000), b'{"a" 1}', b"{\x00}",
]  # fmt: skip


@pytest.mark.parametrize("body", NO_QUESTIONS, ids=range(len(NO_QUESTIONS)))
def test_what_is_no_object_of_json_is_told(server: Server, body: bytes) -> None:
    with pytest.raises(ConvError):
        read_question(body)
    reply = server.ask("/ask/show", body)
    assert reply.status == 200
    assert reply.json["problem"]["message"].startswith("the question ")
    assert reply.json["problem"]["hint"]


def test_the_depth_is_that_of_brackets_outside_of_strings() -> None:
    assert read_question(rb'{"text": "[[\"{[\\", "b": [[]]}') == {"text": '[["{[\\', "b": [[]]}
    deepest = b'{"a": %s1%s}' % (b"[" * (limits.QUESTION_DEPTH - 1), b"]" * (limits.QUESTION_DEPTH - 1))
    assert read_question(deepest)
    with pytest.raises(ConvError, match=f"nested {limits.QUESTION_DEPTH + 1} deep"):
        read_question(deepest.replace(b"1", b"[]"))


# -- paths and names -----------------------------------------------------------------------------

PATHS = [
    "/../server/guard.py", "/../../../../etc/passwd", "/%2e%2e/server/guard.py", "/..%2fserver/guard.py", "/..%5cserver%5cguard.py",
    "/controls/../../server/guard.py", "/controls/..%2f..%2fuploads.py", "//etc/passwd", "/etc/passwd", "///", "/.", "/..", "/%00",
    "/index.html%00.js", "/index.html/", "/main.js/..", "/%252e%252e/uploads.py", "/C:/Windows/win.ini", "/\\..\\..\\uploads.py",
    "/types.d.ts", "/controls", "/controls/", "/.git/config", "/~root", "/" + "a/" * 4000, "/" + "%2e" * 3000, "/file:///etc/passwd",
    "/index.html;x", "/INDEX.HTML", "/%69ndex.htm", "/ask", "/ask/", "/ask/show/x", "/upload",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=range(len(PATHS)))
def test_no_path_leads_anywhere_but_to_the_files_of_the_page(server: Server, path: str) -> None:
    reply = server.ask(path, method="GET")
    assert reply.status in (400, 404)
    for secret in (b"root:", b"import ", b"interface "):
        assert secret not in reply.body


@pytest.mark.parametrize("name", ["", "..", "__class__", "answer", "show%00", "sh%6fw%2f..", "a" * 200, "%F0%9F%98%80", "show\n"])
def test_no_name_of_a_question_leads_anywhere_else(server: Server, name: str) -> None:
    reply = server.ask(f"/ask/{name}", {})
    assert reply.status in (200, 400, 404, 405)
    assert reply.status != 200 or "problem" in reply.json
    check_it_still_answers(server)


# -- no HTTP -------------------------------------------------------------------------------------


def test_hundreds_of_malformed_requests_and_the_server_is_right_afterwards(server: Server) -> None:
    """Drawn at random: whole requests with bytes changed, cut or put in; and noise."""
    draw = random.Random(7)
    body = b'{"state": {}}'
    head = "".join(f"{name}: {value}\r\n" for name, value in server.headers(Content_Length=str(len(body))).items())
    whole = f"POST /ask/show HTTP/1.1\r\n{head}\r\n".encode() + body
    seen = set()
    for number in range(400):
        said = bytearray(whole)
        for _ in range(draw.randint(1, 6)):
            at = draw.randrange(len(said) + 1)
            match draw.randrange(4):
                case 0:
                    said[at : at + 1] = draw.randbytes(1)
                case 1:
                    del said[at : at + draw.randint(1, 30)]
                case 2:
                    said[at:at] = draw.choice([b"\r\n", b"\0", b": ", b"\r\n\r\n", b" " * 70000, b"\xff" * 20, b"Host: x\r\n", b"{" * 99])
                case _:
                    said = said[: max(at, 1)]
        if number % 10 == 0:
            said = bytearray(draw.randbytes(draw.randint(1, 3000)))
        seen.add(server.say(bytes(said), ends=True).status)
    assert seen <= {0, 200, 400, 401, 403, 404, 405, 408, 413, 415, 421}, seen
    assert 500 not in seen
    assert 400 in seen
    check_it_still_answers(server)


def test_a_head_without_end_is_cut(server: Server) -> None:
    assert server.say(b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 60_000).status in (0, 400)
    assert server.say(b"GET /" + b"a" * 200_000).status in (0, 400)
    check_it_still_answers(server)


def test_smuggled_requests_are_not_let_through(server: Server) -> None:
    """Two lengths that contradict each other: whoever believes the other one would find a second request in the body."""
    inner = f"GET / HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in server.headers().items())
    for lengths in (f"Content-Length: {len(inner)}\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 0\r\nContent-Length: 9\r\n"):
        reply = server.say(f"POST /ask/show HTTP/1.1\r\n{head}{lengths}\r\n".encode() + inner)
        assert b"<!DOCTYPE" not in reply.body
    check_it_still_answers(server)


def test_websockets_are_not_spoken(server: Server) -> None:
    reply = server.ask("/ask/show", method="GET", Upgrade="websocket", Connection="Upgrade, close", Sec_WebSocket_Version="13")
    assert reply.status in (400, 404)


# -- slowness ------------------------------------------------------------------------------------


def test_connections_that_say_nothing_do_not_keep_others_out(server: Server) -> None:
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]
    try:
        for connection in silent[:10]:
            connection.sendall(b"POST /ask/show HTTP/1.1\r\nHost: ")
        check_it_still_answers(server)
    finally:
        for connection in silent:
            connection.close()


def test_more_connections_than_allowed_are_told_so_and_forgotten(server: Server) -> None:
    many = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(limits.CONNECTIONS + 5)]
    reply = server.ask("/", method="GET")
    assert reply.status == 503
    for connection in many:
        connection.close()
    ends = time.monotonic() + 60
    while server.ask("/", method="GET").status == 503:
        assert time.monotonic() < ends
    check_it_still_answers(server)
