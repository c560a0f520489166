"""The answer of `receptive_field`: what the positions of a layer see, as numbers, boxes and text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from faltung.errors import ConvShapeError, shown
from faltung.model.tracing.sight import Sight
from faltung.normal_form import entries, integer
from faltung.notebook import table_html
from faltung.reach import Span, hull

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from faltung.model.fields.gradients import Effective

__all__ = ["Box", "ReceptiveField"]


@dataclass(frozen=True, slots=True)
class Box:
    """The cells of the input that one position sees.

    Attributes
    ----------
    window : tuple of (int, int) or None
        For each axis the first and the last cell, past the ends of the input where padding is seen. None where no cell is seen, or where it
        is not known.
    inside : tuple of (int, int) or None
        The part of it that lies in the input.
    """

    window: tuple[Span | None, ...]
    inside: tuple[Span | None, ...]


@dataclass(frozen=True)
class ReceptiveField:
    """What the positions of a layer see of the input, for each of the input's axes beside samples and channels.

    Where there is more than one position along an axis, position ``o`` sees ``size`` cells from ``offset + o * stride`` on, padding counted
    as if the input went on.

    Attributes
    ----------
    model, layer : str
    input_shape : tuple of int
    axes : tuple of int
        The input's dimensions that the numbers below are about.
    sights : tuple of Sight
        What is known of each of them.
    positions : tuple of int or None
        How many positions the layer has along each; None where it has none, as behind global pooling.
    misaligned : tuple of str
        Branches on the way to the layer that meet though their positions lie over different places, a sentence for each.
    cropped : tuple of int
        For each axis: at most so many cells from an edge of the input positions may be missing that see nothing beyond it, for layers crop.
    measured : Box or None
        What was found by gradient, at the position `place`.
    effective : Effective or None
        How strongly each cell of the input counts.
    place : tuple of int or None
        The position that was measured.
    """

    model: str
    layer: str
    input_shape: tuple[int, ...]
    axes: tuple[int, ...]
    sights: tuple[Sight, ...]
    positions: tuple[int | None, ...]
    misaligned: tuple[str, ...] = ()
    cropped: tuple[int, ...] = ()
    measured: Box | None = None
    effective: Effective | None = None
    place: tuple[int, ...] | None = None

    @property
    def sizes(self) -> tuple[tuple[int, ...] | None, ...]:
        """Cells seen by each position of a period; None where that is not known.

        Positions differ where phases of a transposed layer or of a branch have different taps.
        """
        return tuple(_sizes(sight) for sight in self.sights)

    @property
    def size(self) -> tuple[int | None, ...]:
        """Cells seen by the position that sees most; the input's size where every position sees all of it; None where it is not known."""
        return tuple(None if sizes is None else max(sizes, default=0) for sizes in self.sizes)

    @property
    def window(self) -> tuple[int | None, ...]:
        """The same without what all positions see at once, as through global pooling that gates channels; None where nothing is left."""
        return tuple(sight.reach.size if sight.reach and not sight.lost else None for sight in self.sights)

    @property
    def is_whole(self) -> tuple[bool, ...]:
        """Whether every position sees the axis from end to end."""
        return tuple(sight.is_whole for sight in self.sights)

    @property
    def stride(self) -> tuple[Fraction | None, ...]:
        """Input cells from one position to the next, 1/2 where there are two positions to a cell; None where there are no positions."""
        return tuple(sight.reach.stride if sight.reach else None for sight in self.sights)

    @property
    def offset(self) -> tuple[int | None, ...]:
        """The first cell that position 0 sees, negative in the padding; None where there are no positions."""
        return tuple(sight.reach.offset if sight.reach else None for sight in self.sights)

    @property
    def centre(self) -> tuple[Fraction | None, ...]:
        """The cell over whose middle position 0 stands, on average over a period: 0 behind an odd kernel padded as much before as after.

        What all positions of a window of attention see at once does not move them; where branches meet, the first one counts.
        """
        return tuple(sight.centre if sight.reach else None for sight in self.sights)

    @property
    def equivariant(self) -> tuple[tuple[int, int] | None, ...]:
        """``(cells, positions)``: shifts of so many cells move the result by so many positions, were there no borders.

        None where shifts are not followed: behind global pooling, flattening, or weights that belong to places.
        """
        return tuple((sight.repeats[1], sight.repeats[0]) if sight.repeats else None for sight in self.sights)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Why something above is None, naming the layer where positions could not be followed."""
        return tuple(dict.fromkeys(sight.lost for sight in self.sights if sight.lost))

    def at(self, *position: int) -> Box:
        """The cells that one position sees.

        Parameters
        ----------
        *position : int
            One number for each axis along which the layer has positions, negative from the end; none for the middle.

        Raises
        ------
        ConvShapeError
            There is no such position.
        """
        place = self.place_of(position)
        window = tuple(sight.at(index) for sight, index in zip(self.sights, place, strict=True))
        return Box(window, tuple(_inside(span, sight.cells) for span, sight in zip(window, self.sights, strict=True)))

    def place_of(self, position: Sequence[int] = ()) -> tuple[int, ...]:
        """The position checked and counted from the start, with 0 along axes that have none."""
        axes = [axis for axis, count in enumerate(self.positions) if count is not None]
        given = entries(position)
        if not given and given is not None:
            return tuple((count or 0) // 2 for count in self.positions)
        if given is None or len(given) != len(axes):
            raise ConvShapeError(
                f"position {shown(position)} does not have {len(axes)} numbers, as many as {self.layer} has positions along.",
                "Give one for each, or none for the middle.",
            )
        place = [0] * len(self.positions)
        for axis, index in zip(axes, given, strict=True):
            number, count = integer("position", index, error=ConvShapeError), self.positions[axis] or 0
            if not -count <= number < count:
                raise ConvShapeError(
                    f"position {number} along axis {self.axes[axis]}: {self.layer} has {count} there.", f"Use {-count} to {count - 1}."
                )
            place[axis] = number % count
        return tuple(place)

    def plot(self, image: object = None, at: Sequence[int] = (), *, effective: bool = False, ax: Axes | None = None) -> Axes:
        """Draw over an image what one position sees of it.

        Parameters
        ----------
        image : array (H, W), (1, H, W), (3, H, W) or (H, W, 3), optional
            As large as the model's input; without it the field stands alone.
        at : tuple of int
            Row and column of the position, negative from the end; the middle by default.
        effective : bool
            Lay over it how strongly each pixel counts, of a field that was measured; there `at` is the position measured.
        ax : matplotlib Axes, optional

        Raises
        ------
        ConvShapeError, ConvTypeError
        """
        from faltung.model.fields.pictures import draw_receptive_field

        return draw_receptive_field(self, image, at, effective=effective, ax=ax)

    # -- as text -----------------------------------------------------------------------------------

    def rows(self) -> list[tuple[str, ...]]:
        """For each axis: its name, its size, and what is known of it, as text."""
        names = _axis_names(self.axes)
        table = []
        for index, (name, sight) in enumerate(zip(names, self.sights, strict=True)):
            table.append((
                name,
                str(sight.cells),
                _size_text(sight),
                *(str(numbers[index]) if numbers[index] is not None else "–" for numbers in (self.stride, self.offset, self.centre)),
                _measured_text(self.measured, index),
            ))  # fmt: skip
        return table

    def to_dict(self) -> dict[str, Any]:
        """Everything but the map of the effective field, ready for JSON; fractions as text."""

        def text(number: Fraction | None) -> str | None:
            return None if number is None else str(number)

        return {
            "model": self.model,
            "layer": self.layer,
            "input_shape": list(self.input_shape),
            "axes": list(self.axes),
            "size": list(self.size),
            "sizes": [None if sizes is None else list(sizes) for sizes in self.sizes],
            "window": list(self.window),
            "is_whole": list(self.is_whole),
            "stride": [text(number) for number in self.stride],
            "offset": list(self.offset),
            "centre": [text(number) for number in self.centre],
            "positions": list(self.positions),
            "equivariant": [list(pair) if pair else None for pair in self.equivariant],
            "misaligned": list(self.misaligned),
            "unknown": list(self.unknown),
            "place": None if self.place is None else list(self.place),
            "measured": None if self.measured is None else [list(span) if span else None for span in self.measured.window],
            "effective_share": None if self.effective is None else self.effective.share,
        }

    def __repr__(self) -> str:
        lines = [f"ReceptiveField of {self.layer} in {self.model}, input {'×'.join(map(str, self.input_shape))}"]
        header = _HEADER if self.measured else _HEADER[:-1]
        table = [row[: len(header)] for row in [header, *self.rows()]]
        widths = [max(len(row[column]) for row in table) for column in range(len(header))]
        lines += ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
        return "\n".join(lines + [f"  {line}" for line in self.remarks()])

    def remarks(self) -> list[str]:
        """What the numbers do not say."""
        lines = [f"not known: {why}" for why in self.unknown]
        if self.effective is not None:
            lines.append(f"95 % of the gradient lies on {100 * self.effective.share:.1f} % of the cells seen.")
        return lines + [f"misaligned: {line}" for line in self.misaligned]

    def _repr_html_(self) -> str:
        header = _HEADER if self.measured else _HEADER[:-1]
        title = f"Receptive field of {self.layer} in {self.model}"
        rows = [row[: len(header)] for row in self.rows()]
        remarks = table_html("Remarks", [(line,) for line in self.remarks()]) if self.remarks() else ""
        return table_html(title, rows, header) + remarks


_HEADER = ("axis", "input", "size", "stride", "offset", "centre", "measured")


# -- numbers of one axis, as text --------------------------------------------------------------------


def _sizes(sight: Sight) -> tuple[int, ...] | None:
    if sight.lost:
        return None
    if sight.is_whole:
        return (sight.cells,)
    if sight.reach is None or sight.still is None:
        span = sight.still
        return sight.reach.sizes if sight.reach else (0 if span is None else span[1] - span[0] + 1,)
    seen = (hull([sight.still, sight.reach.at(place)]) for place in range(sight.reach.period))
    return tuple(0 if span is None else span[1] - span[0] + 1 for span in seen)


def _size_text(sight: Sight) -> str:
    sizes = _sizes(sight)
    if sizes is None:
        return "not known"
    text = "all" if sight.is_whole else " or ".join(map(str, sorted(set(sizes), reverse=True)))
    return f"{text} (position by position {sight.reach.size})" if sight.reach and sight.still else text


def _measured_text(box: Box | None, axis: int) -> str:
    span = box.window[axis] if box else None
    return f"{span[1] - span[0] + 1} ({span[0]} … {span[1]})" if span else "–"


def _inside(span: Span | None, cells: int) -> Span | None:
    if span is None or span[1] < 0 or span[0] >= cells:
        return None
    return max(span[0], 0), min(span[1], cells - 1)


def _axis_names(axes: Sequence[int]) -> tuple[str, ...]:
    known = {1: ("position",), 2: ("height", "width"), 3: ("depth", "height", "width")}
    return known.get(len(axes)) or tuple(f"axis {axis}" for axis in axes)
