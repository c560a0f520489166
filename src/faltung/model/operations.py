"""What the nodes of a model do, whatever framework said it: a few operations by what they mean for costs and for positions.

Dimensions are numbered as in the shapes of the node's first input, batch and channels included.
"""

from __future__ import annotations

from dataclasses import dataclass

from faltung.geometry import Axis
from faltung.spec import ConvSpec

__all__ = [
    "MOVES", "Attend", "Convolve", "Crop", "Elementwise", "Join", "Lookup", "Multiply", "Normalise", "Operation", "Pad", "Permute", "Pool",
    "Reduce", "Reshape", "Resize", "Same", "Unknown",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Convolve:
    """A convolution over the last axes, channels in front of them: ``(N, C, *size)``."""

    spec: ConvSpec


@dataclass(frozen=True, slots=True)
class Pool:
    """A window over the last axes that takes the largest cell, or a mean, of each channel.

    Attributes
    ----------
    axes : tuple of Axis
    how : {"max", "average", "lp"}
    ceil : bool
        The last, partly filled window counts too.
    """

    axes: tuple[Axis, ...]
    how: str
    ceil: bool = False


@dataclass(frozen=True, slots=True)
class Multiply:
    """A matrix product, the sums over the last dimension of the first input.

    Attributes
    ----------
    macs : int
        Multiplications of the whole node.
    is_linear : bool
        The other factor is a weight, so that each row of the input is taken for itself; otherwise both are computed, and rows meet.
    """

    macs: int
    is_linear: bool


@dataclass(frozen=True, slots=True)
class Attend:
    """Attention: each place sees all others. `macs` are those of both products."""

    macs: int


MOVES = ("write", "constant")
"""A part of memory written over, numbers that are no input's."""


@dataclass(frozen=True, slots=True)
class Elementwise:
    """Each result from the cells at its own place, of inputs that are broadcast against one another.

    Attributes
    ----------
    name : str
        ``"relu"``, ``"add"``, ``"multiply"`` …; of `MOVES` numbers are put in place and nothing is calculated.
    activates : bool
        A nonlinearity of one input.
    """

    name: str
    activates: bool = False


@dataclass(frozen=True, slots=True)
class Normalise:
    """Cells normalised by statistics over `dims`; none where the statistics are constants, as of a batch norm that does not train."""

    name: str
    dims: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reduce:
    """A mean, sum or maximum over whole dimensions; `keeps` them at size 1 or drops them."""

    name: str
    dims: tuple[int, ...]
    keeps: bool


@dataclass(frozen=True, slots=True)
class Join:
    """Inputs behind one another along a dimension."""

    dim: int


@dataclass(frozen=True, slots=True)
class Permute:
    """Dimensions in another order: dimension d of the result is dimension ``order[d]`` of the input."""

    order: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reshape:
    """The same numbers in the same order in another shape; flattening is one."""


@dataclass(frozen=True, slots=True)
class Crop:
    """Every `step`-th cell of a dimension from `start` on; of a split each part is a node of its own. A dropped dimension has size 1."""

    dim: int
    start: int
    step: int = 1
    drops: bool = False


@dataclass(frozen=True, slots=True)
class Pad:
    """Cells put around dimensions, or cut off where negative: ``(before, after)`` for each dimension."""

    sides: tuple[tuple[int, int], ...]
    mode: str = "constant"


@dataclass(frozen=True, slots=True)
class Resize:
    """Interpolation along the last axes.

    Attributes
    ----------
    how : {"nearest", "linear", "cubic", "area"}
    places : str
        Where in the input an output lies, by ONNX's names, as `faltung.reach.of_resize` has them; by default as PyTorch has it.
    rounding : str
        To the nearest cell, by ONNX's names.
    """

    how: str
    places: str = ""
    rounding: str = "floor"


@dataclass(frozen=True, slots=True)
class Lookup:
    """Rows of a table or of an input, chosen by numbers that are computed."""


@dataclass(frozen=True, slots=True)
class Same:
    """Nothing but another name, type or copy: casts, identities, dropout that does not train; broadcasting to a larger shape too."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """An operation whose costs and reach are not known here. `reason` says what was met."""

    reason: str


Operation = (
    Convolve
    | Pool
    | Multiply
    | Attend
    | Elementwise
    | Normalise
    | Reduce
    | Join
    | Permute
    | Reshape
    | Crop
    | Pad
    | Resize
    | Lookup
    | Same
    | Unknown
)
