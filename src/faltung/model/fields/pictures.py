"""Receptive fields over images: the box that a position sees, and how strongly each pixel counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from faltung.errors import ConvShapeError, ConvTypeError
from faltung.viz.plots.canvas import colour_bar, set_title
from faltung.viz.plots.photographs import read_image
from faltung.viz.plots.receptive_field import draw_field
from faltung.viz.plots.values import Reals

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from faltung.model.fields.field import ReceptiveField

__all__ = ["draw_receptive_field"]

HEAT = "inferno"


def draw_receptive_field(field: ReceptiveField, image: object, at: Sequence[int], *, effective: bool, ax: Axes | None) -> Axes:
    """What `ReceptiveField.plot` draws."""
    if len(field.axes) != 2:
        raise ConvShapeError(
            f"the input of {field.model} has {len(field.axes)} axes, a picture has 2.", "Read the numbers of .at(…) instead."
        )
    if field.unknown:
        raise ConvTypeError(f"what {field.layer} sees is not known: {field.unknown[0]}.", "Draw a layer in front of that.")
    size = tuple(sight.cells for sight in field.sights)
    picture = np.ones((1, *size)) if image is None else read_image("image", image)
    if picture.shape[1:] != size:
        raise ConvShapeError(
            f"image has {picture.shape[1]}×{picture.shape[2]} pixels, {field.model} was read with {size[0]}×{size[1]}.",
            f"Bring the image to that size, or use input_shape={(*field.input_shape[: field.axes[0]], *picture.shape[1:])}.",
        )
    place = field.place_of(at)
    if effective:
        if field.effective is None or field.place is None:
            raise ConvTypeError("no effective field was measured.", "Use receptive_field(…, measured=True).")
        if at and place != field.place:
            raise ConvShapeError(
                f"the effective field was measured at {field.place}, not at {place}.", f"Use receptive_field(…, at={place})."
            )
        place = field.place
        grey = np.tensordot((0.299, 0.587, 0.114), picture, axes=1)[None] if len(picture) == 3 else picture
        picture = grey
    box = field.at(*(index for index, count in zip(place, field.positions, strict=True) if count is not None))
    window = [span if not sight.is_whole else (0, sight.cells - 1) for span, sight in zip(box.window, field.sights, strict=True)]
    drawn = draw_field(ax, picture, list(box.inside), window, beside=1.9 if effective else 1.1)
    where = ", ".join(str(index) for index, count in zip(place, field.positions, strict=True) if count is not None)
    many = "×".join(str(count) for count in field.positions if count is not None)
    sees, inside = ("×".join(str(0 if span is None else span[1] - span[0] + 1) for span in spans) for spans in (box.window, box.inside))
    sees = f"{sees} cells" if sees == inside else f"{sees} cells, {inside} in the image"
    title = [f"{field.layer}: position ({where}) of {many} sees {sees}" if where else f"{field.layer} sees {sees}"]
    if effective and field.effective is not None:
        _draw_heat(drawn, field.effective.map)
        title.append(f"95 % of its gradient on {100 * field.effective.share:.0f} % of those in the image")
    set_title(drawn, *title)
    return drawn


def _draw_heat(ax: Axes, strength: Reals) -> None:
    height, width = strength.shape
    share = np.sqrt(strength / (strength.max() or 1))  # as a Gaussian falls off, its flanks would not be seen
    heat = ax.imshow(
        share, cmap=HEAT, vmin=0, vmax=1, alpha=np.minimum(0.15 + 2 * share, 0.85), extent=(0, width, height, 0), interpolation="nearest"
    )
    colour_bar(ax, heat, "√(|gradient| / largest)")
