"""The playground's server under malformed requests: does it refuse them, answer rightly afterwards, and keep its memory?

``python -m checks.attack_server --requests 10000 --seed 1`` starts `faltung play` and sends it what no page would send: bytes that are no
HTTP, heads changed at random, other hosts, origins and tokens, bodies that are too long, too deep, no JSON or JSON that lies, paths that
lead elsewhere, files that are no pictures and no models. Between them it asks a question whose answer it knows.

A request is a pure function of the seed and its number, so that ``--from N --requests 1`` sends one again.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.app.conversation import Reply, Server, running

__all__ = ["Report", "attack"]

KNOWN = {"state": {"input_size": [3, 3], "kernel_size": [3, 3], "x": {"values": [[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]}}}
REFUSED = frozenset({0, 400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 417, 421, 426, 431, 501, 503})
"""What may be said to a request that is none: nothing, or that it is none. 500 is a fault."""
FAULTS = ("this went wrong inside", "the process that computes has ended", "this took longer")
"""How answers begin that no question should have."""
SECRET = re.compile(rb"root:[^:]*:0:0:|BEGIN [A-Z ]*PRIVATE KEY")
GROWTH = 1.25
"""Of memory, from the time when all processes are warm."""

Said = tuple[bytes, frozenset[int]]
Make = Callable[[random.Random, Server], Said]


@dataclass
class Report:
    """What came of it, as several threads tell."""

    statuses: collections.Counter[str] = field(default_factory=collections.Counter)
    faults: list[str] = field(default_factory=list)
    kilobytes: list[int] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, status: str, faults: list[str]) -> None:
        """One more answer, and what is wrong with it."""
        with self.lock:
            self.statuses[status] += 1
            self.faults += faults

    def took(self, seconds: float, label: str) -> None:
        """How long one of them took."""
        with self.lock:
            self.slowest = max(self.slowest, (seconds, label))

    @property
    def growth(self) -> float:
        """Memory at the end over memory when warm; 1 where the system does not tell it."""
        return self.kilobytes[-1] / self.kilobytes[0] if self.kilobytes and self.kilobytes[0] else 1.0


# -- what is sent ----------------------------------------------------------------------------------


def _noise(chance: random.Random, _: Server) -> Said:
    """Bytes that are no HTTP."""
    return chance.randbytes(chance.choice((1, 10, 100, 3000))) + b"\r\n\r\n", REFUSED


def _changed(chance: random.Random, server: Server) -> Said:
    """A right request, some bytes of it changed, doubled or left out."""
    said = bytearray(server.request("/ask/show", json.dumps(KNOWN).encode()))
    for _ in range(chance.randint(1, 6)):
        at, count = chance.randrange(len(said)), chance.randint(1, 8)
        said[at : at + count] = chance.choice((b"", chance.randbytes(count), said[at : at + count] * 2, b"\r\n", b"\x00"))
    return bytes(said), REFUSED | {200}


def _stranger(chance: random.Random, server: Server) -> Said:
    """Another host, origin, site, token or kind of content."""
    other: dict[str, tuple[str | None, ...]] = {
        "Host": (
            "evil.example",
            f"evil.example:{server.port}",
            "127.0.0.1",
            f"127.0.0.1:{server.port}@evil",
            f"[::1]:{server.port}",
            "",
            None,
        ),
        "Origin": ("http://evil.example", "null", None, f"https://{server.host}", f"http://{server.host}.evil", f"http://{server.host}, x"),
        "Sec_Fetch_Site": ("cross-site", "same-site", "CROSS-SITE"),
        "X_Faltung_Token": ("", None, server.token[:-1], server.token + "A", server.token.upper() + "x", "A" * 5000, f"{server.token},"),
        "Content_Type": ("text/plain", "application/x-www-form-urlencoded", None, "multipart/form-data", "application/jsonx"),
    }
    name = chance.choice(list(other))
    changed: dict[str, Any] = {name: chance.choice(other[name])}
    return server.request(chance.choice(("/ask/show", "/upload")), b"{}", **changed), REFUSED


def _lengths(chance: random.Random, server: Server) -> Said:
    """Lengths that lie, and bodies in chunks that are none."""
    kind = chance.randrange(4)
    if kind == 0:
        length = chance.choice(("-1", "+2", "2, 2", "0x2", "99999999999999999999", "1e3", "²", " ", "2\x00"))
        return server.request("/ask/show", b"{}", Content_Length=length), REFUSED | {200}
    if kind == 1:
        chunks = chance.choice(
            (b"zz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}x\r\n0\r\n\r\n", b"-2\r\n{}\r\n", b"ffffffffffffffffff\r\n", b"2;" + b"x" * 70000)
        )
        return server.request("/ask/show", chunks, Content_Length=None, Transfer_Encoding="chunked"), REFUSED | {200}
    if kind == 2:  # two lengths: what one proxy takes for the body is another's next request
        inner = server.request("/ask/show", b"{}", Host="evil.example")
        return server.request("/ask/show", b"0\r\n\r\n" + inner, Transfer_Encoding="chunked"), REFUSED | {200}
    return server.request("/ask/show", b" " * (2**20 + chance.randint(1, 5000))), REFUSED


def _paths(chance: random.Random, server: Server) -> Said:
    """Paths that lead out of the page's folder."""
    up = chance.choice(("../", "..%2f", "%2e%2e/", "..\\", "..%5c", "%252e%252e%252f", "....//", "..;/", "%c0%ae%c0%ae/", "..%00/"))
    target = chance.choice(
        ("etc/passwd", "server/guard.py", "answers.py", "pyproject.toml", "main.js%00.py", "etc/shadow", "C:/Windows/win.ini")
    )
    first = chance.choice(("/", "//", "/./", "/views/", "/file:///", "http://evil.example/", f"http://{server.host}/", "/\\"))
    path = chance.choice((first + up * chance.randint(1, 9) + target, first + target, first + "x" * 40000, "*", "/main.js/", "/main.js%00"))
    return server.request(path, method=chance.choice(("GET", "HEAD", "POST", "PUT", "OPTIONS")), Origin=None), REFUSED


