"""Every block of Python in the documentation runs: as a cell of a page, or as a doctest. Others say what they are."""

from __future__ import annotations

import doctest
import fnmatch
import tomllib
from pathlib import Path

import pytest

from tests.docs.fences import Block, blocks

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("examples/*.md"))
    if not {"_build", "gallery"} & set(path.relative_to(ROOT).parts)
)
OTHERS = {
    "text", "console", "sh", "cpp", "cmake", "css", "html", "javascript", "json", "make", "markdown", "matlab", "toml", "yaml",
    "{eval-rst}", "{math}", "{toctree}", "{include}",
}  # fmt: skip


def is_doctested(path: Path) -> bool:
    """Whether pytest's own settings make it look for examples there."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    name = path.relative_to(ROOT).as_posix()
    globs = [option.removeprefix("--doctest-glob=") for option in settings["addopts"] if option.startswith("--doctest-glob=")]
    is_collected = any(name == place or name.startswith(f"{place}/") for place in settings["testpaths"])
    return is_collected and any(fnmatch.fnmatch(name, glob) for glob in globs)


def problem(block: Block, *, executed: bool, doctested: bool) -> str | None:
    """Why nobody runs the block, or nobody can tell that it is not to be run."""
    if block.language == "{code-cell}":
        if not executed:
            return "a cell in a page that is not executed"
        return "a cell inside a directive, where it is not executed" if block.depth else None
    if block.language in ("python", "pycon", "py"):
        if not doctest.DocTestParser().get_examples(block.text):
            return "Python that nobody runs"
        return None if doctested else "examples in a page whose doctests do not run"
    return None if block.language in OTHERS else f"a block that does not say what it is: {block.info!r}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_block_is_run_or_is_no_python(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    executed = text.startswith("---\nfile_format: mystnb\n")
    found = [(block.line, problem(block, executed=executed, doctested=is_doctested(path))) for block in blocks(text)]
    assert [(line, what) for line, what in found if what] == []


def test_blocks_that_nobody_runs_are_found() -> None:
    page = "```python\nx = 1\n```\n\n:::{note}\n```{code-cell}\nx\n```\n:::\n\n```\nmake\n```\n\n```python\n>>> 1\n1\n```\n"
    found = list(blocks(page))
    assert [(block.line, block.depth) for block in found] == [(1, 0), (6, 1), (11, 0), (15, 0)]
    said = [problem(block, executed=True, doctested=True) for block in found]
    assert said == [
        "Python that nobody runs",
        "a cell inside a directive, where it is not executed",
        "a block that does not say what it is: ''",
        None,
    ]
    assert problem(found[3], executed=True, doctested=False) == "examples in a page whose doctests do not run"
    assert problem(found[1], executed=False, doctested=True) == "a cell in a page that is not executed"


def test_pages_are_found() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in PAGES}
    assert {"README.md", "docs/index.md", "docs/handbook/kinds/index.md", "benchmarks/README.md"} <= names
