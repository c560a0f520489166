"""No control leads to a dead end: every impossible state has a remedy that works."""

from __future__ import annotations

import pytest

from faltung.app.answers import answer
from faltung.app.checking import check
from faltung.app.presets import PRESETS
from faltung.app.remedies import is_possible, remedies
from faltung.app.state import State
from faltung.borders import PADDING_MODES
from faltung.geometry import PADDING_RULES
from faltung.kernels import kernel_names

CONTROLS = {
    "ndim": range(1, 4),
    "in_channels": range(1, 13),
    "out_channels": range(1, 13),
    "kernel_size": (*range(1, 12), 40, 2000),
    "stride": (1, 2, 3, 4, 5, 9, 300),
    "padding": (*PADDING_RULES, -9, -2, -1, 0, 1, 2, 3, 7, 500, [[1, 0]], [[0, 1], [2, 0]]),
    "padding_mode": PADDING_MODES,
    "dilation": (1, 2, 3, 5, 8, 60),
    "groups": (*range(1, 13), 999),
    "bias": (False, True),
    "transposed": (False, True),
    "output_padding": (0, 1, 2, 5, 64),
    "flip": (False, True),
    "input_size": (*range(1, 18), 1000),
    "reading": ("auto", "gather", "scatter"),
    "x": (None, {"named": "digit"}),
    "weight": (None, *({"named": name} for name in kernel_names())),
}


SHARE = 12


def reachable(preset):
    """States that one change of a control leads to, impossible ones too: a twelfth for each preset, all of them over the presets."""
    whole = preset.state.to_dict()
    moves = [(name, value) for name, values in CONTROLS.items() for value in values]
    for name, value in moves[PRESETS.index(preset) % SHARE :: SHARE]:
        yield State.from_dict({**whole, name: value})


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_impossible_state_has_a_remedy_that_works(preset) -> None:
    impossible = [state for state in reachable(preset) if not is_possible(state)]
    assert impossible
    for state in impossible:
        found = remedies(state)
        assert found, state
        assert len({remedy["label"] for remedy in found}) == len(found)
        for remedy in found:
            assert is_possible(State.from_dict(remedy["state"])), (state, remedy["label"])


def changed_controls(state: State, other: State) -> set[str]:
    one, two = state.to_dict(), other.to_dict()
    return {name for name in one if one[name] != two[name]}


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        (
            {"kernel_size": 7},
            [
                "padding 1 instead of 0",
                "kernel 5×5 instead of 7×7",
                "an input of 7×7 instead of 5×5 cells",
                "a transposed convolution instead",
            ],
        ),
        ({"kernel_size": [3, 9], "input_size": [5, 6]}, ["padding 0×2 instead of 0", "kernel 3×6 instead of 3×9"]),
        ({"in_channels": 4, "out_channels": 6, "groups": 3}, ["groups 2 instead of 3", "3 input channels instead of 4"]),
        ({"padding": "same", "stride": 2}, ["stride 1 instead of 2", "padding “same_upper” instead of “same”"]),
        ({"output_padding": 1}, ["output padding 0 instead of 1"]),
        ({"transposed": True, "stride": 2, "output_padding": 2}, ["output padding 1 instead of 2", "stride 3 instead of 2"]),
        ({"weight": {"named": "sobel_x"}, "kernel_size": 5}, ["kernel 3×3 instead of 5×5", "made-up weights instead of sobel_x"]),
        ({"x": {"named": "lena"}}, ["made-up numbers instead of lena"]),
        ({"dilation": 4, "kernel_size": 3}, ["padding 2 instead of 0", "dilation 2 instead of 4"]),
    ],
)
def test_what_is_offered(fields, labels) -> None:
    state = State.from_dict(fields)
    found = remedies(state)
    assert [label for label in labels if label in [remedy["label"] for remedy in found]] == labels
    for remedy in found:
        assert len(changed_controls(state, State.from_dict(remedy["state"]))) == 1


def test_several_faults_at_once_are_mended_together() -> None:
    (remedy,) = remedies(State.from_dict({"groups": 3, "kernel_size": 9}))
    assert remedy["label"] == "groups 1 instead of 3 and kernel 5×5 instead of 9×9"
    assert check(State.from_dict(remedy["state"])).sizes[-1] == (1, 1)


def test_the_nearest_value_is_found_beyond_those_tried_one_by_one() -> None:
    found = {remedy["label"] for remedy in remedies(State.from_dict({"kernel_size": [1000], "input_size": [100]}))}
    assert {"padding 450 instead of 0", "kernel 100 instead of 1000", "an input of 1000 instead of 100 cells"} <= found


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_what_is_too_large_can_be_had_in_small(preset) -> None:
    shown = answer("show", {"state": preset.fields})
    assert (shown["scene"] is None) == (shown["unshown"] is not None)
    for remedy in (shown["unshown"] or {"remedies": []})["remedies"]:
        small = answer("show", {"state": remedy["state"]})
        assert small["scene"], remedy["label"]
    if shown["unshown"]:
        assert shown["unshown"]["remedies"]
