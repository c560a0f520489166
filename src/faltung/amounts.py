"""Amounts as people read them: counts, bytes, shares. Standard library only."""

from __future__ import annotations

__all__ = ["grouped", "readable_bytes", "readable_count", "readable_share"]


def grouped(number: int) -> str:
    """The number in groups of three digits.

    >>> grouped(118013952)
    '118 013 952'
    """
    return f"{number:,}".replace(",", " ")


def readable_count(number: int) -> str:
    """Four digits at most, in thousands (k), millions (M), billions (G) and so on.

    >>> readable_count(4089184256), readable_count(9408), readable_count(64)
    ('4.089 G', '9.408 k', '64')
    """
    value, units = float(number), iter(("", " k", " M", " G", " T", " P", " E"))
    unit = next(units)
    while abs(value) >= 999.5 and (larger := next(units, None)) is not None:
        value, unit = value / 1000, larger
    return f"{number}{unit}" if not unit else f"{value:#.4g}{unit}"


def readable_bytes(count: int) -> str:
    """Bytes in the largest binary unit that leaves at least 1.

    >>> readable_bytes(37632), readable_bytes(12)
    ('36.75 KiB', '12 bytes')
    """
    value = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024 or unit == "PiB":
            break
        value /= 1024
    return f"{count} bytes" if unit == "bytes" else f"{value:.4g} {unit}" if value < 1000 else f"{value:.0f} {unit}"


def readable_share(share: float) -> str:
    """A part of the whole in per cent; what is there and rounds to nothing is not called nothing.

    >>> readable_share(0.5), readable_share(0.00001), readable_share(0.0)
    ('50.0 %', '<0.1 %', '0 %')
    """
    if share == 0:
        return "0 %"
    return "<0.1 %" if share < 0.0005 else f"{100 * share:.1f} %"
