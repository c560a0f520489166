"""Which numbers algorithms that do not sum directly may be given.

Owns the limit.
"""

from __future__ import annotations

from faltung.engine.arrays import HALVES, Array, as_passed
from faltung.engine.native import chosen_isa, get_num_threads, is_within

__all__ = ["LARGEST", "is_moderate"]

LARGEST = {"float32": 2.0**40, "float64": 2.0**400, "bfloat16": 2.0**40}
"""Up to this magnitude of inputs and weights no algorithm overflows on its way, by any sum that fits into memory."""


def is_moderate(array: Array, dtype: str) -> bool:
    """Whether all numbers, or both their parts, are of at most the `LARGEST` magnitude."""
    parts = (array.real, array.imag) if array.dtype.kind == "c" else (array,)
    if dtype in HALVES:  # dot products take denormals for zeros
        return is_within(as_passed(array), LARGEST[dtype], chosen_isa(), get_num_threads(), dtype, True)
    return all(is_within(part, LARGEST[dtype], chosen_isa(), get_num_threads()) for part in parts)
