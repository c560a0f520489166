"""A small vector drawing of one convolution's geometry: input, padding, first and last window, output.

Sizes come from the spec; colours from the page's style sheet, so that the drawing is right in light and dark.
"""

from __future__ import annotations

import html

from faltung.spec import ConvSpec

__all__ = ["window_diagram"]

CELL = 13
GAP = 2


def window_diagram(spec: ConvSpec, input_size: tuple[int, int], title: str) -> str:
    """SVG of `spec`, two spatial axes, on an input of `input_size`."""
    sides, outputs = spec.sides(input_size), spec.output_size(input_size)
    padded = tuple(before + size + after for (before, after), size in zip(sides, input_size, strict=True))
    last = tuple((count - 1) * step for count, step in zip(outputs, spec.stride, strict=True))
    parts = []
    for row in range(padded[0]):
        for column in range(padded[1]):
            inside = 0 <= row - sides[0][0] < input_size[0] and 0 <= column - sides[1][0] < input_size[1]
            parts.append(_cell("input" if inside else "padding", row, column, 0))
    height, width = spec.effective_kernel_size
    parts.append(_frame("first", 0, 0, height, width, 0))
    parts.append(_frame("last", last[0], last[1], height, width, 0))

    right = padded[1] * CELL + 2 * CELL
    top = (padded[0] - outputs[0]) * CELL / 2
    for row in range(outputs[0]):
        parts.extend(_cell("output", row, column, right, top) for column in range(outputs[1]))
    parts.append(_frame("first", 0, 0, 1, 1, right, top))
    parts.append(_frame("last", outputs[0] - 1, outputs[1] - 1, 1, 1, right, top))
    middle = padded[0] * CELL / 2
    parts.append(f'<path class="arrow" d="M{padded[1] * CELL + 8} {middle}h14m-5 -4l5 4l-5 4"/>')

    wide, high = right + outputs[1] * CELL + 2, max(padded[0], outputs[0]) * CELL + 2
    label = html.escape(
        f"{title}: {input_size[0]} by {input_size[1]} cells in, {outputs[0]} by {outputs[1]} out, kernel {height} by {width}"
    )
    size = f'viewBox="-2 -2 {wide + 3} {high + 3}" width="{wide + 3}" height="{high + 3}"'
    return f'<svg role="img" aria-label="{label}" {size}>{"".join(parts)}</svg>'


def _cell(kind: str, row: int, column: int, left: float, top: float = 0) -> str:
    x, y, side = left + column * CELL + GAP / 2, top + row * CELL + GAP / 2, CELL - GAP
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{side}" height="{side}" rx="2"/>'


def _frame(kind: str, row: int, column: int, height: int, width: int, left: float, top: float = 0) -> str:
    x, y = left + column * CELL, top + row * CELL
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width * CELL}" height="{height * CELL}" rx="3"/>'
