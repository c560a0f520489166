"""The processes that compute end before the event loop of their server does."""

from __future__ import annotations

import asyncio
import gc
from asyncio.subprocess import Process
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from faltung.app.server.computing import Computing
from faltung.app.uploads import Uploads

T = TypeVar("T")


async def stopped_at_once(computing: Computing) -> list[Process]:
    process = await computing._running()
    await computing.end()
    return [process]


async def stopped_twice(computing: Computing) -> list[Process]:
    """One that took too long, and the one that came after it."""
    first = await computing._running()
    computing.stop()
    second = await computing._running()
    await computing.end()
    return [first, second]


async def interrupted_while_it_starts(computing: Computing) -> list[Process]:
    starting = asyncio.create_task(computing.start())
    while computing._process is None:
        await asyncio.sleep(0)
    process = computing._process
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await computing.end()
    return [process]


def in_a_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Of a thread of its own: in this one Playwright's may be running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


@pytest.mark.parametrize("way", [stopped_at_once, stopped_twice, interrupted_while_it_starts])
def test_no_process_outlives_the_loop(way) -> None:
    """Asyncio would say so on the terminal, and here as a warning, which is an error."""
    processes = in_a_loop(way(Computing(Uploads(), 30)))
    assert all(process.returncode is not None for process in processes)
    del processes
    gc.collect()


def test_an_end_without_a_beginning() -> None:
    """Nothing is started to be ended, and the end is not waited for."""
    computing = Computing(Uploads(), 30)
    in_a_loop(computing.end())
    assert computing._process is None
    assert computing._stopped == []
