"""What the commands print: text for people on the screen, JSON for programs, errors on stderr.

Owns the consoles and the layout of facts. Numbers are grouped by spaces and never broken over two lines.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from faltung.amounts import grouped, readable_bytes
from faltung.sums import product, times

__all__ = [
    "abandon_stdout",
    "console",
    "factor",
    "grouped",
    "make_table",
    "print_code",
    "print_error",
    "print_facts",
    "print_json",
    "print_line",
    "print_table",
    "print_text",
    "print_title",
    "product",
    "progress",
    "readable_bytes",
    "readable_seconds",
    "status",
    "times",
    "tolerate_narrow_encodings",
    "wrapped",
]

_KEEP = "\ue000"  # stands for a space inside a number while lines are broken


def console(*, stderr: bool = False) -> Console:
    """A console that prints text as it is: brackets in a spec are not markup."""
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


# -- numbers -------------------------------------------------------------------------------------


def readable_seconds(seconds: float) -> str:
    """Seconds in the unit that suits them.

    >>> readable_seconds(0.00123), readable_seconds(4.2e-6)
    ('1.23 ms', '4.20 µs')
    """
    if not math.isfinite(seconds):
        return "–"
    if seconds >= 1:
        return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:.0f} s"
    scale, unit = (1e3, "ms") if seconds >= 1e-3 else (1e6, "µs")
    return f"{seconds * scale:#.3g}".rstrip(".") + f" {unit}"


def factor(value: float | None) -> Text:
    """How many times as fast, green where Faltung is faster; a dash for None.

    >>> factor(2.5).plain, factor(123.4).plain, factor(None).plain
    ('2.50×', '123×', '–')
    """
    if value is None:
        return Text("–", style="dim")
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return Text(f"{value:.{digits}f}×", style="green" if value >= 1 else "yellow")


# -- text ----------------------------------------------------------------------------------------


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` where spaces allow it; a number in groups stays whole.

    >>> wrapped("2·118 013 952 = 236 027 904", 18)
    ['2·118 013 952 =', '236 027 904']
    """
    kept = re.sub(r"(?<=\d) (?=(\d{3}|bytes|[KMGTP]iB|[mµ]?s|GFLOP/s|GB/s)(?!\w))", _KEEP, text)
    lines = textwrap.wrap(kept, max(width, 20), break_long_words=False, break_on_hyphens=False)
    return [line.replace(_KEEP, " ") for line in lines] or [""]


def print_line(text: str = "", style: str = "") -> None:
    """One line, wrapped by words."""
    screen = console()
    for line in wrapped(text, screen.width):
        screen.print(Text(line, style=style), soft_wrap=True)


def print_title(title: str) -> None:
    """A heading, with a line of air above."""
    screen = console()
    screen.print()
    screen.print(Text(title, style="bold"))


def print_facts(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """A titled block of labelled facts; a label may be empty to continue the one above."""
    print_title(title)
    screen = console()
    indent = max(len(label) for label, _ in rows) + 4
    for label, text in rows:
        for number, line in enumerate(wrapped(text, screen.width - indent)):
            head = f"  {label if number == 0 else '':<{indent - 2}}"
            screen.print(Text.assemble((head, "cyan"), line), soft_wrap=True)


def print_code(title: str, code: str) -> None:
    """Code under its title, never wrapped: it is meant to be copied."""
    screen = console()
    screen.print()
    screen.print(Text(f"  {title}", style="cyan"))
    screen.print(Text(textwrap.indent(code.rstrip(), "    ")), soft_wrap=True)


def make_table(*columns: tuple[str, str], gap: int = 2) -> Table:
    """An open table; each column is a header and "left", "right" or "text" (only text may wrap)."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, gap, 0, 0))
    for header, kind in columns:
        table.add_column(header, justify="right" if kind == "right" else "left", no_wrap=kind != "text", overflow="fold", vertical="top")
    return table


def print_table(table: Table) -> None:
    """Print the table without cutting a cell: where the terminal is too narrow for it, it breaks the lines."""
    screen = console()
    needed = 0
    for column in table.columns:
        cells = [Text(cell) if isinstance(cell, str) else cell for cell in (column.header, *column.cells)]
        widest = max(line.cell_len for cell in cells if isinstance(cell, Text) for line in cell.split("\n"))
        if column.no_wrap:
            column.min_width = widest
        needed += (widest if column.no_wrap else min(widest, 20)) + table.padding[1]
    screen.width = max(screen.width, needed)
    screen.print(table, soft_wrap=screen.width > console().width)


def print_text(text: str) -> None:
    """The text as it is, for files and pipes."""
    sys.stdout.write(text)


def print_json(data: Mapping[str, Any]) -> None:
    """The data as JSON on stdout; what JSON has no number for (NaN, infinity) becomes null."""
    sys.stdout.write(json.dumps(_plain(data), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(entry) for entry in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def print_error(problem: str, remedy: str) -> None:
    """``error: problem`` and its remedy, on stderr."""
    screen = console(stderr=True)
    first, *rest = wrapped(problem, max(screen.width, 40) - 7)
    screen.print(Text.assemble(("error: ", "bold red"), first), soft_wrap=True)
    for line in rest:
        screen.print(Text(f"  {line}"), soft_wrap=True)
    for line in wrapped(remedy, max(screen.width, 40) - 2) if remedy else []:
        screen.print(Text(f"  {line}"), soft_wrap=True)


# -- progress ------------------------------------------------------------------------------------


@contextmanager
def progress(what: str, *, quiet: bool) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on stderr, gone when done; none when `quiet` or when stderr is no terminal.

    Gives a function that takes the steps done, the steps in all, and what comes next.
    """
    screen = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True, disable=quiet or not screen.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total, now: bar.update(task, completed=done, total=total, description=now)


@contextmanager
def status(what: str, *, quiet: bool) -> Iterator[None]:
    """A sign of life on stderr for what has no known length; none when `quiet` or when stderr is no terminal."""
    screen = console(stderr=True)
    if quiet or not screen.is_terminal:
        yield
        return
    with screen.status(what):
        yield


# -- streams -------------------------------------------------------------------------------------


def tolerate_narrow_encodings() -> None:
    """Print a question mark where the terminal's encoding has no such sign, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def abandon_stdout() -> None:
    """After the reader of a pipe has gone: let what is still buffered go nowhere, at exit too."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
