"""Of a state everything that the page shows: scene, facts, plan, code, matrices; or what is wrong, with remedies."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

from faltung.app.checking import Checked, check
from faltung.app.code import code_of
from faltung.app.facts import facts_of
from faltung.app.matrices import matrices_of
from faltung.app.numbers import MAX_VALUES, bias_block, input_block, nested, weight_block
from faltung.app.remedies import remedies, remedy
from faltung.app.shrinking import smaller
from faltung.app.state import State
from faltung.errors import ConvError
from faltung.spec import ConvSpec
from faltung.viz.scene.build import MAX_CELLS, check_shown, scene
from faltung.viz.scene.columns import stage_columns
from faltung.viz.scene.model import Scene, Stage
from faltung.viz.scene.values import Block

__all__ = ["Numbers", "choices_of", "columns_beside", "gathered_of", "numbers_of", "problem_of", "scene_of", "scene_shown", "show"]


def show(state: State, *, matrices: bool = True) -> dict[str, Any]:
    """The answer to ``show``: every key is there, null where there is nothing to show.

    The matrices take longer than all the rest, and may be left out.
    """
    answer: dict[str, Any] = {
        "state": state.to_dict() | {"values": None},
        "choices": choices_of(state),
        "scene": None,
        "gathered": None,
        "facts": [],
        "plan": None,
        "code": [],
        "matrices": None,
        "problem": None,
        "unshown": None,
    }
    try:
        checked = check(state)
    except ConvError as error:
        return answer | {"problem": problem_of(error) | {"remedies": remedies(state)}}
    try:
        numbers = numbers_of(state, checked)
    except ConvError as error:  # a picture that is not installed
        mended = [remedy("made-up numbers instead", replace(state, x=None))]
        return answer | {"problem": problem_of(error) | {"remedies": mended}}
    answer["state"]["values"] = numbers.to_dict()
    answer["facts"] = facts_of(checked)
    answer["plan"] = plan_of(checked)
    answer["code"] = code_of(checked, numbers.x, numbers.weights, numbers.biases)
    try:
        shown = scene_of(state, checked, numbers)
        gathered = gathered_of(state, checked, numbers, shown)
    except ConvError as error:
        told = {"message": error.problem, "hint": "Facts, plan and code are below. To see it step by step, take it smaller:"}
        return answer | {"unshown": told | {"remedies": [*_one_reading(state), *smaller(state, is_shown)]}}
    drawn = {"scene": shown.to_columns(), "gathered": columns_beside(gathered)}
    return answer | drawn | {"matrices": matrices_of(shown, gathered) if matrices else None}


def choices_of(state: State) -> dict[str, Any]:
    """Values among which a control can choose: the groups that divide the channels on both sides, from standard to depthwise."""
    most = math.gcd(state.in_channels, state.first.out_channels)
    return {"groups": [groups for groups in range(1, most + 1) if most % groups == 0]}


def problem_of(error: ConvError) -> dict[str, Any]:
    """An error as the page shows it: what is wrong with its arithmetic, and what to do."""
    return {"message": error.problem, "hint": error.remedy, "remedies": []}


# -- numbers -------------------------------------------------------------------------------------


class Numbers:
    """The numbers of input, weights and biases; None where there are too many to be shown.

    Attributes
    ----------
    x : Block or None
    weights, biases : list of (Block or None)
        One a layer; a bias also where the layer has none.
    """

    def __init__(self, state: State, checked: Checked) -> None:
        shape = (state.in_channels, *state.input_size)
        self.x = input_block(state.x, state.in_channels, state.input_size) if math.prod(shape) <= MAX_CELLS else None
        self.weights: list[Block | None] = []
        self.biases: list[Block | None] = []
        for spec, layer in zip(checked.specs, state.layers, strict=True):
            fits = math.prod(spec.weight_shape) <= MAX_VALUES
            self.weights.append(weight_block(layer.weight, spec.weight_shape) if fits else None)
            fits = spec.bias and spec.out_channels <= MAX_CELLS
            self.biases.append(bias_block(layer.bias_values, spec.out_channels) if fits else None)

    def to_dict(self) -> dict[str, Any]:
        """As nested lists: those of the first layer beside x, those of the others under ``then``."""
        layers = [
            {"weight": weight and nested(weight), "bias_values": bias and nested(bias)}
            for weight, bias in zip(self.weights, self.biases, strict=True)
        ]
        return {"x": self.x and nested(self.x), **layers[0], "then": layers[1:]}


def numbers_of(state: State, checked: Checked) -> Numbers:
    """What stands in the cells."""
    return Numbers(state, checked)


# -- parts of the answer -------------------------------------------------------------------------


def scene_of(state: State, checked: Checked, numbers: Numbers) -> Scene:
    """The scene, or the error that says why it is too large for one; of two readings beside each other the scatter."""
    return _read_as(_reading(state), state, checked, numbers)


def gathered_of(state: State, checked: Checked, numbers: Numbers, shown: Scene) -> tuple[Stage | None, ...]:
    """Beside the stages of a scene the same as gathers, where both readings are wanted; None where there is no other reading."""
    if state.reading != "both" or not any(stage.is_transposed for stage in shown.stages):
        return (None,) * len(shown.stages)
    stages = _read_as("gather", state, checked, numbers).stages
    return tuple(stage if stage.is_transposed else None for stage in stages)


def columns_beside(gathered: tuple[Stage | None, ...]) -> list[dict[str, Any] | None] | None:
    """The second readings as a page gets them; None where there is none."""
    return [None if stage is None else stage_columns(stage) for stage in gathered] if any(gathered) else None


def _read_as(reading: Any, state: State, checked: Checked, numbers: Numbers) -> Scene:
    specs = list(checked.specs)
    check_shown(specs, state.input_size, reading)
    assert numbers.x is not None
    weights = [weight and nested(weight) for weight in numbers.weights]
    biases = [bias and nested(bias) for bias in numbers.biases]
    return scene(specs, x=nested(numbers.x), weight=weights, bias=biases, reading=reading)


def scene_shown(state: State) -> Scene:
    """The scene of a state, or the error that says why there is none."""
    checked = check(state)
    return scene_of(state, checked, numbers_of(state, checked))


def _reading(state: State) -> Any:
    return "gather" if state.reading == "gather" else "auto"  # which scatters what is transposed, and nothing else


def is_shown(state: State) -> bool:
    """Whether the state is possible and small enough for a scene."""
    try:
        specs = list(check(state).specs)
        check_shown(specs, state.input_size, _reading(state))
        if state.reading == "both":
            check_shown(specs, state.input_size, "gather")
    except ConvError:
        return False
    return True


def _one_reading(state: State) -> list[dict[str, Any]]:
    """Zeros between the inputs make a gather larger than its scatter: where both are too much, one of them may not be."""
    alone = replace(state, reading="auto")
    return [remedy("the scatter alone", alone)] if state.reading == "both" and is_shown(alone) else []


def plan_of(checked: Checked) -> dict[str, Any] | None:
    """The engine's algorithm for each layer, and why not the others."""
    plans = [_plan(spec, (1, spec.in_channels, *size)) for spec, size in zip(checked.specs, checked.sizes, strict=False)]
    return {
        "algorithm": ", then ".join(name for name, _ in plans),
        "why": [entry | {"layer": number} for number, (_, why) in enumerate(plans) for entry in why],
    }


MOST_PIECES = 256
"""Phases of a stride, and taps that lie apart, each planned by itself in some milliseconds; with more of them no plan is told."""


@lru_cache(maxsize=256)
def _plan(spec: ConvSpec, shape: tuple[int, ...]) -> tuple[str, tuple[dict[str, Any], ...]]:
    pieces = math.prod(min(axis.stride, axis.kernel) for axis in spec.axes) if spec.transposed else 1
    if "dilated" in spec.kinds:
        pieces *= math.prod(spec.kernel_size)
    if pieces > MOST_PIECES:
        return f"one for each of {pieces} pieces, which are not told here", ()
    from faltung.engine.plan import plan

    try:
        made = plan(spec, shape)
    except ConvError as error:
        return f"none: {error.problem}", ()
    why = ({"algorithm": one.algorithm, "takes": one.fits, "chosen": one.chosen, "reason": one.reason} for one in made.why)
    return made.algorithm, tuple(why)
