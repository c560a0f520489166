"""Chromium, where there is one, and pages that are watched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

__all__ = ["Watch", "started", "watched"]

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def started() -> Iterator[Any]:
    """The browser that `FALTUNG_CHROMIUM` names, or one that is installed.

    Where there is none the test is skipped; with `FALTUNG_CHROMIUM_REQUIRED=1` it fails. Tests take the browser from the fixture
    `chromium`: a process can have one of them.
    """
    missing = pytest.fail if os.environ.get("FALTUNG_CHROMIUM_REQUIRED") == "1" else pytest.skip
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright is not installed")
    program = os.environ.get("FALTUNG_CHROMIUM") or next((path for path in map(shutil.which, _NAMES) if path), None)
    with sync_playwright() as running:
        if program is None and not os.path.exists(running.chromium.executable_path):
            missing("there is no Chromium")
        browser = running.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


class Watch:
    """What a page says in its console, what it throws, what it requests elsewhere and what it is refused.

    Parameters
    ----------
    page : playwright.sync_api.Page
    *allowed : str
        How addresses begin that it may request, besides ``data:`` and ``blob:``, which go nowhere.
    """

    def __init__(self, page: Any, *allowed: str) -> None:
        self.troubles: list[str] = []
        self._allowed = (*allowed, "data:", "blob:")
        page.on("console", lambda message: self.troubles.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(self._allowed) else self.troubles.append(request.url))
        page.on("response", lambda response: self.troubles.append(f"{response.status}: {response.url}") if response.status >= 400 else None)


@contextmanager
def watched(browser: Any, *allowed: str, **context: Any) -> Iterator[Any]:
    """A page that must write no error, and load nothing but what begins with one of `allowed`."""
    with browser.new_context(**context) as made:
        page = made.new_page()
        watch = Watch(page, *allowed)
        yield page
        assert not watch.troubles, watch.troubles
