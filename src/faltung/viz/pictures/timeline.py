"""Which frame shows which step, and when a cell shows which value.

Owns the numbering of frames over the stages of a scene. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from faltung.errors import ConvSpecError
from faltung.viz.numbers import Number
from faltung.viz.scene.model import Scene, Step, Tap
from faltung.viz.windows import Index

__all__ = ["Frame", "Interval", "Move", "Shown", "Timeline", "contents", "focused", "frames_of", "runs", "starts", "touched"]

Interval = tuple[int, int]
"""From the first of these frames to before the last."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: a step of a stage.

    Attributes
    ----------
    number, stage : int
        Counted from 0.
    step : Step
    """

    number: int
    stage: int
    step: Step


@dataclass(frozen=True, slots=True)
class Move:
    """What a frame draws attention to in a stage.

    Attributes
    ----------
    frame : int
    window : tuple of Tap
        On the grid under it.
    focus : tuple of tuple of int
        Cells of the other grid, as they are counted there.
    step : Step or None
        What is computed, for the arithmetic; None: nothing.
    inputs, outputs : frozenset of int or None
        The channels that are meant; None: all.
    weight : tuple of int or None
        Index of a weight that is meant by itself.
    """

    frame: int
    window: tuple[Tap, ...]
    focus: tuple[Index, ...]
    step: Step | None
    inputs: frozenset[int] | None = None
    outputs: frozenset[int] | None = None
    weight: Index | None = None

    def means(self, name: str, channel: int) -> bool:
        """Whether a channel of the input, or of the output, is among them."""
        channels = self.inputs if name == "input" else self.outputs
        return channels is None or channel in channels


@dataclass(frozen=True, slots=True)
class Shown:
    """What a cell shows during some frames.

    Attributes
    ----------
    frames : (int, int)
    value : int, float, complex or None
        None: nothing yet.
    is_written : bool
        Whether a step has written it; if not, it is what the cell starts with.
    """

    frames: Interval
    value: Number | None
    is_written: bool


def frames_of(scene: Scene) -> tuple[Frame, ...]:
    """One frame a step, stage after stage.

    Raises
    ------
    ConvSpecError
        The scene has four spatial axes or more: it has no picture.
    """
    ndim = len(scene.stages[0].input.size)
    if ndim > 3:
        raise ConvSpecError(f"a scene of {ndim} spatial axes cannot be drawn: three are the most.", "Draw a slice of it, such as a conv3d.")
    pairs = [(stage, step) for stage, one in enumerate(scene.stages) for step in one.steps]
    return tuple(Frame(number, stage, step) for number, (stage, step) in enumerate(pairs))


def starts(scene: Scene) -> tuple[int, ...]:
    """The first frame of each stage, and after the last stage the number of frames."""
    counted = [0]
    for stage in scene.stages:
        counted.append(counted[-1] + len(stage.steps))
    return tuple(counted)


def contents(scene: Scene, stage: int) -> dict[tuple[int, Index], tuple[Shown, ...]]:
    """By channel and cell, what the outputs of a stage show over all frames of the scene, first to last without a gap.

    Examples
    --------
    >>> from faltung.viz.scene import scene
    >>> shown = contents(scene("conv1d(1, 1, 2)", x=[[1, 2, 3]], weight=[[[1, 1]]]), 0)
    >>> [(one.frames, one.value) for one in shown[0, (1,)]]
    [((0, 1), None), ((1, 2), 5)]
    """
    first, total = starts(scene)[stage], starts(scene)[-1]
    output = scene.stages[stage].output
    own = [cell for cell in output.cells if cell.origin == "output"]
    written: dict[tuple[int, Index], list[tuple[int, Number]]] = {
        (channel, cell.position): [] for channel in range(output.channels) for cell in own
    }
    for number, step in enumerate(scene.stages[stage].steps):
        for write in step.writes:
            written[write.channel, write.cell].append((first + number, write.value))
    found = {}
    for (channel, position), writes in written.items():
        start = output.value(channel, position)
        changes: list[tuple[int, Number | None, bool]] = [(0, None, False), (first, start, False)]
        changes += [(frame, value, True) for frame, value in writes]
        ends = [frame for frame, _, _ in changes[1:]] + [total]
        found[channel, position] = tuple(
            Shown((frame, end), value, is_written) for (frame, value, is_written), end in zip(changes, ends, strict=True) if frame < end
        )
    return {key: _joined(shown) for key, shown in found.items()}


def _joined(shown: tuple[Shown, ...]) -> tuple[Shown, ...]:
    """The wait before a stage and the blank in its first steps are one."""
    if len(shown) > 1 and shown[0].value is None and shown[1].value is None:
        return (Shown((shown[0].frames[0], shown[1].frames[1]), None, False), *shown[2:])
    return shown


def touched(moves: Iterable[Move]) -> dict[Index, tuple[Interval, ...]]:
    """By position on the grid under the window, the frames in which the window lies on it."""
    return _by_place((tap.position, move.frame) for move in moves for tap in move.window)


def focused(moves: Iterable[Move]) -> dict[Index, tuple[Interval, ...]]:
    """By position on the other grid, the frames that are about it."""
    return _by_place((place, move.frame) for move in moves for place in move.focus)


def _by_place(pairs: Iterable[tuple[Index, int]]) -> dict[Index, tuple[Interval, ...]]:
    found: dict[Index, list[int]] = {}
    for place, frame in pairs:
        found.setdefault(place, []).append(frame)
    return {place: runs(frames) for place, frames in found.items()}


def runs(numbers: Iterable[int]) -> tuple[Interval, ...]:
    """Frames, rising, as intervals.

    >>> runs([0, 1, 2, 5])
    ((0, 3), (5, 6))
    """
    found: list[Interval] = []
    for number in numbers:
        if found and number <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], number + 1))
        else:
            found.append((number, number + 1))
    return tuple(found)


class Timeline:
    """Which frame shows what of a scene: a frame for each step, stage after stage.

    A still of any moment has one of its own: `faltung.viz.pictures.moment`.

    Attributes
    ----------
    scene : Scene
    frames : tuple of Frame
    total : int
        How many there are.
    captions : tuple of str or None
        What each frame shows, in words; None: what its step says.
    """

    captions: tuple[str, ...] | None = None

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.frames = frames_of(scene)
        self.total = len(self.frames)
        self._starts = starts(scene)
        self._moves: dict[int, tuple[Move, ...]] = {}

    def during(self, stage: int) -> Interval:
        """The frames of a stage."""
        return self._starts[stage], self._starts[stage + 1]

    def moves(self, stage: int) -> tuple[Move, ...]:
        """What each frame of a stage draws attention to."""
        if stage not in self._moves:
            steps = enumerate(self.scene.stages[stage].steps, self._starts[stage])
            self._moves[stage] = tuple(Move(frame, step.window, (step.focus,), step) for frame, step in steps)
        return self._moves[stage]

    def contents(self, stage: int) -> dict[tuple[int, Index], tuple[Shown, ...]]:
        """What the outputs of a stage show."""
        return contents(self.scene, stage)
