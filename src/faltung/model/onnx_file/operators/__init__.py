"""What each operator becomes: by domain and name, a function of a `Call` that returns what its outputs stand for."""

from __future__ import annotations

from faltung.model.onnx_file.operators import (
    attention,
    convolutions,
    elementwise,
    interpolation,
    moving,
    normalising,
    pooling,
    products,
    quantised,
    recurrent,
    reducing,
    selecting,
    sequences,
)
from faltung.model.onnx_file.operators.table import Operator

__all__ = ["MICROSOFT", "OPERATORS"]

MICROSOFT = "com.microsoft"

_WINGS = (
    attention, convolutions, elementwise, interpolation, moving, normalising, pooling, products, quantised, recurrent, reducing, selecting,
    sequences,
)  # fmt: skip

OPERATORS: dict[tuple[str, str], Operator] = {("", name): operator for wing in _WINGS for name, operator in wing.STANDARD.items()}
OPERATORS |= {(MICROSOFT, name): operator for wing in _WINGS for name, operator in getattr(wing, "CONTRIBUTED", {}).items()}
