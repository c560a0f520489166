"""What the kernels compute: a correlation, or a weight gradient, in plain sizes.

Owns the type `Problem` and its counts. Everything that a spec can say is reduced to these by `lowering`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A strided, dilated, grouped correlation: in_channels and out_channels are those of one group.

    Along each axis output o and tap k meet input ``o*stride + k*dilation - before``; `mode` says what stands
    outside the input: ``"zeros"`` (zeros that take part), ``"absent"`` (nothing: outside cells take no part),
    or a wrapping mode.
    """

    groups: int
    in_channels: int
    out_channels: int
    in_size: tuple[int, ...]
    out_size: tuple[int, ...]
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    mode: str

    @property
    def terms(self) -> int:
        """Products summed for one output."""
        return self.in_channels * math.prod(self.kernel_size)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one sample."""
        return self.groups * self.out_channels * math.prod(self.out_size) * self.terms

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The fields in the order in which the compiled module takes them."""
        return tuple(getattr(self, name) for name in self.__slots__)
