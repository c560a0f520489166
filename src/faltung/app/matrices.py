"""Matrices that compute a convolution, read off its scene: im2col, whose columns are windows, col2im, whose columns are stamps, Toeplitz.

Entries are told by where they come from, so that a page can light up the same cell in every view.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from faltung.viz.numbers import Number, jsonable, sum_of
from faltung.viz.scene.model import Scene, Stage

__all__ = ["MAX_ENTRIES", "matrices_of"]

MAX_ENTRIES = 2**14
"""Of one matrix: more cannot be made out on a screen."""


def matrices_of(scene: Scene, gathered: Sequence[Stage | None] | None = None) -> dict[str, Any]:
    """``{"stages": [{"toeplitz", "im2col", "col2im"}, …]}``; instead of a matrix of too many entries ``{"reason"}``.

    Parameters
    ----------
    scene : Scene
    gathered : sequence of (Stage or None), optional
        Beside its stages those as gathers, where a scatter is read both ways: they have the windows that im2col writes out.
    """
    beside = gathered or (None,) * len(scene.stages)
    return {
        "stages": [
            {"toeplitz": _toeplitz(stage), "im2col": _im2col(gather or stage), "col2im": _col2im(stage)}
            for stage, gather in zip(scene.stages, beside, strict=True)
        ]
    }


def _too_large(name: str, size: str) -> dict[str, str]:
    return {"reason": f"{name} would have {size} entries, more than {MAX_ENTRIES}. Use a smaller input, or fewer channels."}


def _toeplitz(stage: Stage) -> dict[str, Any]:
    """The matrix whose product with the flattened input is the flattened output, without bias.

    Row ``oc * cells + cell`` is that cell of the output, column ``ic * cells + cell`` that of the input. An entry is the weight
    between the two, or the sum of several where padding repeats a cell; where no tap ever meets there is no entry.
    """
    walk, is_scatter = stage.walk, stage.reading == "scatter"
    products = sum(map(len, walk.products))
    if products > MAX_ENTRIES:
        return _too_large("the matrix", f"up to {products}")
    inputs, outputs = math.prod(stage.input.size), math.prod(stage.output.size)
    sources = stage.under_window.sources
    met: dict[tuple[int, int], list[int]] = {}
    for focus, (window, number) in enumerate(zip(walk.windows, walk.pattern, strict=True)):
        pattern = walk.patterns[number]
        for oc, ic, tap, weight in zip(pattern.oc, pattern.ic, pattern.tap, pattern.weight, strict=True):
            source = sources[window[tap]]
            if source >= 0:
                cell, read = (source, focus) if is_scatter else (focus, source)
                met.setdefault((oc * outputs + cell, ic * inputs + read), []).append(weight)
    flat = _flat_weights(stage)
    entries = sorted(met.items())
    return {
        "shape": [stage.output.channels * outputs, stage.input.channels * inputs],
        "row": [row for (row, _), _ in entries],
        "column": [column for (_, column), _ in entries],
        "value": [jsonable(_sum(flat, weights)) for _, weights in entries],
        "weights": [weights for _, weights in entries],
    }


def _sum(flat: Sequence[Number], weights: Sequence[int]) -> Number:
    return flat[weights[0]] if len(weights) == 1 else sum_of([flat[weight] for weight in weights])


def _im2col(stage: Stage) -> dict[str, Any] | None:
    """A matrix X for each group, a column a window, whose product with the weights as a matrix is the output.

    None of a scatter, which stamps products and has no windows on the input; and where windows are of different lengths.
    """
    walk, grid = stage.walk, stage.input
    if stage.reading == "scatter" or len({*walk.taps}) != 1:
        return None
    taps = walk.taps[0]
    rows = grid.channels * len(taps)
    if rows * len(walk.windows) > MAX_ENTRIES:
        return _too_large("the matrix of windows", f"{rows} rows * {len(walk.windows)} columns = {rows * len(walk.windows)}")
    zero = type(grid.values[0][0])(0)  # type: ignore[misc]
    spread = [[zero if source < 0 else values[source] for source in grid.sources] for values in grid.values]
    (pattern,) = walk.patterns
    groups = []
    for group in sorted(set(grid.groups)):
        inputs = [channel for channel, own in enumerate(grid.groups) if own == group]
        outputs = [channel for channel, own in enumerate(stage.output.groups) if own == group]
        listed = list(zip(pattern.oc, pattern.ic, pattern.tap, pattern.weight, strict=True))
        below = [(ic, tap) for ic in inputs for tap in range(len(taps))]
        places = [[window[tap] for window in walk.windows] for _, tap in below]
        groups.append(
            {
                "output_channels": outputs,
                "input_channels": inputs,
                "row_channel": [ic for ic, _ in below],
                "row_tap": [tap for _, tap in below],
                "weights": [[weight for oc, _, _, weight in listed if oc == channel] for channel in outputs],
                "places": places,
                "values": [[jsonable(spread[ic][place]) for place in row] for (ic, _), row in zip(below, places, strict=True)],
            }
        )
    return {"groups": groups}


def _col2im(stage: Stage) -> dict[str, Any] | None:
    """A matrix C for each group, a column an input cell: the product of the weights, transposed, with the input.

    Row ``(oc, tap)`` of a column is what the input cell adds at ``places`` of that row and column: a place of the output as it is
    shown, or one that is cropped. None of a gather, which adds nothing up on its output.
    """
    walk = stage.walk
    if stage.reading != "scatter" or len({*walk.taps}) != 1:
        return None
    taps = walk.taps[0]
    rows = stage.output.channels * len(taps)
    if rows * len(walk.windows) > MAX_ENTRIES:
        return _too_large("the matrix of stamps", f"{rows} rows * {len(walk.windows)} columns = {rows * len(walk.windows)}")
    flat, (_, per_group, *kernel) = _flat_weights(stage), stage.kernel.shape
    groups = []
    for group in sorted(set(stage.input.groups)):
        inputs = [channel for channel, own in enumerate(stage.input.groups) if own == group]
        outputs = [channel for channel, own in enumerate(stage.output.groups) if own == group]
        below = [(oc, slot) for oc in outputs for slot in range(len(taps))]
        weights = [[(ic * per_group + oc % per_group) * math.prod(kernel) + taps[slot] for ic in inputs] for oc, slot in below]
        read = [stage.input.values[ic] for ic in inputs]
        groups.append(
            {
                "input_channels": inputs,
                "output_channels": outputs,
                "row_channel": [oc for oc, _ in below],
                "row_tap": [slot for _, slot in below],
                "weights": weights,
                "places": [[window[slot] for window in walk.windows] for _, slot in below],
                "values": [[jsonable(_dot(flat, line, cells)) for cells in zip(*read, strict=True)] for line in weights],
            }
        )
    return {"groups": groups}


def _dot(flat: Sequence[Number], line: Sequence[int], cells: Sequence[Number | None]) -> Number:
    return sum_of([flat[weight] * cell for weight, cell in zip(line, cells, strict=True) if cell is not None])


def _flat_weights(stage: Stage) -> list[Number]:
    return [weight for second in stage.kernel.values for taps in second for weight in taps]
