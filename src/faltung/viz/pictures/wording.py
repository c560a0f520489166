"""What pictures say: titles of grids, the arithmetic below a frame, captions for who cannot see it.

Owns the wording. Standard library only; every number is the scene's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from faltung.viz.numbers import Number, sum_of
from faltung.viz.pictures.lettering import factor, number_text, text_width
from faltung.viz.pictures.timeline import Frame
from faltung.viz.scene.model import Grid, Scene, Stage, Step, Term, Write, flat_index
from faltung.viz.windows import Index

__all__ = ["arithmetic", "captions", "grid_title", "kernel_title", "size_text", "stage_title", "step_lines"]

_BORDER = {"zero": "zeros", "wrapped": "wrapped", "mirrored": "mirrored", "repeated": "repeated"}
_AXES = {1: ("cells",), 2: ("rows", "columns"), 3: ("slices", "rows", "columns")}
_SPOKEN = 8
"""Outputs that a caption lists: more are tiring to listen to."""

# -- titles --------------------------------------------------------------------------------------


def size_text(size: Sequence[int]) -> str:
    """``5×5``; of one axis its cells."""
    return "×".join(map(str, size))


def grid_title(grid: Grid) -> str:
    """The grid's name, its size, what its border holds.

    >>> from faltung.viz.scene import scene
    >>> grid_title(scene("conv2d(3, 1, 3, padding=1, padding_mode='circular')", (5, 5)).stages[0].input)
    'input 5×5, 3 channels, padding wrapped'
    """
    origins = {cell.origin for cell in grid.cells}
    parts = [f"{grid.name} {size_text(grid.size)}"]
    if grid.channels > 1:
        parts.append(f"{grid.channels} channels")
    if "inserted" in origins:
        parts.append("zeros inserted")
    padding = [word for origin, word in _BORDER.items() if origin in origins]
    if padding and "inserted" not in origins:
        parts.append(f"padding {' and '.join(padding)}")
    if "cropped" in origins:
        parts.append("border cropped")
    return ", ".join(parts)


def kernel_title(stage: Stage) -> str:
    """The kernel's size and how it is laid on.

    >>> from faltung.viz.scene import scene
    >>> kernel_title(scene("conv2d(1, 1, 3, dilation=2)", (5, 5)).stages[0])
    'kernel 3×3, dilation 2'
    """
    kernel = stage.kernel
    parts = [f"kernel {size_text(kernel.shape[2:])}"]
    if set(kernel.dilation) != {1}:
        parts.append(f"dilation {kernel.dilation[0] if len(set(kernel.dilation)) == 1 else size_text(kernel.dilation)}")
    if is_flipped(stage):
        parts.append("flipped")
    return ", ".join(parts)


def is_flipped(stage: Stage) -> bool:
    """Whether the first tap lies last on the grid under the window.

    >>> from faltung.viz.scene import scene
    >>> [is_flipped(scene("conv_transpose1d(1, 1, 2)", (3,), reading=way).stages[0]) for way in ("gather", "scatter")]
    [True, False]
    """
    places = {tap.index: tap.position for tap in stage.steps[0].window}
    first, last = min(places), max(places)
    return places[first] > places[last]


def stage_title(scene: Scene, number: int) -> str:
    """Which stage it is and of what kind; of a scene of one stage its kind."""
    stage = scene.stages[number]
    return stage.name if len(scene.stages) == 1 else f"stage {number + 1}: {stage.name}"


# -- the arithmetic of a step --------------------------------------------------------------------


def step_lines(stage: Stage, step: Step, room: float, most: int) -> list[str]:
    """The arithmetic of a step in at most `most` lines: of a gather one for each of the first output channels that it writes."""
    if stage.reading == "scatter":
        return [arithmetic(stage, step, room)]
    channels = [write.channel for write in step.writes]
    shown = len(channels) if len(channels) <= most else most - 1
    lines = [arithmetic(stage, step, room, channel) for channel in channels[:shown]]
    return lines if shown == len(channels) else [*lines, f"… and likewise the other {len(channels) - shown} channels"]


def arithmetic(stage: Stage, step: Step, room: float, channel: int | None = None) -> str:
    """The arithmetic of a step in one line.

    Parameters
    ----------
    stage : Stage
    step : Step
    room : float
        The width that there is, in sizes of the font; what is longer is shortened with ``…``.
    channel : int, optional
        The output channel; without it the first. Of a scatter an output is picked at which products overlap, if there is one.

    Examples
    --------
    >>> from faltung.viz.scene import scene
    >>> stage = scene("conv1d(1, 1, 3)", x=[[1, 2, 3, 4]], weight=[[[1, 10, -2]]]).stages[0]
    >>> arithmetic(stage, stage.steps[0], 40)
    'output[0, 0] = 1·1 + 2·10 + 3·(−2) = 15'
    >>> arithmetic(stage, stage.steps[0], 17)
    'output[0, 0] = 1·1 + … = 15'
    """
    writes = [write for write in step.writes if channel is None or write.channel == channel]
    if not writes:
        return _shortest([f"{_place('input', step.focus)}: all that it stamps is cropped", "all is cropped"], room)
    if stage.reading == "gather":
        return _sum_line(stage, step, writes[0], room)
    # An output that has something already and gets something more shows best what overlaps do.
    overlapping = [write for write in writes if write.before != _start(stage, write)]
    growing = [write for write in overlapping or writes if write.value != write.before]
    line = _sum_line(stage, step, (growing or overlapping or writes)[0], room)
    others = len(step.writes) - 1
    return _shortest([f"{line}, and {others} more" if others else line, line], room)


def _sum_line(stage: Stage, step: Step, write: Write, room: float) -> str:
    """``output[…] = a·b + … = c``, with as many of the products as fit."""
    name = f"{_place('output', (write.channel, *write.cell))} = "
    terms = _terms_of(stage, step, write)
    products = [f"{factor(term.input)}·{factor(term.weight)}" for term in terms]
    end = f" = {number_text(write.value)}"
    before, after = [], []
    if stage.reading == "scatter" and write.before is not None:
        before = [number_text(write.before)]
    elif stage.reading == "gather" and stage.kernel.bias is not None:
        after = [f"{factor(stage.kernel.bias[write.channel])} (bias)"]
    channels = list(_channel_sums(terms))
    if 1 < len(channels) < len(terms):
        products = [f"{factor(total)} (channel {number})" for number, total in channels]
    lines = [name + " + ".join([*before, *products, *after]) + end] if len(products) <= room else []
    if 1 < len(channels) < len(terms):
        products = [factor(total) for _, total in channels]
        lines.append(name + " + ".join([*before, *products, *after]) + end)
    for kept in range(min(len(products) - 1, int(room)), 0, -1):
        shown = products[:kept]
        lines.append(name + " + ".join([*before, *shown, "…", *after]) + end)
    lines += [name + " + ".join([*before, "…", *after]) + end, name + number_text(write.value), number_text(write.value)]
    return _shortest(lines, room)


def _terms_of(stage: Stage, step: Step, write: Write) -> list[Term]:
    """The products that a step adds to an output."""
    terms = [term for term in step.terms if term.output_channel == write.channel]
    return terms if stage.reading == "gather" else [term for term in terms if step.window[term.tap].source == write.cell]


def _channel_sums(terms: Sequence[Term]) -> Iterator[tuple[int, Number]]:
    """What each input channel adds."""
    for channel in dict.fromkeys(term.input_channel for term in terms):
        yield channel, sum_of([term.product for term in terms if term.input_channel == channel])


def _start(stage: Stage, write: Write) -> Number | None:
    return stage.output.values[write.channel][flat_index(write.cell, stage.output.size)]


def _place(name: str, index: Sequence[int]) -> str:
    return f"{name}[{', '.join(number_text(entry) for entry in index)}]"


def _shortest(lines: Sequence[str], room: float) -> str:
    """The first that fits, the last if none does."""
    return next((line for line in lines if text_width(line) <= room), lines[-1])


# -- captions ------------------------------------------------------------------------------------


def captions(scene: Scene, frames: Sequence[Frame]) -> tuple[str, ...]:
    """What each frame shows, in words.

    >>> from faltung.viz.pictures.timeline import frames_of
    >>> from faltung.viz.scene import scene
    >>> shown = scene("conv1d(1, 1, 2)", x=[[1, 2, 3]], weight=[[[1, 1]]])
    >>> captions(shown, frames_of(shown))[1]
    'Step 2 of 2: the window lies on cells 1 to 2 of the input. output[0, 1] = 5.'
    """
    found = []
    first = {frame.stage: frame.number for frame in reversed(frames)}
    for frame in frames:
        stage = scene.stages[frame.stage]
        prefix = "" if len(scene.stages) == 1 else f"Stage {frame.stage + 1} of {len(scene.stages)}, {stage.name}. "
        count = f"Step {frame.number - first[frame.stage] + 1} of {len(stage.steps)}"
        found.append(f"{prefix}{count}: {_happens(stage, frame.step)}")
    return tuple(found)


def _happens(stage: Stage, step: Step) -> str:
    region = _region([tap.position for tap in step.window])
    if stage.reading == "gather":
        where = f"the window lies on {region} of the input{' with zeros inserted' if stage.is_transposed else ''}."
    else:
        where = f"the input at {_place('', step.focus)} is stamped onto {region} of the output."
    said = [f"{_place('output', (write.channel, *write.cell))} = {number_text(write.value)}" for write in step.writes[:_SPOKEN]]
    if len(step.writes) > _SPOKEN:
        said.append(f"and {len(step.writes) - _SPOKEN} more")
    return f"{where} {', '.join(said) or 'All of it is cropped'}."


def _region(positions: Sequence[Index]) -> str:
    """Rows and columns from the first to the last."""
    ndim = len(positions[0])
    names = _AXES.get(ndim, tuple(f"axis {axis}:" for axis in range(ndim)))
    parts = []
    for axis, name in enumerate(names):
        low, high = min(place[axis] for place in positions), max(place[axis] for place in positions)
        one = name.removesuffix("s")
        parts.append(f"{one} {number_text(low)}" if low == high else f"{name} {number_text(low)} to {number_text(high)}")
    return ", ".join(parts)
