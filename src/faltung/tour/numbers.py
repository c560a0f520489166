"""Numbers as readers like them: three digits, a true minus sign, thousands set off."""

from __future__ import annotations

__all__ = ["milliseconds", "number", "times"]


def number(value: float) -> str:
    """A number for a caption or a table.

    >>> number(-12345.6), number(0.000012345), number(0)
    ('−12,346', '1.23e−05', '0')
    """
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}".replace("-", "−")
    return f"{value:.3g}".replace("-", "−")


def milliseconds(value: float | None) -> str:
    """Milliseconds, or a dash.

    >>> milliseconds(0.04567), milliseconds(1234.5), milliseconds(None)
    ('0.0457 ms', '1,234 ms', '–')
    """
    return "–" if value is None else f"{number(value)} ms"


def times(ratio: float | None) -> str:
    """How many times as fast as the peer, or a dash.

    >>> times(1.234), times(None)
    ('1.23 ×', '–')
    """
    return "–" if ratio is None else f"{ratio:.2f} ×"
