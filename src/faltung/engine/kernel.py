"""What an algorithm makes for one problem: an object that packs weights and runs.

Owns the face that compiled and Python kernels share. `_native.Correlation` has it.
"""

from __future__ import annotations

from typing import Any, Protocol

from faltung.engine.arrays import Array

__all__ = ["Kernel"]


class Kernel(Protocol):
    """The correlation of one problem in one element type. Immutable and safe to share between threads."""

    @property
    def packed_bytes(self) -> int:
        """Bytes of the packed weights."""

    def workspace_bytes(self, threads: int) -> int:
        """Scratch memory of one call, without packed weights."""

    def pack(self, weight: Array, threads: int = 1, borrows: bool = False) -> Any:
        """`weight` (groups, out, in, *kernel), in the order of the correlation, as `run` reads it.

        If it `borrows`, it may refer to `weight`, which is then not to change while the result is in use.
        """

    def run(self, x: Array, packed: Any, bias: Array | None, y: Array, accumulate: bool, threads: int) -> None:
        """Write the correlation of `x` (N, groups, in, *in_size) to `y` (N, groups, out, *out_size), or add it where `accumulate`."""