def _no_json(chance: random.Random, server: Server) -> Said:
    """Bodies that are no JSON, and JSON that is no question."""
    text = json.dumps(KNOWN).encode()
    body = chance.choice(
        (
            text[: chance.randrange(len(text))], b"[" * chance.choice((31, 33, 10**5)), b'{"a":' * chance.choice((31, 33, 10**5)),
            b'{"state":{"stride":1e999}}', b'{"state":{"x":{"values":[1e999,-1e999]}}}', b'{"state":' + b"9" * 6000 + b"}",
            b'{"state":{"kernel_size":' + b"9" * 4000 + b"}}", b'"\\ud800"', b'{"\\ud800":1}', b'{"text":"\\ud800"}', b"\xff\xfe{\x00}\x00",
            b"\xef\xbb\xbf{}", b'{"a":1,"a":2}', b"{}\x00", b"nul", b'{"state":-0}', b'{"text":"' + b"\\\\" * 10**5 + b'"}',
            b'"' * 10**5, chance.randbytes(200), text.replace(b"3", chance.choice((b"NaN", b"1e5", b"3.0", b"-3", b"[]", b'"3"'))),
        )
    )  # fmt: skip
    return server.request(f"/ask/{chance.choice(QUESTIONS)}", body), REFUSED | {200}


QUESTIONS = ("show", "read", "presets", "kernels", "export", "photograph", "filter", "model", "layer", "none", "__init__", "show%00")
EVIL = '</script><img src=x onerror="alert(1)">\x1b[31m'
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, 3, 5, 7, -1, 2**16, 2**16 + 1, 2**31, 2**53, 2**63, 10**30, 1.5, -0.0, 1e308, "", "same", "full", "valid",
    "causal", "circular", "reflect", "../../etc/passwd", EVIL, "x" * 5000, "\x00", "\ud800", "conv2d(3, 64, 7)", [], {}, [[]], [1, 2],
    [3, 3], [1, 2, 3], [0, 0], [[1, 2], [3, 4]], [[[1.5]]], {"values": [1e300, -1e300]}, {"values": [[1, 2], [3]]}, {"named": "sobel_x"},
    {"named": EVIL}, {"values": EVIL}, [None, None], {"a": {"b": {}}}, "svg", "png", "gif", "html", "json", [65536, 65536], [512, 512],
)  # fmt: skip
FIELDS = (
    "ndim", "in_channels", "input_size", "reading", "x", "then", "out_channels", "kernel_size", "stride", "padding", "padding_mode",
    "dilation", "groups", "bias", "transposed", "output_padding", "flip", "weight", "bias_values", "values", "__class__",
)  # fmt: skip
KEYS = (
    "state",
    "text",
    "upload",
    "format",
    "style",
    "theme",
    "at",
    "kernel",
    "channel",
    "colour",
    "name",
    "input",
    "layer",
    "photo",
    "matrices",
)


