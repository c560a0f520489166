"""`equivariance`: whether the answer moves along when the picture moves, measured over a plane of shifts, and why not.

Owns the order of the measurement. What moves and compares is `shift_plane`, what switches causes off `shift_switches`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from faltung.engine.arrays import as_array
from faltung.errors import ConvShapeError, ConvTypeError, one_of, shown
from faltung.model.inputs import batch_of
from faltung.model.shifting.causes import Comparison, coarse_causes, examine
from faltung.model.shifting.found import Equivariance
from faltung.model.shifting.networks import network_of
from faltung.model.shifting.plane import Plane, plane_of, stride_by_size

if TYPE_CHECKING:
    import os

__all__ = ["equivariance"]

Array = NDArray[Any]
BOUNDARIES = ("circular", "crop")


def equivariance(
    f: Callable[[Any], Any] | str | os.PathLike[str],
    x: Any,
    shifts: int | Sequence[Any] | None = None,
    boundary: str = "circular",
    *,
    stride: int | Sequence[int | Fraction] | None = None,
    axes: Sequence[int] | None = None,
    preprocess: Callable[[Any], Any] | None = None,
    details: bool = True,
    progress: Callable[[int, int, str], None] | None = None,
) -> Equivariance:
    """How far f(shift(x)) is from shift(f(x)), for each shift of a plane, and what keeps them apart.

    Parameters
    ----------
    f : callable, torch.nn.Module or path of an ONNX file
        A function is given arrays, or tensors where `x` is one.
    x : array or tensor (N, C, *size), (C, H, W) or (H, W); or path of a picture
        As `f` takes it; of functions of any number of dimensions. Integers are compared exactly.
    shifts : int, sequence of int, or one sequence for each axis, optional
        Downwards and to the right, in cells of the input: from 0 to the number, those listed, or by default two periods of the stride.
    boundary : {"circular", "crop"}
        What comes in when the picture moves: what left on the other side; or what lies beside it, `f` being given windows of `x` that are
        smaller than it by the largest shift; `shifts` are needed then.
    stride : int or sequence, optional
        Input cells to a position of the result. By default that of the model's graph, else by the sizes, exact where one divides the other.
    axes : sequence of int, optional
        Of `x` and of the result, counted from the end; by default the last two.
    preprocess : callable, optional
        From a picture to `x`, as of `faltung.feature_maps`.
    details : bool
        Compare the layers, and switch causes off one after the other where `f` is a module.
    progress : callable, optional
        Called with steps done, steps in all, and what is next.

    Returns
    -------
    Equivariance
        A result without positions, such as a classifier's, is to stay as it is: that is invariance.

    Raises
    ------
    ConvTypeError, ConvShapeError

    Notes
    -----
    A layer of stride s is equivariant to multiples of s if its borders are circular: its error is 0 there, exactly in integers. Other
    shifts are compared with the nearest whole shift of the result, the upper one of two.

    Examples
    --------
    >>> import faltung as fl
    >>> spec = fl.ConvSpec.parse("conv2d(1, 1, 3, stride=2, padding=1, padding_mode='circular', bias=False)")
    >>> weight = np.arange(9).reshape(1, 1, 3, 3)
    >>> picture = np.random.default_rng(0).integers(0, 256, (1, 1, 16, 16))
    >>> found = equivariance(lambda x: fl.conv(spec, x, weight), picture)
    >>> (found.error == 0).astype(int)
    array([[1, 0, 1, 0, 1],
           [0, 0, 0, 0, 0],
           [1, 0, 1, 0, 1],
           [0, 0, 0, 0, 0],
           [1, 0, 1, 0, 1]])
    """
    one_of("boundary", boundary, BOUNDARIES, ConvTypeError)
    given = _given(f, x, preprocess)
    network = network_of(f, given)
    array = np.asarray(given.detach().cpu()) if hasattr(given, "detach") else given
    places = _axes(axes, array.ndim)
    views = _Views(array, places, boundary, shifts)
    with network.untouched():
        plain = network.run(views.plain)
        strides = {} if stride is not None else network.strides(views.plain)
        has_positions = plain.ndim == array.ndim and any(plain.shape[axis] > 1 for axis in places)
        own = _asked(stride, places) or strides.get("", ())[-len(places) :]
        if len(own) != len(places):
            own = tuple(stride_by_size(views.plain.shape[axis], plain.shape[axis] if has_positions else 1) for axis in places)
        lattice = own if has_positions else _coarsest(strides, own, places)
        plane = views.plane or plane_of(shifts, lattice, views.sizes)
        comparison = Comparison(views.plain.shape, places, is_circular=boundary == "circular", strides=strides, own=own, lattice=lattice)
        examined = _examined(plane, lattice, is_given=shifts is not None) if details else []
        runs = 4 if network.can_switch and boundary == "circular" else 1
        steps = _Steps(progress, int(np.prod(plane.shape)) + len(examined) * runs)
        error, relative = np.zeros(plane.shape), np.zeros(plane.shape)
        votes = []
        for place, shift in plane:
            steps.take(f"shift {', '.join(map(str, shift))}")
            result = network.run(views.moved(shift))
            one = comparison.of("", plain, result, shift)
            error[place], relative[place] = one.largest, one.relative
            if result.ndim == 2 and not has_positions and result.shape[1] > 1:
                votes.append(result.argmax(axis=1))
        layers, causes, notes = examine(network, comparison, views.moved, examined, steps.take) if examined else ((), (), ())
        return Equivariance(
            network.name,
            boundary,
            plane.along,
            lattice,
            has_positions,
            error,
            relative,
            layers,
            causes or coarse_causes(plane, relative, lattice),
            _consistency(votes) if votes else None,
            tuple(examined),
            notes,
        )


class _Views:
    """What `f` is given: `x` moved around, or windows of it."""

    def __init__(self, x: Array, axes: tuple[int, ...], boundary: str, shifts: object) -> None:
        self.x, self.axes, self.is_circular = x, axes, boundary == "circular"
        self.plane: Plane | None = None
        self.ends: list[tuple[int, int]] = [(0, 0)] * len(axes)
        if not self.is_circular:
            if shifts is None:
                raise ConvTypeError(
                    "boundary='crop' needs shifts: windows are smaller than x by the largest of them.", "Give shifts=8, and x larger by 8."
                )
            self.plane = plane_of(shifts, [Fraction(1)] * len(axes), [x.shape[axis] for axis in axes])
            self.ends = [(min(0, *along), max(0, *along)) for along in self.plane.along]
            for axis, (low, high) in zip(axes, self.ends, strict=True):
                if high - low >= x.shape[axis]:
                    raise ConvShapeError(
                        f"shifts from {low} to {high} leave no window of the {x.shape[axis]} cells of x.",
                        "Give a larger x, or smaller shifts.",
                    )
        self.plain = self.moved((0,) * len(axes))
        self.sizes = tuple(self.plain.shape[axis] for axis in axes)

    def moved(self, shift: Sequence[int]) -> Array:
        """The picture moved down and to the right."""
        if self.is_circular:
            return np.ascontiguousarray(np.roll(self.x, shift, self.axes))
        index: list[slice] = [slice(None)] * self.x.ndim
        for axis, by, (low, high) in zip(self.axes, shift, self.ends, strict=True):
            index[axis] = slice(high - by, self.x.shape[axis] + low - by)
        return np.ascontiguousarray(self.x[tuple(index)])


class _Steps:
    """Tells how far the measurement is."""

    def __init__(self, told: Callable[[int, int, str], None] | None, total: int) -> None:
        self.told, self.total, self.done = told, total, 0

    def take(self, what: str) -> None:
        """One more begins."""
        if self.told is not None:
            self.told(min(self.done, self.total), self.total, what)
        self.done += 1


def _given(f: object, x: Any, preprocess: Callable[[Any], Any] | None) -> Any:
    import os

    if preprocess is not None or isinstance(x, str | os.PathLike):
        return batch_of(x, preprocess)
    given = x if hasattr(x, "detach") else as_array("x", x)
    is_network = isinstance(f, str | os.PathLike) or hasattr(f, "named_modules")
    given = given[None] if is_network and given.ndim == 3 else given
    if given.ndim == 0 or 0 in given.shape:
        raise ConvShapeError(f"x has shape {tuple(given.shape)}: there is nothing to move.", "Give at least one sample.")
    return given


def _axes(axes: object, ndim: int) -> tuple[int, ...]:
    chosen = tuple(range(-min(ndim, 2), 0)) if axes is None else tuple(axes) if isinstance(axes, Sequence) else ()
    if not 1 <= len(chosen) <= 2 or len(set(chosen)) != len(chosen) or any(not isinstance(a, int) or not -ndim <= a < 0 for a in chosen):
        raise ConvTypeError(f"axes={shown(axes)} are no one or two axes, counted from the end.", "Give (-2, -1), or (-1,) for one.")
    return chosen


def _asked(stride: object, axes: tuple[int, ...]) -> tuple[Fraction, ...]:
    if stride is None:
        return ()
    given: tuple[Any, ...] = tuple(stride) if isinstance(stride, Sequence) else (stride,) * len(axes)
    if len(given) != len(axes) or any(isinstance(one, bool) or not isinstance(one, int | Fraction) or one <= 0 for one in given):
        raise ConvTypeError(f"stride={shown(stride)} is no positive whole number or fraction for each axis.", "Give stride=2 or (2, 4).")
    return tuple(Fraction(one) for one in given)


def _coarsest(strides: dict[str, tuple[Fraction, ...]], own: tuple[Fraction, ...], axes: tuple[int, ...]) -> tuple[Fraction, ...]:
    """The largest strides of any layer: the lattice of a network whose result has no positions."""
    known = [layer[-len(axes) :] for layer in strides.values() if len(layer) >= len(axes)]
    return tuple(max(along) for along in zip(*known, strict=True)) if known else tuple(min(one, Fraction(32)) for one in own)


def _examined(plane: Plane, lattice: Sequence[Fraction], *, is_given: bool) -> list[tuple[int, ...]]:
    """Some shifts of the plane: multiples of the `lattice`, and some that are none of its or of finer ones."""
    along = []
    for axis, shifts in enumerate(plane.along):
        period = max(int(lattice[axis]), 1)
        if is_given:
            residues = (0, 1 % period, (period // 2 + 1) % period)
            of_each = (next((by for by in shifts if by and by % period == residue), shifts[0]) for residue in residues)
            along.append(tuple(sorted({shifts[0], *of_each, shifts[-1]})))
        else:
            along.append(tuple(sorted({by for by in (0, 1, period // 2 + 1, period) if by <= max(shifts)})))
    return [shift for _, shift in Plane(tuple(along)) if any(shift)]


def _consistency(votes: Sequence[Array]) -> float:
    """The share of pairs of shifts with the same class, in percent, on average over samples."""
    classes = np.stack(votes)
    count = len(classes)
    if count < 2:
        return 100.0
    pairs = [np.unique(column, return_counts=True)[1] for column in classes.T]
    return float(np.mean([100 * (same * (same - 1)).sum() / (count * (count - 1)) for same in pairs]))
