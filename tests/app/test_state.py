"""States: read back as written, bounded whatever the JSON, and shown without a crash."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faltung.app import state as bounds
from faltung.app.answers import QUESTIONS, answer
from faltung.app.numbers import MAX_VALUES
from faltung.app.presets import PRESETS
from faltung.app.state import State
from faltung.borders import PADDING_MODES
from faltung.errors import ConvError
from faltung.geometry import PADDING_RULES
from faltung.spec import ConvSpec

HUGE = [-1, 0, 1, 2, 3, 2**16, 2**16 + 1, 2**31, 2**63, 10**40, -(10**40)]
NAMES = st.text(max_size=8) | st.sampled_from(["values", "named"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.sampled_from(HUGE) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
FIELDS = sorted(State().to_dict())
ENTRIES = st.integers(0, 6) | st.lists(st.integers(0, 6), min_size=1, max_size=3)
SIDES = st.lists(st.lists(st.integers(-3, 5), min_size=2, max_size=2), min_size=1, max_size=3)
PLAUSIBLE = {
    "ndim": st.integers(1, 3),
    "in_channels": st.integers(1, 6),
    "out_channels": st.integers(1, 6),
    "kernel_size": ENTRIES,
    "stride": ENTRIES,
    "padding": ENTRIES | st.sampled_from(PADDING_RULES) | SIDES,
    "padding_mode": st.sampled_from(PADDING_MODES),
    "dilation": ENTRIES,
    "groups": st.integers(1, 4),
    "bias": st.booleans(),
    "transposed": st.booleans(),
    "output_padding": ENTRIES,
    "flip": st.booleans(),
    "input_size": ENTRIES,
    "reading": st.sampled_from(["auto", "gather", "scatter", "both"]),
    "x": st.none() | st.sampled_from([{"named": "digit"}, {"named": "impulse"}, {"values": [[[1, 2.5], [3, 4]]]}, {"values": [[1, 2, 3]]}]),
    "weight": st.none() | st.sampled_from([{"named": "box"}, {"named": "sobel_x"}, {"values": [[[[1, -1]]]]}]),
    "bias_values": st.none() | st.just({"values": [0.5]}),
}


def check_sound(given) -> None:
    """An answer that JSON can hold and in which nothing is left open."""
    json.dumps(given, allow_nan=False)
    if "problem" in given and given["problem"] is not None:
        assert given["problem"]["message"]
        assert isinstance(given["problem"]["remedies"], list)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JUNK)) | JUNK)
def test_hostile_states_are_problems_or_states(data) -> None:
    given_back = answer("show", {"state": data})
    check_sound(given_back)
    assert set(given_back) == {"problem"} or given_back["state"]["ndim"] in (1, 2, 3)


ASKED = ["state", "text", "format", "at", "matrices", "upload", "kernel", "channel", "colour", "style"]


@given(st.sampled_from(sorted(set(QUESTIONS) - {"model", "layer"})), st.dictionaries(st.sampled_from(ASKED), JUNK))
def test_hostile_questions_are_answered(question, body) -> None:
    check_sound(answer(question, body))


FURTHER = st.fixed_dictionaries({}, optional={name: PLAUSIBLE[name] for name in ("out_channels", "kernel_size", "stride", "groups")})


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=40)
@given(st.fixed_dictionaries({}, optional=PLAUSIBLE), st.lists(FURTHER, max_size=2))
def test_any_setting_of_the_controls_is_shown_or_has_a_remedy(fields, then) -> None:
    shown = answer("show", {"state": {**fields, "then": then}})
    check_sound(shown)
    if set(shown) == {"problem"}:  # 0 where 1 is the least
        assert "is not between" in shown["problem"]["message"]
        return
    assert (shown["problem"] is None) + (shown["scene"] is None) == 1 or shown["unshown"]
    again = answer("show", {"state": shown["state"]})
    assert again == shown
    for remedy in (shown["problem"] or shown["unshown"] or {"remedies": []})["remedies"]:
        assert answer("show", {"state": remedy["state"]})["problem"] is None
    if shown["problem"]:
        assert shown["problem"]["remedies"]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_states_are_read_back_as_written(preset) -> None:
    state = preset.state
    assert State.from_dict(json.loads(json.dumps(state.to_dict()))) == state


def test_what_is_left_out_and_lists_of_another_length() -> None:
    assert State.from_dict({}) == State()
    state = State.from_dict({"ndim": 3, "kernel_size": [2, 3], "padding": [[1, 0]], "input_size": 6})
    assert (state.first.kernel_size, state.first.padding, state.input_size) == ((2, 3, 3), ((1, 0),) * 3, (6, 6, 6))
    assert State.from_dict({"kernel_size": [4]}).ndim == 1
    assert State.from_dict({"ndim": 1, "kernel_size": [4, 5]}).first.kernel_size == (4,)


def test_the_specs_are_those_that_are_written_down() -> None:
    fields = {"in_channels": 4, "out_channels": 6, "kernel_size": [3, 5], "stride": [1, 2], "padding": [[1, 2], [3, 4]]}
    state = State.from_dict(fields | {"dilation": 2, "groups": 2})
    assert state.specs() == (ConvSpec(4, 6, (3, 5), (1, 2), ((1, 2), (3, 4)), 2, 2, bias=False),)


def test_values_are_kept_where_shapes_change() -> None:
    fields = {"kernel_size": [1, 1], "x": {"values": [[[7, 8], [9, 10]]]}, "input_size": [3, 2]}
    values = answer("show", {"state": fields})["state"]["values"]["x"]
    assert values[0][:2] == [[7, 8], [9, 10]]
    assert len(values[0]) == 3
    assert answer("show", {"state": fields | {"input_size": [1, 1]}})["state"]["values"]["x"] == [[[7]]]


def test_as_many_numbers_as_are_taken_and_one_more() -> None:
    longest = [0] * MAX_VALUES
    State.from_dict({"x": {"values": [longest]}})
    with pytest.raises(ConvError, match=f"x has more than {MAX_VALUES} numbers"):
        State.from_dict({"x": {"values": [[*longest, 0]]}})
    deep: list = [1]
    for _ in range(500):
        deep = [deep]
    with pytest.raises(ConvError, match="x has more than 5 axes"):
        State.from_dict({"x": {"values": deep}})


def test_as_many_layers_as_are_taken_and_one_more() -> None:
    State.from_dict({"then": [{}] * (bounds.MAX_LAYERS - 1)})
    with pytest.raises(ConvError, match="then has 8 layers, at most 7 follow the first"):
        State.from_dict({"then": [{}] * bounds.MAX_LAYERS})


ALONE = """
import sys
from faltung.app.answers import answer
assert answer("show", {"state": {}})["scene"]
heavy = {"torch", "onnx", "onnxruntime", "matplotlib", "PIL", "skimage", "starlette", "uvicorn", "scipy", "pandas", "rich", "typer", "jax"}
print(sorted({name.partition(".")[0] for name in sys.modules} & heavy))
"""


def test_answering_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
