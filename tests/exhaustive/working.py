"""What a worker does: some shapes on every instruction set, in a process of its own."""

from __future__ import annotations

import traceback
from collections.abc import Container, Iterable

import faltung as fl
from faltung.engine import separable
from tests.exhaustive.case import Case
from tests.exhaustive.comparing import DTYPES, compare, some_dtypes
from tests.exhaustive.report import Report
from tests.exhaustive.shapes import Shape, shape_text
from tests.support.engine import forced_isa

__all__ = ["Numbered", "work"]

Numbered = list[tuple[int, Shape]]


def work(shapes: Numbered, seed: int, isas: Iterable[str], is_every_dtype: bool, algorithms: Container[str] | None) -> Report:
    """Every comparison of these shapes, or those of some algorithms; an exception is a fault of its shape."""
    fl.set_num_threads(1)
    separable.CALL_CYCLES = 0  # shapes are so small that kernels which are outer products would never be worth their call
    report = Report(seed, len(shapes))
    cases = [(number, Case(shape, seed + number)) for number, shape in shapes]
    for isa in isas:
        with forced_isa(isa):
            for number, case in cases:
                text = shape_text(case.shape)
                try:
                    dtypes = tuple(DTYPES) if is_every_dtype else some_dtypes(number, isa)
                    for result in compare(case, number, dtypes, algorithms):
                        report.take(result, isa, number, text)
                except Exception:  # noqa: BLE001 - whatever comes is a fault of this shape
                    report.faults.append(f"shape {number}, {text}: {isa}, {traceback.format_exc()}")
    return report