def _some(chance: random.Random, names: tuple[str, ...], most: int) -> dict[str, Any]:
    return {name: chance.choice(VALUES) for name in chance.sample(names, chance.randint(0, most))}


def _lies(chance: random.Random, server: Server) -> Said:
    """Questions whose fields are of any kind and size."""
    body = _some(chance, KEYS, 4)
    if chance.random() < 0.8:
        body["state"] = _some(chance, FIELDS, 5)
        if chance.random() < 0.2:
            body["state"]["then"] = [_some(chance, FIELDS, 3) for _ in range(chance.randint(0, 9))]
    return server.request(f"/ask/{chance.choice(QUESTIONS[:9])}", json.dumps(body).encode()), frozenset({200})


PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452")
BOMBS = (
    PNG + (65535).to_bytes(4, "big") * 2 + b"\x08\x06\x00\x00\x00" + bytes(100), b"GIF89a\xff\xff\xff\xff\xf7\x00\x00" + bytes(900),
    b"\x08\x08" + b"\x3a\x80\x80\x40" + b"\x0a\x00" * 2**17, b"\x08\x08\x3a\x84\x80\x80\x80\x08", b"PK\x03\x04" + bytes(500),
    b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'shape': (1000000000000,), }", b"<svg onload='alert(1)'/>", b"", b"\x00" * 10**6,
)  # fmt: skip


class Uploading:
    """Files that are no pictures and no models, kept by the server and asked for."""

    def __init__(self, models: list[bytes]) -> None:
        self.models = models

    def file(self, chance: random.Random) -> bytes:
        """One of them."""
        if not self.models or chance.random() < 0.4:
            return chance.choice(BOMBS)
        data = bytearray(chance.choice(self.models))
        if chance.random() < 0.3:
            return bytes(data[: chance.randrange(len(data))])
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(min(len(data), 3000))] = chance.randrange(256)
        return bytes(data)

    def ask(self, chance: random.Random, server: Server, report: Report) -> None:
        """Keep one, and ask two questions of it."""
        reply = server.say(server.request("/upload", self.file(chance), Content_Type="application/octet-stream"))
        _judge(report, "upload", "", reply, frozenset({200}))
        name = reply.json.get("upload") if reply.status == 200 else None
        for question in chance.sample(("model", "layer", "photograph", "filter"), 2):
            body = {
                "upload": name,
                "name": chance.choice(("m.onnx", EVIL, "../m.onnx")),
                **_some(chance, ("layer", "input", "channel", "kernel"), 2),
            }
            _judge(
                report,
                "upload",
                question,
                server.say(server.request(f"/ask/{question}", json.dumps(body).encode())),
                frozenset({200}),
            )


KINDS: dict[str, Make] = {
    "noise": _noise, "changed": _changed, "stranger": _stranger, "lengths": _lengths, "paths": _paths, "no JSON": _no_json, "lies": _lies,
}  # fmt: skip
UPLOAD = "upload"
UNENDING = frozenset({"noise", "changed", "lengths"})


# -- what comes back -------------------------------------------------------------------------------


def _judge(report: Report, kind: str, what: str, reply: Reply, allowed: frozenset[int]) -> None:
    label = f"{kind} {what}".strip()
    report.count(f"{kind} {reply.status}", [f"{label}: {fault}" for fault in _faults(reply, allowed)])


