"""A state as a file: SVG, PNG, GIF, a page, or data. What draws is `viz.pictures`; the page is `embed`'s."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from faltung.app.showing import scene_shown
from faltung.app.state import State
from faltung.errors import ConvShapeError, ConvSpecError, one_of
from faltung.viz.pictures.moment import Moment
from faltung.viz.scene.model import Scene

if TYPE_CHECKING:  # Pillow is looked for when a picture is drawn
    from faltung.viz.pictures.animation import Animation

__all__ = ["FORMATS", "STYLES", "export"]

MOST_GIF_PIXELS = 24_000_000
"""Of all frames together; what would have more is drawn smaller, and still takes seconds."""

STYLES = ("flat", "stacked")
"""Grids side by side; the input below and the output above it, seen obliquely."""

MOST_STEPS = 400
"""Of a moving picture: longer ones take minutes to draw and to look at."""


def export(state: State, file_format: str, style: str = "flat", theme: str = "auto", at: Moment | None = None) -> dict[str, str]:
    """A file, ``{"name", "mime", "base64"}``.

    Parameters
    ----------
    state : State
    file_format : {"svg", "png", "gif", "html", "json"}
        A moving picture; a still; a moving picture that shows everywhere; a page with its controls that needs no network; the state and its
        scene as data.
    style : {"flat", "stacked"}
    theme : {"auto", "light", "dark"}
    at : Moment, optional
        Of SVG and PNG the still of this moment; without it SVG moves and PNG shows the last step. The others show all steps.

    Raises
    ------
    ConvError
        There is no picture of the state, or it would be too large.
    """
    one_of("format", file_format, FORMATS, ConvSpecError)
    one_of("style", style, STYLES, ConvSpecError)
    one_of("theme", theme, ("auto", "light", "dark"), ConvSpecError)
    made, mime = FORMATS[file_format]
    scene = scene_shown(state)
    data = made(state, scene, style, theme, at)
    content = data.encode() if isinstance(data, str) else data
    return {"name": f"{_file_name(scene.title)}.{file_format}", "mime": mime, "base64": base64.b64encode(content).decode("ascii")}


def _file_name(title: str) -> str:
    whole = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "convolution"
    return whole if len(whole) <= 60 else whole[:60].rpartition("-")[0]


def _animation(scene: Scene, style: str, theme: str, at: Moment | None = None) -> Animation:
    from faltung.viz.pictures.animate import animate_scene, still_of_scene

    looks: dict[str, Any] = {"style": style, "theme": theme}
    looks["numbers"] = max(stage.input.channels for stage in scene.stages) <= 8  # else they are too small to be read
    return animate_scene(scene, **looks) if at is None else still_of_scene(scene, at, **looks)


def _moving(animation: Animation) -> Animation:
    if animation.frames > MOST_STEPS:
        raise ConvShapeError(
            f"a moving picture would have {animation.frames} steps, more than {MOST_STEPS}.",
            "Export a still (PNG), or a smaller input.",
        )
    return animation


def _svg(_: State, scene: Scene, style: str, theme: str, at: Moment | None) -> str:
    animation = _animation(scene, style, theme, at)
    return _moving(animation).to_svg() if at is None else animation.to_svg(0)


def _png(_: State, scene: Scene, style: str, theme: str, at: Moment | None) -> bytes:
    return _animation(scene, style, theme, at).to_png(-1, scale=2)


def _gif(_: State, scene: Scene, style: str, theme: str, _at: Moment | None) -> bytes:
    animation = _moving(_animation(scene, style, theme))
    pixels = animation.frames * animation.drawing.width * animation.drawing.height
    return animation.to_gif(scale=min(math.sqrt(MOST_GIF_PIXELS / pixels), 1.0))


def _html(state: State, _scene: Scene, _style: str, theme: str, _at: Moment | None) -> str:
    from faltung.app.embed import explorer

    return str(explorer(state.to_dict(), parts=("facts", "plan", "code", "matrices"), theme=theme).html)  # type: ignore[arg-type]


def _json(state: State, scene: Scene, _style: str, _theme: str, _at: Moment | None) -> str:
    return json.dumps({"state": state.to_dict(), "scene": scene.to_dict()}, allow_nan=False)


Maker = Callable[[State, Scene, str, str, Moment | None], str | bytes]

FORMATS: dict[str, tuple[Maker, str]] = {
    "svg": (_svg, "image/svg+xml"),
    "png": (_png, "image/png"),
    "gif": (_gif, "image/gif"),
    "html": (_html, "text/html"),
    "json": (_json, "application/json"),
}
"""What makes a file of each format, and its type."""
