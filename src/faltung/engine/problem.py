"""What the kernels compute: a correlation, plain or transposed, or a weight gradient, in plain sizes.

Owns the type `Problem` and its counts. Everything that a spec can say is reduced to these by `lowering`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from faltung.geometry import Phase

__all__ = ["Problem", "ProblemAxis", "size_text"]


class ProblemAxis(NamedTuple):
    """What a `Problem` says along one axis; by default nothing: one output of the only cell."""

    size: int = 1
    out: int = 1
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    before: int = 0

    @property
    def is_trivial(self) -> bool:
        """Whether the compiled module leaves it out."""
        return (self.size, self.out, self.kernel, self.before) == (1, 1, 1, 0)


@dataclass(frozen=True, slots=True)
class Problem:
    """A strided, dilated, grouped correlation, or a transposed one: in_channels and out_channels are those of one group.

    Along each axis output o and tap k meet input ``o*stride + k*dilation - before``; `mode` says what stands
    outside the input: ``"zeros"`` (zeros that take part), ``"absent"`` (nothing: outside cells take no part),
    or a wrapping mode.

    A transposed correlation has `phases`: for each axis its phases in the order of their first output, as many as the stride.
    They say which outputs, taps and inputs meet; `dilation` and `before` do not.

    Where it `keeps_axes`, taps are summed in the order of the axes: a longer axis takes the place of a short last one only where that does
    not change it, or in kernels that keep to it all the same.

    Where it `is_apart`, it is a part of a larger one: rows of its input or output, or cells in them, do not follow one another in memory.
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
    phases: tuple[tuple[Phase, ...], ...] = ()
    keeps_axes: bool = False
    is_apart: bool = False

    @property
    def axes(self) -> tuple[ProblemAxis, ...]:
        """Axis by axis, phases aside."""
        by_axis = zip(self.in_size, self.out_size, self.kernel_size, self.stride, self.dilation, self.before, strict=True)
        return tuple(ProblemAxis(*axis) for axis in by_axis)

    @property
    def terms(self) -> int:
        """Products summed for one output."""
        if self.phases:
            return self.in_channels * math.prod(max(phase.taps for phase in axis) for axis in self.phases)
        return self.in_channels * math.prod(self.kernel_size)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one sample."""
        if self.phases:
            met = math.prod(sum(phase.count * phase.taps for phase in axis) for axis in self.phases)
            return self.groups * self.out_channels * self.in_channels * met
        return self.groups * self.out_channels * math.prod(self.out_size) * self.terms

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The fields in the order in which the compiled module takes them."""
        *plain, phases, keeps_axes, _is_apart = (getattr(self, name) for name in self.__slots__)
        return (*plain, tuple(tuple(dataclasses.astuple(phase) for phase in axis) for axis in phases), keeps_axes)


def size_text(sizes: Iterable[int]) -> str:
    """Numbers along the axes, as refusals show them.

    >>> size_text((3, 3))
    '3×3'
    """
    return "×".join(map(str, sizes))
