"""What `equivariance` found: errors over the plane of shifts, layers, causes, consistency; as text, HTML, data and pictures."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ConvTypeError
from faltung.notebook import table_html

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Cause", "Equivariance", "LayerShift"]

ROUNDING = 1e-4
"""Relative errors up to this are those of single-precision sums in another order."""


@dataclass(frozen=True, slots=True)
class LayerShift:
    """A layer's own result against its moved one.

    Attributes
    ----------
    name, kind : str
    stride : tuple of Fraction or None
        Input cells to a position; None where the result has no positions, and is to stay as it is.
    error : float
        Root mean square of the difference over that of the result, on average over the shifts that were examined.
    circular : float or None
        The same with circular borders throughout the network.
    at_multiples : float or None
        The largest of these at shifts by multiples of the layer's stride, with circular borders where they were measured. Theory says 0,
        up to rounding.
    """

    name: str
    kind: str
    stride: tuple[Fraction, ...] | None
    error: float
    circular: float | None
    at_multiples: float | None


@dataclass(frozen=True, slots=True)
class Cause:
    """What keeps the answer from moving along, and by how much the error falls without it.

    Attributes
    ----------
    name : str
    error : float
        Root mean square of the difference over that of the result, on average over the shifts that were examined.
    meaning : str
    """

    name: str
    error: float
    meaning: str


@dataclass(frozen=True, eq=False)
class Equivariance:
    """How far f(shift(x)) is from shift(f(x)).

    Attributes
    ----------
    name : str
    boundary : str
    shifts : tuple of tuple of int
        Along each axis, in cells of the input, downwards and to the right.
    stride : tuple of Fraction
        Input cells to a position of the result; where it has none, to a position of the coarsest layer on the way there.
    has_positions : bool
        Whether the result has any, and is to move along; a classifier's is to stay as it is.
    error : float64 array
        The largest difference at each shift, rows by columns.
    relative : float64 array
        Its root mean square over that of the result.
    layers : tuple of LayerShift
        In the order in which they ran.
    causes : tuple of Cause
        Switched off in this order. They sum to the mean error of the shifts that were examined.
    consistency : float or None
        Of a classifier: pairs of shifts of which it says the same class, in percent.
    examined : tuple of tuple of int
        Shifts at which layers and causes were measured.
    notes : tuple of str
        What could not be switched off.
    """

    name: str
    boundary: str
    shifts: tuple[tuple[int, ...], ...]
    stride: tuple[Fraction, ...]
    has_positions: bool
    error: NDArray[np.float64] = field(repr=False)
    relative: NDArray[np.float64] = field(repr=False)
    layers: tuple[LayerShift, ...] = field(default=(), repr=False)
    causes: tuple[Cause, ...] = field(default=(), repr=False)
    consistency: float | None = None
    examined: tuple[tuple[int, ...], ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()

    def multiples(self) -> NDArray[np.bool_]:
        """Where in the plane shifts are whole multiples of the stride, no shift among them."""
        along = [[(by / step).denominator == 1 for by in shifts] for shifts, step in zip(self.shifts, self.stride, strict=True)]
        found: NDArray[np.bool_] = np.logical_and.reduce(np.meshgrid(*along, indexing="ij"))
        return found

    @property
    def at_multiples(self) -> float:
        """The largest difference at whole multiples of the stride: 0 for circular borders, exactly in integers."""
        return float(self.error[self.multiples()].max(initial=0.0))

    @property
    def theory(self) -> str:
        """What is to be expected of convolutions, pooling and pointwise functions with circular borders."""
        shifts = f"shifts by multiples of {_pair(self.stride)}" if any(step > 1 for step in self.stride) else "every shift"
        if self.has_positions:
            return f"equivariant to {shifts}, with circular borders"
        return f"no rows and columns to move: stays as it is for {shifts}, with circular borders and pooling over all places"

    def to_dict(self) -> dict[str, Any]:
        """As data."""
        return {
            "name": self.name,
            "boundary": self.boundary,
            "shifts": [list(along) for along in self.shifts],
            "stride": [str(step) for step in self.stride],
            "has_positions": self.has_positions,
            "theory": self.theory,
            "error": self.error.tolist(),
            "relative": self.relative.tolist(),
            "at_multiples": self.at_multiples,
            "consistency": self.consistency,
            "examined": [list(shift) for shift in self.examined],
            "causes": [{"name": one.name, "error": one.error, "meaning": one.meaning} for one in self.causes],
            "layers": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "stride": None if one.stride is None else [str(step) for step in one.stride],
                    "error": one.error,
                    "circular": one.circular,
                    "at_multiples": one.at_multiples,
                }
                for one in self.layers
            ],
            "notes": list(self.notes),
        }

    # -- text -----------------------------------------------------------------------------------------

    def facts(self) -> list[tuple[str, str]]:
        """The whole in a few labelled lines."""
        count = int(np.prod(self.error.shape))
        ends = " and ".join(_span(along) for along in self.shifts)
        rows = [
            ("shifts", f"{count}, {ends}, {'wrapped around' if self.boundary == 'circular' else 'windows of a larger picture'}"),
            ("theory", self.theory),
            ("error", f"mean {percent(float(np.mean(self.relative)))}, largest {percent(float(np.max(self.relative)))} of the result"),
        ]
        if any(step > 1 for step in self.stride):
            rows.append((f"at multiples of {_pair(self.stride)}", self._at_multiples()))
        if self.consistency is not None:
            rows.append(("consistency", f"{self.consistency:.1f} % of pairs of shifts give the same class"))
        if self.causes:
            mean = sum(one.error for one in self.causes)
            over = f", over {len(self.examined)} shifts" if self.examined and len(self.causes) > 2 else ""
            rows.append(("causes", f"{percent(mean)} on average{over}: the sum of"))
        rows += [
            (
                f"  {one.name}",
                f"{percent(one.error)}, {one.meaning if one.error > -ROUNDING else 'below 0: without it the error is larger'}",
            )
            for one in self.causes
        ]
        rows += [("note", note) for note in self.notes]
        return rows

    def _at_multiples(self) -> str:
        moved = self.multiples() & ~np.logical_and.reduce(np.meshgrid(*([by == 0 for by in along] for along in self.shifts), indexing="ij"))
        if not moved.any():
            return "not measured: the shifts are shorter"
        most = float(self.relative[moved].max())
        return "0 at all of them" if most == 0 else f"{percent(most)} at most"

    def layer_rows(self) -> list[tuple[str, ...]]:
        """The layers in a table: `LAYER_COLUMNS` in words."""
        return [
            (
                one.name,
                one.kind,
                "no positions" if one.stride is None else _pair(one.stride),
                percent(one.error),
                "–" if one.circular is None else percent(one.circular),
                "–" if one.at_multiples is None else percent(one.at_multiples),
            )
            for one in self.layers
        ]

    def __repr__(self) -> str:
        facts = self.facts()
        width = max(len(label) for label, _ in facts)
        lines = [f"equivariance of {self.name}", *(f"  {label:{width}}  {text}" for label, text in facts)]
        if self.layers:
            rows = [LAYER_COLUMNS, *self.layer_rows()]
            widths = [max(len(row[column]) for row in rows) for column in range(len(LAYER_COLUMNS))]
            lines += ["", *("  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        tables = [table_html(f"equivariance of {self.name}", self.facts())]
        if self.layers:
            tables.append(table_html("layers", self.layer_rows(), LAYER_COLUMNS))
        return "".join(tables)

    # -- pictures -------------------------------------------------------------------------------------

    def plot(self, *, ax: Axes | None = None, colorbar: bool = True) -> Axes:
        """Draw the error over the plane of shifts; rings mark whole multiples of the stride.

        Raises
        ------
        ConvTypeError
            The shifts are along one axis.
        """
        from faltung.model.shifting.pictures import draw_plane

        if self.error.ndim != 2:
            raise ConvTypeError("the shifts are along one axis: there is no plane to draw.", "Plot found.relative over found.shifts[0].")
        return draw_plane(self, ax, colorbar=colorbar)

    def plot_layers(self, *, ax: Axes | None = None) -> Axes:
        """Draw each layer's error in the order in which they ran, with its own borders and with circular ones.

        Raises
        ------
        ConvTypeError
            No layers were compared.
        """
        from faltung.model.shifting.pictures import draw_layers

        if not self.layers:
            raise ConvTypeError("no layers were compared.", "Give a module or an ONNX file, with details=True.")
        return draw_layers(self, ax)


LAYER_COLUMNS = ("layer", "kind", "stride", "error", "circular borders", "at multiples")


def percent(value: float) -> str:
    """A relative error as people read it.

    >>> percent(0.0), percent(0.1234), percent(3e-7), percent(0.00042)
    ('0', '12 %', 'rounding (3e-07)', '0.042 %')
    """
    if value == 0:
        return "0"
    if abs(value) < ROUNDING:
        return f"rounding ({value:.0e})"
    return f"{100 * value:.2g} %" if abs(value) < 1 else f"{100 * value:.0f} %"


def _span(shifts: tuple[int, ...]) -> str:
    """From where to where, and how far apart.

    >>> _span((0, 8, 16)), _span((0, 1, 2)), _span((3, -1))
    ('0 … 16 by 8', '0 … 2', '-1 … 3 by 4')
    """
    steps = {after - before for before, after in itertools.pairwise(sorted(shifts))}
    return f"{min(shifts)} … {max(shifts)}" + (f" by {steps.pop()}" if len(steps) == 1 and steps != {1} else "")


def _pair(stride: tuple[Fraction, ...]) -> str:
    return "×".join(map(str, stride))
