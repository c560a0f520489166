"""Why an answer does not move along: layer against layer, and causes switched off one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.model.shifting.found import Cause, LayerShift
from faltung.model.shifting.networks import LayerResult, ModuleNetwork, Network
from faltung.model.shifting.plane import Difference, Plane, difference, nearest, stride_by_size

__all__ = ["Comparison", "coarse_causes", "examine", "is_multiple"]

Array = NDArray[Any]
Shift = tuple[int, ...]


class Comparison:
    """Results of a moved picture against moved results, at every layer.

    Parameters
    ----------
    shape : tuple of int
        The input's.
    axes : tuple of int
        That move, counted from the end.
    is_circular : bool
    strides : mapping
        Of layers by their names, as far as they are known.
    own : tuple of Fraction
        Of the result.
    lattice : tuple of Fraction
        Of results without positions: the coarsest strides on the way there.
    """

    def __init__(
        self, shape: tuple[int, ...], axes: tuple[int, ...], *, is_circular: bool, strides: Mapping[str, tuple[Fraction, ...]],
        own: tuple[Fraction, ...], lattice: tuple[Fraction, ...],
    ) -> None:  # fmt: skip
        self.shape, self.axes, self.is_circular = shape, axes, is_circular
        self.strides, self.own, self.lattice = strides, own, lattice

    def stride_of(self, name: str, result: Array) -> tuple[Fraction, ...] | None:
        """Input cells to a position along each axis; None where a result has no positions."""
        if result.ndim != len(self.shape) or all(result.shape[axis] == 1 for axis in self.axes):
            return None
        known = self.own if name == "" else self.strides.get(name, ())[-len(self.axes) :]
        if len(known) == len(self.axes):
            return known
        return tuple(stride_by_size(self.shape[axis], result.shape[axis]) for axis in self.axes)

    def of(self, name: str, base: Array, moved: Array, shift: Shift) -> Difference:
        """How far the moved picture's result is from the plain one's, moved by the nearest whole shift; or left where it has no places."""
        stride = self.stride_of(name, base)
        if stride is None:
            return difference(base, moved, (), (), ())
        targets = [nearest(by, step) if base.shape[axis] > 1 else 0 for by, step, axis in zip(shift, stride, self.axes, strict=True)]
        wraps = [self.is_circular and base.shape[axis] * step == self.shape[axis] for step, axis in zip(stride, self.axes, strict=True)]
        return difference(base, moved, targets, wraps, self.axes)


def is_multiple(shift: Shift, stride: Sequence[Fraction]) -> bool:
    """Whether it is a whole number of strides along each axis.

    >>> is_multiple((4, 0), (Fraction(2), Fraction(32))), is_multiple((4, 1), (Fraction(2), Fraction(2)))
    (True, False)
    """
    return all((by / step).denominator == 1 for by, step in zip(shift, stride, strict=True))


def examine(
    network: Network, comparison: Comparison, moved: Callable[[Shift], Array], shifts: Sequence[Shift], step: Callable[[str], None]
) -> tuple[tuple[LayerShift, ...], tuple[Cause, ...], tuple[str, ...]]:
    """Every layer, and the causes where they can be switched off; what could not be."""
    zero = (0,) * len(comparison.axes)
    plain = moved(zero)
    base, layers = network.layers(plain)
    own: list[list[Difference]] = [[] for _ in layers]
    totals = []
    for shift in shifts:
        step("layers")
        result, found = network.layers(moved(shift))
        _gather(comparison, layers, found, shift, own)
        totals.append(comparison.of("", base, result, shift).relative)
    if not isinstance(network, ModuleNetwork) or not comparison.is_circular:
        return tuple(_row(comparison, layer, found, None, shifts) for layer, found in zip(layers, own, strict=True)), (), ()
    return _switched(network, comparison, moved, shifts, step, layers, own, totals)


def _switched(
    network: ModuleNetwork, comparison: Comparison, moved: Callable[[Shift], Array], shifts: Sequence[Shift], step: Callable[[str], None],
    layers: list[LayerResult], own: list[list[Difference]], own_totals: list[float],
) -> tuple[tuple[LayerShift, ...], tuple[Cause, ...], tuple[str, ...]]:  # fmt: skip
    from faltung.model.shifting.switches import Switched

    size = tuple(comparison.shape[axis] for axis in comparison.axes)
    zero = (0,) * len(size)
    notes: set[str] = set()

    base, around = network.layers(moved(zero), Switched(size, zero, circular=True))
    circular: list[list[Difference]] = [[] for _ in around]
    totals = np.zeros((len(shifts), 4))
    for number, shift in enumerate(shifts):
        step("circular borders")
        result, found = network.layers(moved(shift), Switched(size, shift, circular=True))
        _gather(comparison, around, found, shift, circular)
        totals[number, 0] = own_totals[number]
        totals[number, 1] = comparison.of("", base, result, shift).relative
        for column, follows in ((2, ("convolution",)), (3, ("convolution", "pooling"))):
            step("grids that follow")
            switch = Switched(size, shift, circular=True, follows=frozenset(follows))
            totals[number, column] = comparison.of("", base, network.run(moved(shift), switch), shift).relative
            notes.update(switch.notes)
    means = totals.mean(axis=0)
    drops = [*(means[:-1] - means[1:]), means[-1]]
    causes = tuple(Cause(name, float(drop), why) for (name, why), drop in zip(CAUSES, drops, strict=True))
    same = len(layers) == len(around)
    rows = [
        _row(comparison, layer, found, circular[place] if same else None, shifts)
        for place, (layer, found) in enumerate(zip(layers, own, strict=True))
    ]
    return tuple(rows), causes, tuple(sorted(notes))


CAUSES = (
    ("border", "gone where every padding is circular"),
    ("stride phase", "gone where the grids of strided convolutions and of interpolation follow the picture"),
    ("pooling", "gone where the grids of strided pooling follow it too"),
    ("place", "left then: what depends on the place itself, as a flattening or a position embedding does"),
)


def _gather(
    comparison: Comparison, plain: list[LayerResult], moved: list[LayerResult], shift: Shift, found: list[list[Difference]]
) -> None:
    for (name, _, base), (_, _, result), into in zip(plain, moved, found, strict=True):
        into.append(comparison.of(name, base, result, shift))


def _row(
    comparison: Comparison, layer: LayerResult, own: list[Difference], circular: list[Difference] | None, shifts: Sequence[Shift]
) -> LayerShift:
    name, kind, result = layer
    stride = comparison.stride_of(name, result)
    at = [
        one.relative
        for one, shift in zip(circular if circular is not None else own, shifts, strict=True)
        if is_multiple(shift, stride or comparison.lattice)
    ]
    return LayerShift(
        name,
        kind,
        stride,
        float(np.mean([one.relative for one in own])),
        None if circular is None else float(np.mean([one.relative for one in circular])),
        max(at) if at else None,
    )


def coarse_causes(plane: Plane, relative: Array, stride: tuple[Fraction, ...]) -> tuple[Cause, ...]:
    """What can be told from the shifts alone: the error at multiples of the stride, and what others add to it."""
    at = [relative[place] for place, shift in plane if any(shift) and is_multiple(shift, stride)]
    others = [relative[place] for place, shift in plane if not is_multiple(shift, stride)]
    if not at:
        return ()
    border = float(np.mean(at))
    causes = [Cause("border or place", border, "there at whole multiples of the stride too")]
    if others:
        causes.append(Cause("stride phase or pooling", float(np.mean(others)) - border, "what other shifts add to it"))
    return tuple(causes)
