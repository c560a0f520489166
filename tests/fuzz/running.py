"""Feeds a target: ``python -m tests.fuzz.running TARGET [--seconds 60] [--seed 1] [--guided] [FILE…]``.

Cases are made in a process of their own, which says beforehand what it tries: when it dies, hangs or runs out of memory, the case is
known and the run goes on in another process. Faults that come from one line are shown once. Ends with 1 if there was any.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import importlib
import os
import random
import resource
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.fuzz import GUIDED, TARGETS

__all__ = ["cases_of", "main", "mutated"]

CORPUS = Path(__file__).parent / "corpus"
CASE_SECONDS = 30
MEMORY = 6 << 30
LENGTHS = (32, 64, 96, 160, 400)
LEAST_CASES, CASES_OF_A_PROCESS = 40, 4000
"""So many are tried, however long that takes; then a process makes room for the next one."""

Check = Callable[[bytes], None]


def cases_of(target: str, seed: int) -> Iterator[bytes]:
    """Bytes without end: of what is read as it is, good ones with some bytes changed."""
    rng = random.Random(seed)
    module = importlib.import_module(f"tests.fuzz.{target}")
    good = list(module.seeds()) if hasattr(module, "seeds") else []
    kept = [path.read_bytes() for path in sorted((CORPUS / target).glob("*"))]
    yield from kept
    while True:
        yield mutated(rng, good) if good else rng.randbytes(rng.choice(LENGTHS))


def mutated(rng: random.Random, good: list[bytes]) -> bytes:
    """One of `good` with bytes changed, left out, repeated, or taken from another of them."""
    data = bytearray(rng.choice(good))
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at, length = rng.randrange(len(data) + 1), rng.choice((1, 1, 2, 4, 16))
        kind = rng.randrange(7)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at : at + length] = rng.randbytes(length)
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = data[max(0, at - length) : at] * rng.choice((1, 2, 50))
        elif kind == 4:
            other = rng.choice(good)
            begin = rng.randrange(len(other) + 1)
            data[at : at + length] = other[begin : begin + 4 * length]
        elif kind == 5:
            data[at : at + length] = rng.choice((b"\xff" * 8, b"\x00" * 8, b"\x80" * 9 + b"\x01", b"-1", b"99999999999999999999", b"nan"))
        elif rng.random() < 0.1:
            del data[at:]
    return bytes(data)


def _serve(check: Check, cases: Iterable[bytes], out: int, seconds: float, memory: int) -> None:
    """In a process of its own: each case, its length first, then how it ended."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    warnings.simplefilter("ignore")
    end = time.monotonic() + seconds
    for number, data in enumerate(cases):
        if (number >= LEAST_CASES and time.monotonic() > end) or number == CASES_OF_A_PROCESS:
            break
        _write(out, b"c" + len(data).to_bytes(4, "little") + data)
        try:
            check(data)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {str(error)[:300]}".encode()
            _write(out, b"f" + len(text).to_bytes(4, "little") + text)
    _write(out, b"e\0\0\0\0")


def _write(out: int, data: bytes) -> None:
    while data:
        data = data[os.write(out, data) :]


class _Pipe:
    """What the other process says, or None where it says nothing for too long or is gone."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.held, self.is_closed = descriptor, b"", False

    def message(self) -> tuple[str, bytes] | None:
        head = self._take(5)
        body = None if head is None else self._take(int.from_bytes(head[1:], "little"))
        return None if head is None or body is None else (chr(head[0]), body)

    def _take(self, count: int) -> bytes | None:
        while len(self.held) < count:
            if not select.select([self.descriptor], [], [], CASE_SECONDS)[0]:
                return None
            got = os.read(self.descriptor, 1 << 16)
            if not got:
                self.is_closed = True
                return None
            self.held += got
        taken, self.held = self.held[:count], self.held[count:]
        return taken


def run(target: str, seconds: float, seed: int, memory: int) -> int:
    """Cases at random for so long; how many different faults there were."""
    check: Check = importlib.import_module(f"tests.fuzz.{target}").check
    begin, tried, faults = time.monotonic(), 0, collections.Counter[str]()
    while (left := begin + seconds - time.monotonic()) > 0:
        read, write = os.pipe()
        worker = os.fork()
        if worker == 0:
            os.close(read)
            try:
                _serve(check, cases_of(target, seed), write, left, memory)
            finally:
                os._exit(0)
        os.close(write)
        pipe, data, ended = _Pipe(read), b"", False
        while (message := pipe.message()) is not None:
            kind, body = message
            if kind == "c":
                data, tried = body, tried + 1
            elif kind == "f":
                _tell(target, faults, body.decode(), data)
            else:
                ended = True
                break
        if not ended and not pipe.is_closed:
            os.kill(worker, signal.SIGKILL)
        status = os.waitpid(worker, 0)[1]
        if not ended:
            said = f"the process ended, {_how(status)}" if pipe.is_closed else f"no answer in {CASE_SECONDS} s"
            _tell(target, faults, f"{said}, {hashlib.sha1(data).hexdigest()[:8]}", data)
        os.close(read)
        seed += 1
    print(f"{target}: {tried} cases in {time.monotonic() - begin:.0f} s, {len(faults)} different faults, {faults.total()} in all")
    return len(faults)


def _how(status: int) -> str:
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"


def _tell(target: str, faults: collections.Counter[str], said: str, data: bytes) -> None:
    key = said.split(": ")[0]
    faults[key] += 1
    if faults[key] > 1:
        return
    folder = Path("build/fuzz") / target
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha1(data).hexdigest()[:12]
    path.write_bytes(data)
    print(f"{path}: {said}", flush=True)


def run_guided(target: str, seconds: float) -> None:
    """libFuzzer, which keeps what reaches new lines and ends at the first fault."""
    import atheris

    with atheris.instrument_imports(include=["faltung"]):
        module = importlib.import_module(f"tests.fuzz.{target}")
        module.check(b"")
    known = Path("build/fuzz") / f"{target}-known"
    known.mkdir(parents=True, exist_ok=True)
    for data in module.seeds():
        (known / hashlib.sha1(data).hexdigest()[:12]).write_bytes(data)
    warnings.simplefilter("ignore")
    options = [f"-max_total_time={int(seconds)}", f"-timeout={CASE_SECONDS}", f"-rss_limit_mb={MEMORY >> 20}", "-print_final_stats=1"]
    found = f"-artifact_prefix=build/fuzz/{target}-"
    atheris.Setup([sys.argv[0], *options, found, "-max_len=65536", str(known)], module.check)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("files", nargs="*", type=Path, help="only these cases")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--guided", action="store_true", help=f"by libFuzzer: {', '.join(GUIDED)}")
    parser.add_argument("--memory", type=int, default=MEMORY, help="bytes of a process; 0: any (for sanitizers)")
    given = parser.parse_args()
    for path in given.files:
        importlib.import_module(f"tests.fuzz.{given.target}").check(path.read_bytes())
    if given.guided:
        run_guided(given.target, given.seconds)
    elif not given.files:
        sys.exit(run(given.target, given.seconds, given.seed, given.memory) > 0)


if __name__ == "__main__":
    main()
