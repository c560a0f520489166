"""Chromium for tests of pages: started where there is one, and what a page says when it should say nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

__all__ = ["ARGUMENTS", "Watch", "chromium_path", "started"]

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium_path() -> str | None:
    """The browser that `FALTUNG_CHROMIUM` names, or one that is installed; None where there is none."""
    named = os.environ.get("FALTUNG_CHROMIUM")
    return named or next((path for path in map(shutil.which, _NAMES) if path), None)


@contextmanager
def started() -> Iterator[Any]:
    """A browser; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Watch:
    """What a page says in its console, what it throws, what it requests elsewhere and what it is refused.

    Parameters
    ----------
    page : playwright.sync_api.Page
    origin : str
        Where requests may go to, and ``blob:`` and ``data:``, which go nowhere.
    """

    def __init__(self, page: Any, origin: str) -> None:
        self.troubles: list[str] = []
        self._origin = origin
        page.on("console", lambda message: self.troubles.append(f"{message.type}: {message.text}") if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.troubles.append(f"thrown: {error}"))
        page.on("request", self._request)
        page.on("response", self._response)

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self._origin + "/", "blob:", "data:")):
            self.troubles.append(f"requested: {request.url}")

    def _response(self, response: Any) -> None:
        if response.status >= 400:
            self.troubles.append(f"{response.status}: {response.url}")
