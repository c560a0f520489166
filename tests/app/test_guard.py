"""Who is refused: by the address asked for, by the page that asks, by the token, by the method. Each request differs in one thing."""

from __future__ import annotations

import pytest

from tests.app.conversation import Server

QUESTION = "/ask/nothing"


def test_the_page_is_let_through(server: Server) -> None:
    assert server.ask(QUESTION, {}).status == 200
    assert server.ask("/", method="GET", Origin=None, X_Faltung_Token=None).status == 200


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1"])
def test_both_names_of_this_machine_are_its_own(server: Server, name: str) -> None:
    reply = server.ask(QUESTION, {}, Host=f"{name}:{server.port}", Origin=f"http://{name.lower()}:{server.port}")
    assert reply.status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:{port}", "127.0.0.1", "localhost", "127.0.0.1:1", "127.0.0.1:{port}.evil.example", "127.0.0.1.nip.io:{port}",
        "0.0.0.0:{port}", "[::1]:{port}", "2130706433:{port}", "127.1:{port}", "user@127.0.0.1:{port}", "127.0.0.1:{port}/", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_name_of_this_machine_is_refused(server: Server, host: str, method: str) -> None:
    """A page of evil.example whose name now leads to 127.0.0.1 sends its own name."""
    named = host.format(port=server.port)
    reply = server.ask("/" if method == "GET" else QUESTION, {}, method, Host=named, Origin=f"http://{named}" if method == "POST" else None)
    assert reply.status in (400, 421)  # 400 where HTTP itself forbids it


def test_two_hosts_are_refused(server: Server) -> None:
    head = f"GET / HTTP/1.1\r\nHost: {server.host}\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert server.say(head.encode()).status in (400, 421)
    assert server.say(b"GET / HTTP/1.0\r\n\r\n").status == 421


@pytest.mark.parametrize(
    "origin",
    [
        None, "null", "http://evil.example", "https://{host}", "http://{host}.evil.example", "http://{host}/", "http://127.0.0.1:1", "file://",
    ],
)  # fmt: skip
def test_questions_come_from_the_servers_own_page(server: Server, origin: str | None) -> None:
    named = origin and origin.format(host=server.host)
    assert server.ask(QUESTION, {}, Origin=named).status == 403
    assert server.ask("/upload", b"x", Content_Type="application/octet-stream", Origin=named).status == 403


def test_the_two_names_are_two_origins(server: Server) -> None:
    assert server.ask(QUESTION, {}, Origin=f"http://localhost:{server.port}").status == 403


def test_another_origin_may_not_read_the_page_either(server: Server) -> None:
    assert server.ask("/main.js", method="GET", Origin="http://evil.example").status == 403
    elsewhere = {"Origin": None, "Sec_Fetch_Site": "cross-site"}
    assert server.ask("/main.js", method="GET", **elsewhere, Sec_Fetch_Mode="no-cors").status == 403
    assert server.ask("/", method="GET", **elsewhere, Sec_Fetch_Mode="navigate").status == 200  # a link to it may be followed
    assert server.ask(QUESTION, {}, Sec_Fetch_Site="same-site").status == 403


@pytest.mark.parametrize("path", [QUESTION, "/upload"])
def test_the_token_is_that_of_this_start(server: Server, path: str) -> None:
    for token in (None, "wrong", server.token[:-1], server.token + "x", server.token.swapcase(), "ü" * 32):
        reply = server.ask(path, b"{}", X_Faltung_Token=token)
        assert reply.status == 401
        assert server.token not in reply.body.decode()
    reply = server.ask(f"{path}?token={server.token}", b"{}", X_Faltung_Token=None, Cookie=f"token={server.token}")
    assert reply.status == 401


def test_the_token_is_in_no_answer(server: Server) -> None:
    for path in ("/", "/main.js", "/style.css"):
        reply = server.ask(path, method="GET")
        assert server.token.encode() not in reply.body
        assert server.token not in str(reply.headers)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PROPFIND", "get"])
def test_other_methods_are_refused(server: Server, method: str) -> None:
    reply = server.ask("/", method=method)
    assert reply.status == 405
    assert "access-control-allow-origin" not in reply.headers


def test_questions_are_not_got_and_files_are_not_posted(server: Server) -> None:
    assert server.ask(QUESTION, method="GET").status == 404
    assert server.ask("/upload", method="GET").status == 404
    assert server.ask("/main.js", {}).status == 405


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp"]
)
def test_what_forms_can_send_is_no_question(server: Server, kind: str | None) -> None:
    assert server.ask(QUESTION, {}, Content_Type=kind).status == 415


BOUND = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cache-control": "no-store",
    "x-frame-options": "DENY",
}


def test_every_answer_binds_the_browser(server: Server) -> None:
    replies = [
        server.ask("/", method="GET"), server.ask("/main.js", method="GET"), server.ask("/none", method="GET"), server.ask(QUESTION, {}),
        server.ask(QUESTION, {}, Origin=None), server.ask(QUESTION, {}, X_Faltung_Token=None), server.ask(QUESTION, {}, Host="x"),
    ]  # fmt: skip
    assert [reply.status for reply in replies] == [200, 200, 404, 200, 403, 401, 421]
    for reply in replies:
        assert BOUND.items() <= reply.headers.items()
        assert "server" not in reply.headers
        assert "set-cookie" not in reply.headers
