"""Which dimensions of an array run along which axes of a model's input, also where axes are flattened, split and interleaved.

Owns parts of dimensions and what reshaping does to them. Knows neither layers nor sizes of windows. Standard library only.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

__all__ = ["Dim", "Layout", "Part", "blurred", "carried", "is_aligned", "joined", "of_shape", "parts_of", "reshaped"]


@dataclass(frozen=True, slots=True)
class Part:
    """One digit of a dimension's index. Digits stand in the order of a number's, the last one changes fastest.

    Attributes
    ----------
    size : int
        Values that the digit takes.
    axes : tuple of int
        The input axis along which it counts; none for samples and channels; several where it runs along all of them.
    step : int
        Positions from one value to the next.
    is_known : bool
        False where it runs along its axes in an order that is not followed.
    """

    size: int
    axes: tuple[int, ...] = ()
    step: int = 1
    is_known: bool = True

    @property
    def axis(self) -> int | None:
        """The axis along which it counts, where that is known."""
        return self.axes[0] if self.axes and self.is_known else None


Dim = tuple[Part, ...]
Layout = tuple[Dim, ...]


def of_shape(shape: Sequence[int]) -> Layout:
    """Dimensions that run along no axis."""
    return tuple((Part(size),) for size in shape)


def parts_of(axis: int, layout: Iterable[Dim]) -> list[Part]:
    """All parts that run along an axis, known or not."""
    return [part for dim in layout for part in dim if axis in part.axes]


def carried(layout: Iterable[Dim]) -> frozenset[int]:
    """The axes along which dimensions run."""
    return frozenset(axis for dim in layout for part in dim for axis in part.axes)


def is_aligned(dim: Dim, layout: Sequence[Dim]) -> bool:
    """Whether the dimension is one axis, all of it and nothing else."""
    return len(dim) == 1 and dim[0].axis is not None and dim[0].step == 1 and len(parts_of(dim[0].axis, layout)) == 1


def blurred(layout: Iterable[Dim], axes: Iterable[int]) -> Layout:
    """The same where positions along these axes are no longer known."""
    gone = frozenset(axes)
    return tuple(tuple(replace(part, step=1, is_known=False) if gone.intersection(part.axes) else part for part in dim) for dim in layout)


def joined(parts: Sequence[Part]) -> Dim:
    """Parts that count on from one another as one.

    >>> joined([Part(3, (0,), step=4), Part(4, (0,))])
    (Part(size=12, axes=(0,), step=1, is_known=True),)
    """
    dim: list[Part] = []
    long = [part for part in parts if part.size != 1]
    for part in long:
        last = dim[-1] if dim else None
        if (
            last is not None
            and (last.axes, last.is_known) == (part.axes, part.is_known)
            and (part.axis is None or last.step == part.step * part.size)
        ):
            dim[-1] = replace(part, size=last.size * part.size)
        else:
            dim.append(part)
    return tuple(dim or sorted(parts, key=lambda part: not part.axes)[:1] or [Part(1)])


def reshaped(layout: Layout, shape: Sequence[int]) -> tuple[Layout, frozenset[int]]:
    """The parts distributed over the dimensions of another shape, and the axes whose order cannot be followed there.

    >>> rows, columns = reshaped(((Part(12, (0,)),),), (3, 4))[0]
    >>> rows, columns
    ((Part(size=3, axes=(0,), step=4, is_known=True),), (Part(size=4, axes=(0,), step=1, is_known=True),))
    """
    rest = list(itertools.chain.from_iterable(layout))
    dims: list[Dim] = []
    for place, size in enumerate(shape):
        if size == 1:
            dims.append((rest.pop(0),) if rest and rest[0].size == 1 else (Part(1),))
            continue
        dim: list[Part] = []
        need = size
        while need != 1:
            part = rest.pop(0) if rest else Part(0)
            if part.size and need % part.size == 0:
                dim.append(part)
                need //= part.size
            elif part.size and need and part.size % need == 0:
                inner = part.size // need
                dim.append(replace(part, size=need, step=part.step * inner))
                rest.insert(0, replace(part, size=inner))
                need = 1
            else:  # Digits would have to be carried: from here on each dimension may hold each of them.
                axes = carried([(*dim, part, *rest)])
                last = [(Part(size, tuple(sorted(axes)), is_known=False),) if axes else (Part(size),) for size in shape[place:]]
                return blurred((*dims, *last), axes), axes
        dims.append(joined(dim))
    left = carried([tuple(part for part in rest if part.size != 1)])
    return blurred(dims, left), left
