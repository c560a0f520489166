"""The body of a question: JSON, bounded in depth before it is read. And the shape of what is said when there is no answer.

Standard library only, beside `errors`.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from faltung.app.server.limits import QUESTION_DEPTH
from faltung.errors import ConvError

__all__ = ["problem", "read_question"]

_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_REMEDY = "The page of the playground sends what is expected; from elsewhere, send an object of JSON."


def read_question(body: bytes) -> dict[str, Any]:
    """The object that `body` spells.

    Raises
    ------
    ConvError
        It is no JSON, no object, nested too deeply, or has numbers that JSON has not (NaN, Infinity).

    >>> read_question(b'{"text": "[[["}')
    {'text': '[[['}
    >>> read_question(b"[" * 40)
    Traceback (most recent call last):
    faltung.errors.ConvError: the question is nested 40 deep, more than 32.
      The page of the playground sends what is expected; from elsewhere, send an object of JSON.
    """
    deep = _depth(body)
    if deep > QUESTION_DEPTH:
        raise ConvError(f"the question is nested {deep} deep, more than {QUESTION_DEPTH}.", _REMEDY)
    try:
        found = json.loads(body, parse_constant=_no_constant)
    except ConvError:
        raise
    except (ValueError, RecursionError) as error:
        raise ConvError(f"the question is no JSON: {str(error)[:120]}.", _REMEDY) from None
    if not isinstance(found, dict):
        raise ConvError(f"the question is a {type(found).__name__}, expected an object.", _REMEDY)
    return found


def _depth(body: bytes) -> int:
    """How many brackets are open at most, those inside of strings apart."""
    deepest = depth = 0
    for mark in re.findall(rb"[\[\]{}]", _TEXT.sub(b"", body)):
        depth += 1 if mark in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _no_constant(name: str) -> NoReturn:
    raise ConvError(f"the question holds {name}, which is no number of JSON.", "Send finite numbers.")


def problem(message: str, hint: str = "") -> dict[str, Any]:
    """The answer of a question that has none.

    >>> problem("no kernel fits.")
    {'problem': {'message': 'no kernel fits.', 'hint': '', 'remedies': []}}
    """
    return {"problem": {"message": message, "hint": hint, "remedies": []}}
