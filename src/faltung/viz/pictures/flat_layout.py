"""Where the panels of a stage stand on a flat picture: side by side, or one below the other where grids are rows.

Owns the arrangement with its titles, signs and arrows, not what the panels hold. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from faltung.viz.pictures.boxes import Box, at_least, beside, stacked
from faltung.viz.pictures.drawing import Line, Shape, Text
from faltung.viz.pictures.flat_grids import Look, tap_places
from faltung.viz.pictures.lettering import factor, text_width
from faltung.viz.pictures.panel import Panel, extent
from faltung.viz.pictures.wording import grid_title, kernel_title
from faltung.viz.scene.model import Grid, Stage
from faltung.viz.windows import Index

__all__ = ["Block", "across", "down", "down_arrow"]

Key = TypeVar("Key")

_TITLE, _LABEL = 13.0, 11.0
_LABEL_HEIGHT = 16.0
_ARROW_GAP = 44.0
_GAP = 12.0
_PLUS_GAP = 18.0
_SPREAD = 15
"""Cells across of kernels side by side, or one above the other, up to which the holes of a dilation are drawn in them too."""


@dataclass
class Block:
    """Where a stage stands.

    Attributes
    ----------
    inputs, outputs : dict of int to Panel
        By channel; inputs that are the outputs of the stage before stand there.
    kernels : dict of (int, int) to Panel
        By output and input channel, of those in one group.
    places : mapping
        Where each tap stands in a kernel's panel.
    words : list
        Titles, labels, signs and arrows.
    """

    places: Mapping[Index, Index]
    inputs: dict[int, Panel] = field(default_factory=dict)
    outputs: dict[int, Panel] = field(default_factory=dict)
    kernels: dict[tuple[int, int], Panel] = field(default_factory=dict)
    words: list[Shape] = field(default_factory=list)


def across(stage: Stage, look: Look, given: Block | None = None) -> tuple[Block, Box]:
    """A stage from the left to the right: input, kernels, output; each output beside its kernels.

    Parameters
    ----------
    stage : Stage
    look : Look
    given : Block, optional
        The stage before, whose output is this one's input and stands to the left.

    Returns
    -------
    Block
        Filled when the box is placed.
    Box
    """
    block, groups = _block(stage), _groups(stage)
    titles = _titles(stage)
    widths = [_title_width(title) for title in titles]
    above = max(map(_title_height, titles))
    bands = []
    for ins, outs in groups:
        rows = []
        # Kernels and output have the same above them, so that their middles are at one height.
        header = _LABEL_HEIGHT if len(ins) > 1 or stage.output.channels > 1 else 0.0
        for oc in outs:
            kernels = at_least(_kernel_row(block, stage, look, oc, ins, header, is_labelled=oc == outs[0]), width=widths[1])
            output = at_least(_grid_box(block.outputs, block, stage.output, oc, look, header), width=widths[2])
            rows.append(beside([kernels, output], _ARROW_GAP))
        work = stacked(rows, _GAP)
        bands.append(work if given else beside([at_least(_inputs(block, stage, ins, look), width=widths[0]), work], _ARROW_GAP))
    body = stacked(bands, 2 * _GAP)

    def place(x: float, y: float) -> None:
        body.place(x, y + above)
        if given:
            block.inputs.update(given.outputs)
        else:
            _title(block, titles[0], block.inputs.values(), _label_height(stage.input))
        _title(block, titles[1], block.kernels.values(), _LABEL_HEIGHT if len(groups[0][0]) > 1 else 0.0)
        _title(block, titles[2], block.outputs.values(), _label_height(stage.output))
        for ins, outs in groups:
            kernels = [block.kernels[oc, ic] for oc in outs for ic in ins]
            middle = (min(panel.y for panel in kernels) + max(panel.y + panel.height for panel in kernels)) / 2
            _arrow(block, max(_right(block.inputs[ic]) for ic in ins), min(panel.x for panel in kernels), middle)
            for oc in outs:
                end = max(_right(block.kernels[oc, ic]) for ic in ins) + _bias_width(stage, look)
                _arrow(block, end, block.outputs[oc].x, block.outputs[oc].y + block.outputs[oc].height / 2)

    return block, Box(body.width, body.height + above, place)


def down(stage: Stage, look: Look, given: Block | None = None) -> tuple[Block, Box]:
    """A stage from the top to the bottom, as `across` gives it."""
    block, groups = _block(stage), _groups(stage)
    titles = _titles(stage)
    rows = [
        _kernel_row(block, stage, look, oc, ins, _LABEL_HEIGHT if len(ins) > 1 and oc == outs[0] else 0.0, is_labelled=oc == outs[0])
        for ins, outs in groups
        for oc in outs
    ]
    kernels = stacked(rows, _GAP)
    inputs = stacked(
        [_grid_box(block.inputs, block, stage.input, channel, look, is_beside=True) for channel in range(stage.input.channels)], _GAP
    )
    outputs = stacked(
        [_grid_box(block.outputs, block, stage.output, channel, look, is_beside=True) for channel in range(stage.output.channels)], _GAP
    )
    parts = [_titled(block, title, part) for title, part in zip(titles, (inputs, kernels, outputs), strict=True)][1 if given else 0 :]
    body = stacked([piece for part in parts for piece in (down_arrow(block.words), part)][1:])

    def place(x: float, y: float) -> None:
        body.place(x, y)
        if given:
            block.inputs.update(given.outputs)

    return block, Box(body.width, body.height, place)


# -- parts ---------------------------------------------------------------------------------------


def _block(stage: Stage) -> Block:
    groups = _groups(stage)
    spread = tap_places(stage, True)
    shown = _shown(spread)
    wide = len(groups[0][0]) * shown[-1] * (shown[0] if len(shown) == 3 else 1)
    high = len(groups) * len(groups[0][1]) * (shown[-2] if len(shown) > 1 else 1)
    return Block(spread if max(wide, high) <= _SPREAD else tap_places(stage, False))


def _groups(stage: Stage) -> list[tuple[list[int], list[int]]]:
    """The input and the output channels of each group."""
    grids = (stage.input, stage.output)
    return [
        (
            [channel for channel, group in enumerate(grids[0].groups) if group == one],
            [channel for channel, group in enumerate(grids[1].groups) if group == one],
        )
        for one in dict.fromkeys(stage.input.groups)
    ]


def _shown(places: Mapping[Index, Index]) -> Index:
    """Cells along each axis of a kernel's panel."""
    return tuple(max(along) + 1 for along in zip(*places.values(), strict=True))


