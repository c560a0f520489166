"""The page of a `Report`: an audit's sections, then pictures, each drawn for light and for dark screens."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.extras import optional
from faltung.model.auditing.cells import tame
from faltung.model.auditing.page import sections, style
from faltung.pages import page_html

if TYPE_CHECKING:
    from faltung.model.reporting import Report

__all__ = ["page"]

STYLE = """
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: 0 0 1.6rem; }
figure { margin: 1rem 0 1.6rem; }
figure img { display: block; max-width: 100%; height: auto; border-radius: 8px; }
figcaption { font-size: .9rem; color: var(--muted); max-width: 60rem; margin-top: .4rem; }
summary { cursor: pointer; }
.beside { display: flex; flex-wrap: wrap; gap: 0 2.5rem; align-items: flex-end; }
"""
LIGHT, DARK = {"figure.facecolor": "#faf9f6"}, {"figure.facecolor": "#12161c", "axes.facecolor": "#12161c", "savefig.facecolor": "#12161c"}
DPI = 110


def page(report: Report) -> str:
    """The whole page."""
    parts = [
        ("picture", "What the model saw", _beside(_picture(report), _heat(report))),
        ("field", "What one position sees", _field(report)),
        ("maps", "Feature maps", _maps(report)),
        ("shifts", "When the picture moves", _shifts(report)),
        ("cost", "Cost", sections(report.audit)),
        ("missing", "Not measured", _missing(report)),
    ]
    there = [(place, title, body) for place, title, body in parts if body]
    links = "".join(f'<a href="#{place}">{title}</a>' for place, title, _ in there)
    name = tame(report.audit.name)
    shown = "\n".join(f'<section id="{place}"><h2>{title}</h2>{body}</section>' for place, title, body in there)
    body = f'<main>\n<h1>{escape(name)}</h1>\n<nav aria-label="Sections">{links}</nav>\n{shown}\n</main>'
    return page_html(f"{name} · report · Faltung", f"{style()}{STYLE}", body)


# -- pictures --------------------------------------------------------------------------------------


def _figure(draw: Callable[[], Any], words: str, caption: str = "") -> str:
    """What `draw` gives, an axes or a figure, on light and on dark paper."""
    pyplot = optional("matplotlib.pyplot", extra="plot", purpose="a report's pictures")
    images = []
    for settings, base in ((LIGHT, "default"), (DARK, "dark_background")):
        with pyplot.style.context([base, settings]):
            drawn = draw()
            figure = getattr(drawn, "figure", drawn)
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight")
            pyplot.close(figure)
        images.append(f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}")
    light, dark = images
    below = f"<figcaption>{escape(tame(caption))}</figcaption>" if caption else ""
    return (
        f'<figure><picture><source srcset="{dark}" media="(prefers-color-scheme: dark)">'
        f'<img src="{light}" alt="{escape(tame(words))}" loading="lazy"></picture>{below}</figure>'
    )


def _picture(report: Report) -> str:
    if report.picture is None:
        return ""
    seen = report.picture

    def draw() -> Any:
        ax = optional("matplotlib.pyplot", extra="plot", purpose="a report's pictures").subplots(figsize=(5.2, 5.2))[1]
        ax.imshow(np.moveaxis(seen, 0, -1).astype(np.uint8))
        ax.axis("off")
        return ax

    heat = report.heat
    found = "" if heat is None else f"The model says: class {heat.target}{f', {report.label}' if report.label else ''}."
    return _figure(draw, "The picture in the model's resolution.", found)


def _beside(*figures: str) -> str:
    there = [figure for figure in figures if figure]
    return f'<div class="beside">{"".join(there)}</div>' if there else ""


def _field(report: Report) -> str:
    field = report.receptive_field
    if field is None:
        return ""
    is_measured = field.effective is not None
    if report.picture is None and not is_measured:
        return field._repr_html_()
    caption = (
        "The frame is what the layer's middle position can see at all; the heat is how strongly each pixel counts there "
        "(√ of the gradient's size; Luo et al., 2016)."
        if is_measured
        else "The frame is what the layer's middle position can see."
    )
    image = _figure(lambda: field.plot(report.picture, effective=is_measured), f"Receptive field of {field.layer}.", caption)
    return f"{image}{field._repr_html_()}"


def _maps(report: Report) -> str:
    pictures = []
    first = next((one for one in report.maps.values() if one.weight is not None and one.array.ndim == 4), None)
    if first is not None:
        pictures.append(_figure(first.plot_kernels, f"Kernels of {first.layer}.", f"The kernels of the first convolution, {first.layer}."))
    for name in report.shown:
        one = report.maps[name]
        if one.array.ndim not in (3, 4):
            continue
        if one.activation is None:
            draw = lambda one=one: one.plot(max_maps=16)  # noqa: E731
            caption = f"{name}: its result; no activation follows."
        else:
            draw = lambda one=one: one.compare(max_maps=16)  # noqa: E731
            caption = f"{name}: its result, and what {one.activation_name} makes of it."
        pictures.append(_figure(draw, f"Feature maps of {name}.", caption))
    return "".join(pictures)


def _heat(report: Report) -> str:
    heat = report.heat
    if heat is None:
        return ""
    caption = "Where the layer's maps speak for the class (Grad-CAM; Selvaraju et al., 2017)."
    return _figure(lambda: heat.plot(report.picture, label=report.label), "Heat map over the picture.", caption)


def _shifts(report: Report) -> str:
    moved = report.equivariance
    if moved is None:
        return ""
    figures = [_figure(moved.plot, "Error for each shift of the picture.")]
    if moved.layers:
        figures.append(_figure(moved.plot_layers, "Error of each layer."))
    return f"{_beside(*figures)}<details><summary>In numbers</summary>{moved._repr_html_()}</details>"


def _missing(report: Report) -> str:
    return "".join(f"<p>{escape(tame(line))}</p>" for line in report.missing)