def _faults(reply: Reply, allowed: frozenset[int]) -> Iterator[str]:
    if reply.status not in allowed:
        yield f"status {reply.status}, {reply.body[:200]!r}"
    if SECRET.search(reply.body):
        yield "a file of this machine in the answer"
    if reply.status == 200 and reply.headers.get("content-type", "").startswith("application/json"):
        try:
            problem = json.loads(reply.body).get("problem")
        except ValueError:
            yield f"an answer that is no JSON, {reply.body[:200]!r}"
            return
        if problem and problem["message"].startswith(FAULTS):
            yield problem["message"][:300]


def _kilobytes(pid: int) -> int:
    """Memory of a process and of those it started; 0 where the system does not tell it."""
    if not Path("/proc/self/status").exists():
        return 0
    parents, sizes = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text()
        except OSError:
            continue
        found = dict(re.findall(r"^(PPid|VmRSS):\s+(\d+)", status, re.MULTILINE))
        parents[int(folder.name)], sizes[int(folder.name)] = int(found.get("PPid", 0)), int(found.get("VmRSS", 0))
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(sizes.get(one, 0) for one in family)


def _known_answer(server: Server) -> bytes:
    reply = server.ask("/ask/show", KNOWN)
    if reply.status != 200 or b'"problem"' in reply.body[:40]:
        raise RuntimeError(f"the server does not answer: {reply.status} {reply.body[:300]!r}")
    return reply.body


@contextmanager
def _slow(server: Server, count: int) -> Iterator[None]:
    """Connections that say a part of what they want, or do not read what they asked for, all the while."""
    begun = []
    for number in range(count):
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall((b"", b"POST /ask/show HTTP/1.1\r\nHost: ", server.request("/main.js", method="GET"))[number % 3])
        begun.append(connection)
    try:
        yield
    finally:
        for connection in begun:
            connection.close()


def attack(server: Server, requests: int, seed: int, first: int = 0, models: list[bytes] | None = None, at_once: int = 4) -> Report:
    """Send `requests` malformed ones, `at_once` at a time, and look after each hundred whether a right one is answered rightly."""
    report, uploading = Report(), Uploading(models or [])
    expected = _known_answer(server)

    def send(number: int) -> None:
        chance = random.Random(f"{seed} {number}")
        kind = chance.choice([*KINDS, "lies", "no JSON", *[UPLOAD] * (number % 4 == 0)])
        began = time.perf_counter()
        try:
            if kind == UPLOAD:
                uploading.ask(chance, server, report)
            else:
                said, allowed = KINDS[kind](chance, server)
                _judge(report, kind, f"number {number}", server.say(said, ends=kind in UNENDING), allowed)
        except OSError as error:  # a time-out above all
            report.faults.append(f"{kind} number {number}: {type(error).__name__} {error}")
        report.took(time.perf_counter() - began, f"{kind} number {number}")

    with ThreadPoolExecutor(at_once) as pool:
        for start in range(first, first + requests, 100):
            with _slow(server, 6):
                list(pool.map(send, range(start, min(start + 100, first + requests))))
                if _known_answer(server) != expected:
                    report.faults.append(f"after number {start + 100}: another answer to the known question")
            if not report.kilobytes and start - first < requests // 4:
                continue  # not warm yet
            report.kilobytes.append(_kilobytes(server.process.pid))
    if server.process.poll() is not None:
        report.faults.append("the server has ended")
    return report


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--requests", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--from", type=int, default=0, dest="first")
    options.add_argument("models", nargs="*", type=Path, help="ONNX files to send damaged")
    given = options.parse_args()
    began = time.perf_counter()
    with running() as server:
        report = attack(server, given.requests, given.seed, given.first, [path.read_bytes() for path in given.models])
    for label, count in sorted(report.statuses.items()):
        print(f"{count:7} {label}")
    print(f"memory: {[size // 1024 for size in report.kilobytes][:: max(1, len(report.kilobytes) // 8)]} MiB, grown to {report.growth:.2f}")
    print(f"slowest: {report.slowest[0]:.2f} s, {report.slowest[1]}; {time.perf_counter() - began:.0f} s in all")
    for fault in report.faults[:40]:
        print("FAULT", fault)
    print(f"{len(report.faults)} faults")
    return int(bool(report.faults) or report.growth > GROWTH)


if __name__ == "__main__":
    sys.exit(main())
