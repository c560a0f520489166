"""What can be wrong with a convolution, and how it is said.

Every error of the package is a `ConvError`: it names the argument, the rule it breaks, the numbers put
into that rule, and a remedy. This module owns the classes and imports nothing of the package.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["ConvError", "ConvPlanError", "ConvShapeError", "ConvSpecError", "ConvTypeError", "one_of", "shown"]


class ConvError(ValueError):
    """A convolution that cannot be done as asked.

    Parameters
    ----------
    problem : str
        What is wrong, with its arithmetic; ends with a full stop.
    remedy : str
        What to change, in one or two sentences.

    Examples
    --------
    >>> error = ConvError("stride=(0,) along axis 0 is below 1.", "Use stride 1 to visit every cell.")
    >>> print(error)
    stride=(0,) along axis 0 is below 1.
      Use stride 1 to visit every cell.
    >>> error.remedy
    'Use stride 1 to visit every cell.'
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}\n  {self.remedy}" if self.remedy else self.problem


class ConvSpecError(ConvError):
    """The description itself is contradictory, whatever the input."""


class ConvShapeError(ConvError):
    """An array or a size does not fit the description."""


class ConvTypeError(ConvError, TypeError):
    """An argument has a type or dtype that cannot be convolved."""


class ConvPlanError(ConvError):
    """The algorithm, accuracy, instruction set or thread count asked for does not serve this problem."""


def one_of(name: str, value: object, choices: Iterable[str], error: type[ConvError]) -> str:
    """Return `value` if it is one of `choices`, else raise `error` naming the nearest choice.

    >>> one_of("mode", "same", ["valid", "same", "full"], ConvSpecError)
    'same'
    >>> one_of("mode", "ful", ["valid", "same", "full"], ConvSpecError)
    Traceback (most recent call last):
    faltung.errors.ConvSpecError: mode='ful' is not known.
      Did you mean 'full'? Known: 'valid', 'same', 'full'.
    """
    known = list(choices)
    if isinstance(value, str) and value in known:
        return value
    near = difflib.get_close_matches(value, known, n=1) if isinstance(value, str) else []
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise error(f"{name}={shown(value)} is not known.", f"{hint}Known: {', '.join(map(repr, known))}.")


def shown(value: object, limit: int = 60) -> str:
    """`value` as a message shows it: its repr on one line, cut at `limit` characters, whatever the value is.

    >>> shown((1, 2)), shown("x" * 100, limit=8), shown(10**5000)
    ('(1, 2)', "'xxxxxxx…", '<int>')
    """
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - thousands of digits, endless nesting, an object that cannot show itself
        text = f"<{type(value).__name__}>"
    if "\n" in text:
        text = " ".join(text.split())
    return text if len(text) <= limit else text[:limit] + "…"