def _inputs(block: Block, stage: Stage, channels: Sequence[int], look: Look) -> Box:
    """The inputs of a group, in several columns where they are many."""
    boxes = [_grid_box(block.inputs, block, stage.input, channel, look) for channel in channels]
    rows = len(boxes) if len(boxes) <= 4 else max(4, math.ceil(math.sqrt(len(boxes))))
    return beside([stacked(boxes[start : start + rows], _GAP) for start in range(0, len(boxes), rows)], _GAP)


def _grid_box(
    panels: dict[int, Panel], block: Block, grid: Grid, channel: int, look: Look, header: float = 0.0, *, is_beside: bool = False
) -> Box:
    """A channel of a grid with its label, above it or to its left."""
    panel = _panel_box(panels, channel, block, grid.first, grid.shown_size, look.side)
    if grid.channels == 1:
        return stacked([stacked([], header), panel]) if header else panel
    label = _text_box(block, f"channel {channel}", "muted", _LABEL, _LABEL_HEIGHT)
    return beside([label, panel], 8) if is_beside else stacked([label, panel])


def _panel_box(panels: dict[Key, Panel], key: Key, block: Block, first: Index, shown: Index, side: float) -> Box:
    width, height = extent(shown, side)
    above = _LABEL_HEIGHT if len(shown) == 3 else 0.0

    def place(x: float, y: float) -> None:
        panel = panels[key] = Panel(x, y + above, side, first, shown)
        for number, middle, wide in panel.slices:
            text = f"slice {number}".replace("-", "−")
            text = text if text_width(text, _LABEL) <= wide + 6 else text.removeprefix("slice ")
            block.words.append(Text((middle, y + above - 8), text, "muted", _LABEL))

    return Box(width, height + above, place)


