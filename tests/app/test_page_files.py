"""The page's files as they lie: small, complete, and in the form that holds them together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from faltung.app.bundle import PAGE
from faltung.app.server.page_files import page_file

MODULES = sorted(PAGE.rglob("*.js"))
ENTRIES = {"main.js", "widget.js", "embedded.js"}  # which nobody imports


def name(path: Path) -> str:
    return path.relative_to(PAGE).as_posix()


def imported(path: Path) -> set[str]:
    found = re.findall(r'from "([^"]+)"', path.read_text(encoding="utf-8"))
    return {name((path.parent / one).resolve()) for one in found}


def test_the_page_is_below_300_kilobytes() -> None:
    sent = [page_file(f"/{name(path)}") for path in PAGE.rglob("*") if path.suffix in (".js", ".css", ".html")]
    assert sum(len(found[0]) for found in sent if found) < 300_000
    assert all(sent)


def test_browsers_are_sent_the_modules_without_what_is_said_of_them() -> None:
    source, sent = (PAGE / "store.js").read_text(encoding="utf-8"), (page_file("/store.js") or (b"", ""))[0].decode()
    assert "/**" in source
    assert "/**" not in sent
    assert [line for line in sent.splitlines() if line.strip()] == [
        line for line in source.splitlines() if line.strip() and not line.lstrip().startswith(("/*", "*", "//"))
    ]


def test_every_module_is_imported_and_no_other() -> None:
    assert set().union(*map(imported, MODULES)) | ENTRIES == set(map(name, MODULES)) | (ENTRIES & {"main.js"})


def test_the_browser_is_told_of_every_module_at_once() -> None:
    needed, waiting = set(), ["main.js"]
    while waiting:
        for one in imported(PAGE / waiting.pop()) - needed:
            needed.add(one)
            waiting.append(one)
    assert re.findall(r'rel="modulepreload" href="([^"]+)"', (PAGE / "index.html").read_text(encoding="utf-8")) == sorted(needed)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_modules_are_short_and_never_read_text_as_html(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|DOMParser", text)
