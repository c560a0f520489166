"""One who reads and uses the page."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.app.browsers import Watch
from tests.app.conversation import Server

__all__ = ["Reader"]


class Reader:
    """A page of the playground and what is done on it.

    Attributes
    ----------
    page : playwright.sync_api.Page
    watch : Watch
    """

    def __init__(self, page: Any, server: Server, fragment: str = "") -> None:
        self.page = page
        page.set_default_timeout(30_000)
        self.watch = Watch(page, f"http://{server.host}/")
        page.goto(server.address + (f"&{fragment}" if fragment else ""))
        self.settle()

    def settle(self) -> None:
        """Wait until the page has the answer to the last change."""
        self.page.wait_for_selector("main[aria-busy=false]")

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, and the page has its answer."""
        end = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < end, "waited in vain"
            self.page.wait_for_timeout(20)
        self.settle()

    def go(self, fragment: str) -> None:
        """Another state by the address, as a link on the page would give it."""
        self.page.evaluate("fragment => void (location.hash = fragment)", fragment)
        self.page.evaluate("() => new Promise(requestAnimationFrame)")
        self.settle()

    def set(self, label: str, value: int) -> None:
        """Write a number into a field."""
        self.page.get_by_role("spinbutton", name=label, exact=True).fill(str(value))
        self.settle()

    def press(self, name: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name, exact=True).click()
        self.settle()

    def tick(self, name: str) -> None:
        """Tick a box, or take the tick away."""
        self.page.get_by_role("checkbox", name=name, exact=True).click()
        self.settle()

    def choose(self, label: str, value: str) -> None:
        """Choose from a list."""
        self.page.get_by_role("combobox", name=label, exact=True).select_option(value)
        self.settle()

    def fact(self, name: str) -> str:
        """The value of a row of the facts."""
        return str(
            self.page.locator("section.facts tr", has=self.page.get_by_role("rowheader", name=name, exact=True))
            .first.locator(".value")
            .text_content()
        )

    def facts(self) -> str:
        """All of them."""
        return str(self.page.locator("section.facts").inner_text())

    def problem(self) -> str:
        """What is said to be wrong; empty where nothing is."""
        box = self.page.locator(".problem")
        return str(box.inner_text()) if box.is_visible() else ""

    def code(self, framework: str) -> str:
        """The code for a framework."""
        self.page.get_by_role("tab", name=framework, exact=True).click()
        return str(self.page.get_by_role("region", name="Code").text_content())

    @property
    def fragment(self) -> str:
        """What the address says of the state."""
        return str(self.page.evaluate("decodeURIComponent(location.hash.slice(1))"))
