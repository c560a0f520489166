"""Layout: numbers stay whole, JSON stays JSON."""

from __future__ import annotations

import json
import math

import pytest

from faltung.cli import output


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1 KiB"), (1023 * 1024, "1023 KiB"), (3 * 2**40, "3 TiB"), (2**60, "1024 PiB")],
)
def test_bytes(count: int, shown: str) -> None:
    assert output.readable_bytes(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0.00 µs"),
        (1.5e-6, "1.50 µs"),
        (0.000999, "999 µs"),
        (0.0123, "12.3 ms"),
        (0.1, "100 ms"),
        (1.0, "1 s"),
        (5000.0, "5000 s"),
        (math.inf, "–"),
    ],
)
def test_seconds(seconds: float, shown: str) -> None:
    assert output.readable_seconds(seconds) == shown


@pytest.mark.parametrize("width", range(20, 60))
def test_numbers_and_their_units_are_never_broken(width: int) -> None:
    text = "2·118 013 952 = 236 027 904, in all 3.673 MiB or 1 000 000 bytes in 12.3 ms"
    lines = output.wrapped(text, width)
    assert " ".join(lines) == text
    for number in ("118 013 952", "236 027 904", "3.673 MiB", "1 000 000 bytes", "12.3 ms"):
        assert any(number in line for line in lines)


def test_json_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"a": math.nan, "b": [math.inf, 1.5], "c": {"d": frozenset({"x", "a"})}, "e": (1, 2)})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.5], "c": {"d": ["a", "x"]}, "e": [1, 2]}


def test_a_table_too_wide_for_the_terminal_is_not_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    table = output.make_table(("name", "left"), ("number", "right"), ("reason", "text"))
    table.add_row("a" * 25, "123456789", "words that may be wrapped")
    output.print_table(table)
    printed = capsys.readouterr().out
    assert "a" * 25 in printed
    assert "123456789" in printed


def test_no_bar_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress("work", quiet=False) as show_progress:
        show_progress(1, 3, "two")
    with output.status("reading", quiet=False):
        pass
    assert capsys.readouterr() == ("", "")
