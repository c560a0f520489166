"""The whole page in Chromium, from the real server: as a reader has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.app.conversation import Server
from tests.app.whole.reader import Reader

Open = Callable[..., Reader]


@pytest.fixture
def open_page(chromium: Any, server: Server) -> Iterator[Open]:
    """Open the playground; `fragment` is what the address says of the state. Whatever goes wrong on a page fails the test."""
    with ExitStack() as stack:
        readers = []

        def opened(fragment: str = "", **context: Any) -> Reader:
            browser = stack.enter_context(
                chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, "accept_downloads": True, **context})
            )
            reader = Reader(browser.new_page(), server, fragment)
            readers.append(reader)
            return reader

        yield opened
        for reader in readers:
            assert reader.watch.troubles == []


@pytest.fixture(scope="module")
def page_of_module(chromium: Any, server: Server) -> Iterator[Reader]:
    """One page for all tests of a module."""
    with chromium.new_context(viewport={"width": 1280, "height": 900}) as browser:
        yield Reader(browser.new_page(), server)


@pytest.fixture
def reader(page_of_module: Reader) -> Iterator[Reader]:
    """The page of the module, brought back to its beginning."""
    page_of_module.watch.troubles.clear()
    page_of_module.go("")
    yield page_of_module
    assert page_of_module.watch.troubles == []
