"""What other threads do at the worst moment, in the same order each time."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

__all__ = ["between_steps"]


@contextlib.contextmanager
def between_steps(function: Callable[..., Any], happens: Callable[[], object]) -> Iterator[None]:
    """Let `happens` happen before every instruction of `function`, as if another thread had its turn there.

    Of Python functions, and of the comprehensions in them.
    """
    code = function.__code__
    codes = {code, *(constant for constant in code.co_consts if isinstance(constant, type(code)))}

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code not in codes:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            happens()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
