"""A process that computes, as the server sees it: started when needed, asked one question at a time, stopped when one takes too long."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE, Process

from faltung.app.server import frames
from faltung.app.server.limits import END_SECONDS, START_SECONDS, WAITING
from faltung.app.server.questions import problem
from faltung.app.uploads import Uploads
from faltung.errors import ConvError

__all__ = ["Computing"]

# The modules are found where this process finds them, and never in the folder that it happens to run in.
_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from faltung.app.server.worker import main; main()"


class Computing:
    """One process, which outlives questions and not those that take longer than `seconds`."""

    def __init__(self, uploads: Uploads, seconds: float) -> None:
        self.uploads, self.seconds = uploads, seconds
        self._process: Process | None = None
        self._stopped: list[Process] = []
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def start(self) -> None:
        """Start it ahead of the first question, which then need not wait for imports."""
        async with self._turn:
            with contextlib.suppress(TimeoutError, asyncio.IncompleteReadError):  # which the first question will meet, and tell
                await self._running()

    async def ask(self, question: str, body: bytes) -> bytes:
        """The answer as JSON; of what takes too long, or ends the process, an answer that says so."""
        if self._waiting >= WAITING:
            return _said(f"{WAITING} questions are waiting already.", "Wait for their answers, and ask again.")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._answered(question, body)
        finally:
            self._waiting -= 1

    async def _answered(self, question: str, body: bytes) -> bytes:
        try:
            process = await self._running()
            async with asyncio.timeout(self.seconds):
                return await self._exchange(process, question, body)
        except TimeoutError:
            self.stop()
            return _said(f"this took longer than {self.seconds:g} s and was stopped.", "Make it smaller, or compute it from Python.")
        except (asyncio.IncompleteReadError, ConnectionError):
            self.stop()
            return _said("the process that computes has ended: it met its limit of memory, or a fault.", "Make it smaller.")
        except asyncio.CancelledError:
            self.stop()  # its answer would be taken for that of the next question
            raise

    async def _exchange(self, process: Process, question: str, body: bytes) -> bytes:
        assert process.stdout is not None
        await self._send(process, frames.ASK, question.encode() + b"\n" + body)
        while True:
            kind, length = frames.opened(await process.stdout.readexactly(frames.HEAD))
            data = await process.stdout.readexactly(length)
            if kind == frames.ANSWER:
                return data
            try:
                found = (frames.GIVE, self.uploads.find(data.decode()))
            except ConvError as error:
                found = (frames.GONE, error.problem.encode())
            await self._send(process, *found)

    async def _send(self, process: Process, kind: bytes, data: bytes) -> None:
        assert process.stdin is not None
        process.stdin.write(frames.head(kind, len(data)))
        process.stdin.write(data)
        await process.stdin.drain()

    async def _running(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            command = (sys.executable, "-c", _PROGRAM, json.dumps(sys.path))
            process = self._process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
            assert process.stdout is not None
            try:
                async with asyncio.timeout(START_SECONDS):
                    await process.stdout.readexactly(frames.HEAD)  # it is ready
            except BaseException:
                self.stop()
                raise
        return self._process

    def stop(self) -> None:
        """End the process now; the next question starts another."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            self._stopped = [one for one in (*self._stopped, process) if one.returncode is None]

    async def end(self) -> None:
        """Stop, and wait until every process is gone: a loop that is closed before hears of it too late, and complains."""
        self.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                for process in self._stopped:
                    await process.communicate()
                    assert process.stdin is not None
                    process.stdin.close()
                    with contextlib.suppress(ConnectionError):
                        await process.stdin.wait_closed()


def _said(message: str, hint: str) -> bytes:
    return json.dumps(problem(message, hint)).encode()