def _kernel_row(block: Block, stage: Stage, look: Look, output: int, inputs: Sequence[int], header: float, *, is_labelled: bool) -> Box:
    """The kernels that make one output channel, with plus signs between them, and its bias; their input channels above them."""
    shown = _shown(block.places)
    boxes: list[Box] = []
    for channel in inputs:
        if boxes:
            boxes.append(_text_box(block, "+", "muted", _TITLE, _LABEL_HEIGHT, _PLUS_GAP))
        boxes.append(_panel_box(block.kernels, (output, channel), block, (0,) * len(shown), shown, look.kernel_side))
    if _bias_width(stage, look):
        boxes.append(_text_box(block, _bias_text(stage, output), "muted", _TITLE, _LABEL_HEIGHT, _bias_width(stage, look)))
    row = beside(boxes)

    def place(x: float, y: float) -> None:
        row.place(x, y + header)
        if is_labelled and len(inputs) > 1:
            for channel in inputs:
                panel = block.kernels[output, channel]
                block.words.append(Text((panel.x + panel.width / 2, y + header / 2), str(channel), "muted", _LABEL))

    return Box(row.width, row.height + header, place)


def _bias_text(stage: Stage, output: int) -> str:
    return "" if stage.kernel.bias is None else f"+ {factor(stage.kernel.bias[output])}"


def _bias_width(stage: Stage, look: Look) -> float:
    """The room for the biases, none where they are not said."""
    if stage.kernel.bias is None or not look.has_numbers:
        return 0.0
    return max(text_width(_bias_text(stage, channel), _TITLE) for channel in range(stage.output.channels)) + 8


# -- words ---------------------------------------------------------------------------------------


def _titles(stage: Stage) -> tuple[str, str, str]:
    kernel = kernel_title(stage)
    ins = _groups(stage)[0][0]
    if len(ins) > 1:
        kernel += f", {len(ins)} input channels"
    if stage.kernel.bias is not None:
        kernel += ", plus bias"
    return grid_title(stage.input), kernel, grid_title(stage.output)


def _split(title: str) -> tuple[str, str]:
    """What is large, and what stands small below it."""
    name, _, details = title.partition(", ")
    return name, details


def _title_width(title: str) -> float:
    name, details = _split(title)
    return max(text_width(name, _TITLE), text_width(details, _LABEL))


def _label_height(grid: Grid) -> float:
    return (_LABEL_HEIGHT if grid.channels > 1 else 0.0) + (_LABEL_HEIGHT if len(grid.size) == 3 else 0.0)


def _title(block: Block, title: str, panels: Iterable[Panel], labels: float) -> None:
    """Centred above the panels and the labels that stand on them."""
    found = list(panels)
    x = (min(panel.x for panel in found) + max(map(_right, found))) / 2
    block.words += _title_texts(title, x, min(panel.y for panel in found) - labels)


def _title_height(title: str) -> float:
    return 36.0 if _split(title)[1] else 22.0


def _title_texts(title: str, x: float, bottom: float) -> list[Text]:
    """A title that ends above `bottom`."""
    name, details = _split(title)
    if not details:
        return [Text((x, bottom - 13), name, "text", _TITLE)]
    return [Text((x, bottom - 27), name, "text", _TITLE), Text((x, bottom - 11), details, "muted", _LABEL)]


def _titled(block: Block, title: str, box: Box) -> Box:
    def place(x: float, y: float) -> None:
        block.words.extend(_title_texts(title, x + _title_width(title) / 2, y + _title_height(title)))

    return stacked([Box(_title_width(title), _title_height(title), place), box])


def _text_box(block: Block, text: str, role: str, size: float, height: float, width: float = 0.0) -> Box:
    wide = max(text_width(text, size), width)
    return Box(wide, height, lambda x, y: block.words.append(Text((x + wide / 2, y + height / 2), text, role, size)))


def _right(panel: Panel) -> float:
    return panel.x + panel.width


def _arrow(block: Block, start: float, end: float, y: float) -> None:
    block.words.append(Line(((start + 8, y), (end - 8, y)), "arrow", arrow=True))


def down_arrow(words: list[Shape]) -> Box:
    """An arrow from what is above to what is below."""
    return Box(12, 40, lambda x, y: words.append(Line(((x + 6, y + 8), (x + 6, y + 34)), "arrow", arrow=True)))
