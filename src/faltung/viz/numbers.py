"""Numbers of any kind: how they are summed, and written in text, in LaTeX, in JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["Number", "factor_latex", "factor_text", "jsonable", "latex", "shorthand", "sum_of"]

Number = int | float | complex
Json = int | float | str | dict[str, "Json"] | None


def shorthand(value: Number) -> str:
    """The number as text: integers whole, others to six digits, a minus sign that is as wide as a plus.

    >>> shorthand(-3), shorthand(0.1), shorthand(2.0), shorthand(1 - 2j)
    ('−3', '0.1', '2', '1 − 2i')
    """
    if isinstance(value, complex):
        sign = "−" if math.copysign(1, value.imag) < 0 else "+"
        return f"{shorthand(value.real)} {sign} {shorthand(abs(value.imag))}i"
    return (str(value) if isinstance(value, int) else f"{value:.6g}").replace("-", "−")


def factor_text(value: Number) -> str:
    """The number inside a product: in parentheses where it has a sign or two parts.

    >>> factor_text(3), factor_text(-3), factor_text(1j)
    ('3', '(−3)', '(0 + 1i)')
    """
    written = shorthand(value)
    return f"({written})" if isinstance(value, complex) or written.startswith("−") else written


def latex(value: Number) -> str:
    r"""The number in LaTeX's math mode.

    >>> print(latex(-1.5e-7), latex(math.inf), latex(2 - 1j))
    -1.5 \times 10^{-7} \infty 2 - 1i
    """
    if isinstance(value, complex):
        sign = "-" if math.copysign(1, value.imag) < 0 else "+"
        return f"{latex(value.real)} {sign} {latex(abs(value.imag))}i"
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return r"\mathrm{NaN}" if math.isnan(value) else r"\infty" if value > 0 else r"-\infty"
    digits, _, exponent = f"{value:.6g}".partition("e")
    return rf"{digits} \times 10^{{{int(exponent)}}}" if exponent else digits


def factor_latex(value: Number) -> str:
    """The number inside a product in LaTeX: in parentheses where it has a sign, two parts or a power of ten."""
    written = latex(value)
    return f"({written})" if written.startswith("-") or " " in written else written


def jsonable(value: Number | None) -> Json:
    """The number as JSON can hold it: what is infinite or no number as a string, a complex one as its parts.

    >>> jsonable(2), jsonable(math.nan), jsonable(1 + 2j)
    (2, 'NaN', {'real': 1.0, 'imag': 2.0})
    """
    if isinstance(value, complex):
        return {"real": jsonable(value.real), "imag": jsonable(value.imag)}
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def sum_of(values: Sequence[Number]) -> Number:
    """The sum: exact for integers, correctly rounded for finite floats, each part of complex numbers by itself.

    >>> sum_of([1, 2]), sum_of([0.1] * 10), sum_of([1e308, 1e308]), sum_of([])
    (3, 1.0, inf, 0)
    """
    if any(isinstance(value, complex) for value in values):
        parts = [complex(value) for value in values]
        return complex(float(sum_of([part.real for part in parts]).real), float(sum_of([part.imag for part in parts]).real))
    if not any(isinstance(value, float) for value in values):
        return sum(values)
    try:
        return math.fsum(value.real for value in values)
    except (OverflowError, ValueError):  # past the largest float on the way, or infinities of both signs
        return sum(values)
