"""Chromium, where there is one, and pages that watch themselves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

__all__ = ["chromium", "watched"]

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; the test is skipped where none is installed."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with playwright.sync_playwright() as running:
        if program is None and not os.path.exists(running.chromium.executable_path):
            pytest.skip("there is no Chromium")
        started = running.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield started
        started.close()


@contextmanager
def watched(browser: Any, *allowed: str, **context: Any) -> Iterator[Any]:
    """A page that must write no error, and load nothing but what begins with one of `allowed`."""
    with browser.new_context(**context) as made:
        page = made.new_page()
        troubles: list[str] = []
        page.on("console", lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith((*allowed, "data:", "blob:")) else troubles.append(request.url))
        yield page
        assert not troubles, troubles
