"""`report`: what there is to know of a model and a picture, measured once: costs, receptive field, feature maps, heat, equivariance.

Owns which layers are shown; ``report_page`` has the page.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ConvError
from faltung.model.auditing.audit import Audit, audit
from faltung.model.fields.field import ReceptiveField
from faltung.model.fields.finding import receptive_field
from faltung.model.inputs import batch_of, picture_of
from faltung.model.onnx_run import is_onnx_path
from faltung.model.seeing.heat import HeatMap, grad_cam
from faltung.model.seeing.maps import FeatureMaps, feature_maps
from faltung.model.shifting.found import Equivariance
from faltung.model.shifting.measuring import equivariance

if TYPE_CHECKING:
    from faltung.photo import Photo

__all__ = ["Report", "report"]

Found = TypeVar("Found")
STEPS = ("counting", "feature maps", "receptive field", "heat map", "shifts")


@dataclass(frozen=True, eq=False)
class Report:
    """What was measured of a model on a picture.

    Attributes
    ----------
    audit : Audit
    maps : FeatureMaps
        Of all convolutions.
    shown : tuple of str
        The layers whose maps the page draws.
    receptive_field : ReceptiveField or None
        Of the middle one of them; of a live module with its effective field on the picture.
    heat : HeatMap or None
        Of a live classifier.
    equivariance : Equivariance or None
    picture : float32 array (3, H, W) or None
        What the model saw, from 0 to 255, where it is known.
    label : str
        The class of the heat map in words.
    missing : tuple of str
        What could not be measured, with the reason.
    """

    audit: Audit
    maps: FeatureMaps
    shown: tuple[str, ...]
    receptive_field: ReceptiveField | None
    heat: HeatMap | None
    equivariance: Equivariance | None
    picture: Photo | None = field(repr=False)
    label: str = ""
    missing: tuple[str, ...] = ()

    def to_html(self) -> str:
        """One page that needs nothing else, for light and dark screens."""
        from faltung.model.report_page import page

        return page(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file."""
        file = Path(path)
        file.write_text(self.to_html(), encoding="utf-8")
        return file


def report(
    model: Any,
    image: Any,
    *,
    preprocess: Callable[[Any], Any] | None = None,
    labels: Sequence[str] = (),
    layers: Sequence[str] | None = None,
    picture: object = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Report:
    """Measure a model on a picture, for one page that joins all of it.

    Parameters
    ----------
    model : torch.nn.Module, or path of an ONNX file
        A file gets no heat map, which needs gradients.
    image : array or tensor ``(1, C, H, W)`` or ``(C, H, W)``, or path of a picture
        As of `faltung.feature_maps`.
    preprocess : callable, optional
        From the picture to the model's input, as of `faltung.feature_maps`.
    labels : sequence of str, optional
        The classes in words.
    layers : sequence of str, optional
        Whose maps are drawn; by default the first convolution, one in the middle and the last with several positions.
    picture : array (3, H, W), optional
        What the model sees, from 0 to 255, where `image` are numbers already and `preprocess` does not tell.
    progress : callable, optional
        Called with steps done, steps in all, and what is next.

    Raises
    ------
    ConvTypeError, ConvShapeError
        The model cannot be read, or does not run on the picture. What only one part cannot measure is told in `Report.missing`.
    """

    def say(step: str) -> None:
        if progress is not None:
            progress(STEPS.index(step), len(STEPS), step)

    is_file = is_onnx_path(model)
    x = batch_of(image, preprocess, name="image")[:1]
    missing: list[str] = []

    def tried(step: str, measure: Callable[[], Found]) -> Found | None:
        say(step)
        try:
            return measure()
        except ConvError as error:
            missing.append(f"{step}: {error}")
            return None

    say("counting")
    counted = audit(model, tuple(x.shape) if is_file else _tensor(model, x))
    say("feature maps")
    maps = feature_maps(model, x)
    shown = tuple(layers) if layers is not None else _some(maps)
    middle = shown[len(shown) // 2]
    measured = {"input_shape": tuple(x.shape)} if is_file else {"image": x, "measured": True}
    seen = tried("receptive field", lambda: receptive_field(model, middle, **measured))
    heat = None if is_file else tried("heat map", lambda: grad_cam(model, x))
    moved = tried("shifts", lambda: equivariance(model, x))
    label = labels[heat.target] if heat is not None and heat.target < len(labels) else ""
    photo = picture_of(image, preprocess) if picture is None else np.asarray(picture, np.float32)
    return Report(counted, maps, shown, seen, heat, moved, photo, label, tuple(missing))


def _some(maps: FeatureMaps) -> tuple[str, ...]:
    """The first convolution, one in the middle, the last: of those with several positions."""
    names = [name for name, one in maps.items() if one.array.ndim == 4 and max(one.array.shape[-2:]) > 1] or list(maps)[:1]
    return tuple(dict.fromkeys((names[0], names[len(names) // 2], names[-1])))


def _tensor(model: Any, x: NDArray[Any] | Any) -> Any:
    from faltung.model.seeing.recording import on_device_of

    return on_device_of(model, np.asarray(x) if not hasattr(x, "detach") else x)
