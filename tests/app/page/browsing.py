"""The page's views in Chromium, without a server: modules come from the package, answers from Python in this process.

Every page watches itself: an error in its console, a request elsewhere or a violation of the content security policy fails the test.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from faltung.app.answers import answer
from faltung.app.bundle import PAGE

__all__ = ["ORIGIN", "POLICY", "Explorer", "explorer"]

ORIGIN = "http://faltung.test"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

_DOCUMENT = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Views</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css"><link rel="stylesheet" href="/views.css"><script type="module" src="/mounted.js"></script></head>
<body><main id="root" class="faltung-play"></main></body></html>"""

_MOUNTED = """import { HttpLink } from "./link.js";
import { Store } from "./store.js";
import { makeViews } from "./views/views.js";
const root = document.getElementById("root");
const state = await (await fetch("/state")).json();
const store = new Store(new HttpLink("token"), state, state);
window.store = store;
window.views = makeViews(root, store, { page: true });
store.refresh();
"""


class Explorer:
    """One page with the views of one state.

    Attributes
    ----------
    page : playwright.sync_api.Page
    asked : list of dict
        The states that the page asked about.
    """

    def __init__(self, page: Any, state: dict[str, Any]) -> None:
        self.page = page
        self.asked: list[dict[str, Any]] = []
        self.troubles: list[str] = []
        page.on("console", lambda message: self.troubles.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.route("**/*", lambda route: self._serve(route, state))
        page.goto(f"{ORIGIN}/views.html")
        page.wait_for_selector(".views-output .views-cell")

    def _serve(self, route: Any, state: dict[str, Any]) -> None:
        request = route.request
        if not request.url.startswith(ORIGIN):
            self.troubles.append(f"request to {request.url}")
            route.abort()
            return
        path = request.url.removeprefix(ORIGIN).partition("?")[0].lstrip("/")
        made = {
            "views.html": (_DOCUMENT, "text/html"),
            "mounted.js": (_MOUNTED, "text/javascript"),
            "state": (json.dumps(state), "application/json"),
        }
        if path in made:
            body, kind = made[path]
        elif path.startswith("ask/"):
            question = request.post_data_json
            self.asked.append(question["state"])
            body, kind = json.dumps(answer(path.removeprefix("ask/"), question), allow_nan=False), "application/json"
        else:
            body, kind = (PAGE / path).read_text(encoding="utf-8"), mimetypes.guess_type(path)[0] or "text/plain"
        route.fulfill(body=body, content_type=f"{kind}; charset=utf-8", headers={"Content-Security-Policy": POLICY})

    # -- cells -----------------------------------------------------------------------------------

    def cell(self, grid: str, key: int) -> Any:
        """A cell by the number that it has in its grid: channel * places + place."""
        return self.page.locator(f'.views-{grid} .views-cell[data-key="{key}"]').first

    def texts(self, grid: str) -> list[str]:
        """What stands in the cells of a grid, in their order."""
        found: list[str] = self.page.eval_on_selector_all(
            f".views-panel.views-{grid} .views-tile .views-cell", "cells => cells.map(cell => cell.firstChild?.data ?? '')"
        )
        return found

    def lit(self, grid: str, kind: str = "on") -> set[int]:
        """The cells of a grid that have a light of a kind."""
        found: list[str] = self.page.eval_on_selector_all(
            f'.views-panel.views-{grid} .views-tile .views-cell[data-lit~="{kind}"]', "cells => cells.map(cell => cell.dataset.key)"
        )
        return set(map(int, found))

    def text(self, selector: str) -> str:
        """The text of one element."""
        return str(self.page.locator(selector).first.text_content())


@contextmanager
def explorer(started: Any, state: dict[str, Any], **context: Any) -> Iterator[Explorer]:
    """A page of its own for one state, and the check that nothing went wrong on it."""
    with started.new_context(**{"viewport": {"width": 1000, "height": 900}, **context}) as made:
        shown = Explorer(made.new_page(), state)
        yield shown
        assert not shown.troubles, shown.troubles
