"""Drawings as SVG: one file that moves by CSS alone, or the still of one frame.

Owns the markup of shapes and the rules that show them in their frames. Standard library only; `player`
puts the same markup into a page.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from faltung.errors import ConvSpecError, one_of
from faltung.viz.pictures.drawing import Drawing, Point, Polygon, Shape, Text
from faltung.viz.pictures.palette import ROLES, Paint, Palette
from faltung.viz.pictures.strokes import capital_middle, rectangle, with_head

__all__ = ["MAX_SHAPES", "Theme", "animated_svg", "escaped", "still_svg", "themed"]

Theme = Literal["auto", "light", "dark"]

MAX_SHAPES = 50_000
"""Drawings with more shapes are refused: their files, of some 5 MB and more, stall browsers."""

_FONTS = "system-ui,-apple-system,Segoe UI,Roboto,DejaVu Sans,sans-serif"

# Pages that choose their theme themselves: JupyterLab, VS Code, Colab and pages made by Sphinx themes.
_LIGHT_HOSTS = ':is([data-jp-theme-light="true"],.vscode-light,html[theme="light"],[data-theme="light"])'
_DARK_HOSTS = ':is([data-jp-theme-light="false"],.vscode-dark,.vscode-high-contrast,html[theme="dark"],[data-theme="dark"])'

Interval = tuple[int, int] | None
Rules = Callable[[str, Literal["light", "dark"]], str]


def animated_svg(
    drawing: Drawing,
    palette: Palette,
    theme: Theme,
    *,
    seconds: float,
    still: int,
    loop: bool = True,
    scale: float = 1.0,
    hosted: bool = False,
) -> str:
    """The drawing as one SVG file that moves.

    Parameters
    ----------
    drawing : Drawing
    palette : Palette
    theme : {"auto", "light", "dark"}
        ``"auto"`` follows the reader's setting.
    seconds : float
        That each frame is shown.
    still : int
        The frame shown where nothing may or can move.
    loop : bool
        Start again after the last frame, or stay there.
    scale : float
        Of the size that the file asks for.
    hosted : bool
        For a page around it: follow that page's theme, and mark groups with the frames they are visible in.

    Raises
    ------
    ConvSpecError
        More than `MAX_SHAPES` shapes, or a role that is not known.
    """
    _check_size(drawing)
    runs = itertools.groupby(drawing.shapes, lambda shape: _interval(shape, drawing.frames))
    groups = [(interval, list(shapes)) for interval, shapes in runs if interval is None or interval[0] < interval[1]]
    numbers = {interval: number for number, interval in enumerate(dict.fromkeys(interval for interval, _ in groups if interval))}
    body = []
    for interval, shapes in groups:
        drawn = _shapes(shapes, palette)
        if interval is None:
            body.append(drawn)
            continue
        first, end = interval
        hidden = "" if first <= still < end else ' visibility="hidden"'
        mark = f' data-frames="{first} {end}"' if hosted else ""
        body.append(f'<g class="a i{numbers[interval]}"{mark}{hidden}>{drawn}</g>')
    # The page around says the words where they can be followed frame by frame.
    words = f"{drawing.frames} frames." + ("" if hosted else "".join(f"\n{caption}" for caption in drawing.captions))

    def motion(scope: str) -> str:
        count = "infinite" if loop else "1"
        rules = [f".{scope} .a{{animation:{drawing.frames * seconds:.6g}s step-end {count} forwards}}"]
        for (first, end), number in numbers.items():
            rules.append(f".{scope} .i{number}{{animation-name:{scope}-{number}}}")
            rules.append(f"@keyframes {scope}-{number}{{{_keyframes(first, end, drawing.frames)}}}")
        rules.append(f"@media (prefers-reduced-motion:reduce){{.{scope} .a{{animation:none}}}}")
        return "\n".join(rules) if numbers else ""

    return _document(drawing, palette, theme, "\n".join(body), words, drawing.shapes, scale, hosted, motion)


def still_svg(drawing: Drawing, palette: Palette, theme: Theme, frame: int, *, scale: float = 1.0) -> str:
    """One frame of the drawing as an SVG file."""
    _check_size(drawing)
    shapes = tuple(drawing.visible(frame))
    return _document(drawing, palette, theme, _shapes(shapes, palette), drawing.captions[frame], shapes, scale, False, lambda _: "")


def escaped(text: str) -> str:
    r"""Text that is safe between tags and in quotes, of XML as of HTML; what XML cannot hold becomes U+FFFD.

    >>> escaped('a < "b"\x00')
    'a &lt; &quot;b&quot;�'
    """
    text = re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def themed(theme: Theme, rules: Rules, *, hosted: bool) -> str:
    """Rules for the theme asked for, or for the one that the reader has chosen.

    Parameters
    ----------
    theme : {"auto", "light", "dark"}
    rules : callable
        From what stands before each selector, and a theme, to rules.
    hosted : bool
        Follow the theme of the page around, too.
    """
    if theme != "auto":
        return rules("", theme)
    css = f"{rules('', 'light')}\n@media (prefers-color-scheme:dark){{\n{rules('', 'dark')}\n}}"
    return f"{css}\n{rules(_LIGHT_HOSTS + ' ', 'light')}\n{rules(_DARK_HOSTS + ' ', 'dark')}" if hosted else css


# -- the file ------------------------------------------------------------------------------------


def _check_size(drawing: Drawing) -> None:
    if len(drawing.shapes) > MAX_SHAPES:
        raise ConvSpecError(
            f"a drawing of {len(drawing.shapes)} shapes is too large for SVG and HTML: the limit is {MAX_SHAPES}.",
            "Draw a smaller input, or fewer steps.",
        )


def _document(
    drawing: Drawing,
    palette: Palette,
    theme: Theme,
    body: str,
    words: str,
    shapes: Sequence[Shape],
    scale: float,
    hosted: bool,
    motion: Callable[[str], str],
) -> str:
    used = _used(shapes)

    def style(scope: str) -> str:
        colours = themed(theme, lambda before, shade: _paints(f"{before}.{scope} ", used, palette, shade), hosted=hosted)
        return f".{scope}{{font-variant-numeric:tabular-nums}}\n{colours}\n{motion(scope)}"

    # Several pictures may stand in one page: what each of them says to CSS is said under a name of its own. The same picture has the
    # same name, which does no harm.
    scope = "f" + hashlib.sha256(f"{style('f')}{body}".encode()).hexdigest()[:8]
    width, height = _number(drawing.width), _number(drawing.height)
    size = f'width="{_number(drawing.width * scale)}" height="{_number(drawing.height * scale)}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{scope}" {size} viewBox="0 0 {width} {height}" role="img"'
        f' font-family="{_FONTS}" text-anchor="middle" stroke-linejoin="round">\n'
        f"<title>{escaped(drawing.title)}</title>\n<desc>{escaped(words)}</desc>\n<style>{style(scope)}</style>\n"
        f'<rect class="background" width="100%" height="100%"/>\n{body}\n</svg>\n'
    )


# -- colours -------------------------------------------------------------------------------------


def _used(shapes: Iterable[Shape]) -> list[tuple[str, str]]:
    """Which kind of element is drawn in which role, in a fixed order."""
    used = {("rect", "background")}
    for shape in shapes:
        if isinstance(shape, Text):
            used.add(("text", shape.role))
        elif isinstance(shape, Polygon):
            used.add(("rect" if rectangle(shape) else "polygon", shape.role))
        else:
            used |= {("path", shape.role), ("head", shape.role)} if shape.arrow else {("path", shape.role)}
    return sorted(used, key=lambda pair: (ROLES.index(one_of("role", pair[1], ROLES, ConvSpecError)), pair[0]))


def _paints(before: str, used: Iterable[tuple[str, str]], palette: Palette, shade: Literal["light", "dark"]) -> str:
    return "\n".join(_paint(before, element, role, palette.paint(role, shade)) for element, role in used)


def _paint(before: str, element: str, role: str, paint: Paint) -> str:
    if element == "head":
        return f"{before}path.{role}.h{{fill:{paint.stroke or 'none'};stroke:none}}"
    if element == "text":
        return f"{before}text.{role}{{fill:{paint.fill or 'none'}{';font-weight:700' if paint.is_bold else ''}}}"
    fill = "none" if element == "path" else paint.fill or "none"
    rules = [f"fill:{fill}"]
    if fill != "none" and paint.opacity < 1:
        rules.append(f"fill-opacity:{paint.opacity:g}")
    if paint.stroke:
        rules.append(f"stroke:{paint.stroke};stroke-width:{paint.width:g}")
        if paint.dash:
            rules.append(f"stroke-dasharray:{paint.dash:g}")
    return f"{before}{element}.{role}{{{';'.join(rules)}}}"


# -- motion --------------------------------------------------------------------------------------


def _interval(shape: Shape, frames: int) -> Interval:
    """The frames of a shape within those there are; None: all of them."""
    if shape.frames is None:
        return None
    first, end = max(shape.frames[0], 0), min(shape.frames[1], frames)
    return None if (first, end) == (0, frames) else (first, end)


def _keyframes(first: int, end: int, frames: int) -> str:
    """Steps of visibility; with ``step-end`` each holds until the next one."""
    states = {0: first == 0, first: True, end: False, frames: end == frames}
    rules = []
    for state, word in ((True, "visible"), (False, "hidden")):
        shares = ",".join(f"{100 * frame / frames:.6g}%" for frame in sorted(states) if states[frame] is state)
        rules.append(f"{shares}{{visibility:{word}}}")
    return "".join(rules)


# -- shapes --------------------------------------------------------------------------------------


def _shapes(shapes: Iterable[Shape], palette: Palette) -> str:
    return "\n".join(itertools.chain.from_iterable(_shape(shape, palette) for shape in shapes))


def _shape(shape: Shape, palette: Palette) -> Iterator[str]:
    if isinstance(shape, Text):
        x, y = shape.at[0], shape.at[1] + capital_middle(shape.size)
        anchor = "" if shape.anchor == "middle" else f' text-anchor="{shape.anchor}"'
        place = f'x="{_number(x)}" y="{_number(y)}" font-size="{_number(shape.size)}"{anchor}'
        yield f'<text class="{shape.role}" {place}>{escaped(shape.text)}</text>'
    elif isinstance(shape, Polygon):
        box = rectangle(shape)
        if box:
            left, top, width, height = map(_number, box)
            rounded = f' rx="{_number(shape.radius)}"' if shape.radius else ""
            yield f'<rect class="{shape.role}" x="{left}" y="{top}" width="{width}" height="{height}"{rounded}/>'
        else:
            yield f'<polygon class="{shape.role}" points="{_points(shape.points)}"/>'
    else:
        points, head = with_head(shape.points, palette.paint(shape.role, "light").width) if shape.arrow else (shape.points, ())
        yield f'<path class="{shape.role}" d="M{_points(points)}"/>'
        if head:
            yield f'<path class="{shape.role} h" d="M{_points(head)}Z"/>'


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _number(value: float) -> str:
    """Hundredths of a pixel, no more digits than needed."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
