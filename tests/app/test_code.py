"""The code beside a state runs, and prints the numbers that the page shows."""

from __future__ import annotations

import contextlib
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltung.app.answers import answer
from faltung.app.presets import PRESETS
from tests.support.strategies import problems


def output_of(shown) -> np.ndarray:
    """The last output as the scene's steps write it."""
    stage = shown["scene"]["stages"][-1]
    size = stage["output"]["size"]
    cells = np.full((stage["output"]["channels"], math.prod(size)), np.nan)
    if stage["reading"] == "scatter":
        cells[:] = 0 if stage["kernel"]["bias"] is None else np.array(stage["kernel"]["bias"])[:, None]
    for step in stage["steps"]["writes"]:
        for channel, cell, _, value in step:
            cells[channel, cell] = value
    return cells.reshape(-1, *size)


def run(text: str) -> tuple[np.ndarray, str]:
    scope: dict[str, np.ndarray] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(text, scope)
    return scope[max(name for name in scope if name.startswith("y"))], printed.getvalue()


def text_of(shown, framework: str) -> str:
    return next(entry["text"] for entry in shown["code"] if entry["framework"] == framework)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_the_code_of_every_preset_gives_the_numbers_shown(preset) -> None:
    shown = answer("show", {"state": preset.fields})
    small = shown if shown["scene"] else answer("show", {"state": shown["unshown"]["remedies"][0]["state"]})
    result, printed = run(text_of(small, "NumPy"))
    np.testing.assert_allclose(result, output_of(small), rtol=1e-12, atol=1e-9)
    assert printed == f"{result}\n"


@given(problems(max_axes=3, max_batch=1), st.sampled_from(["auto", "gather"]))
def test_the_code_of_any_layer_gives_the_numbers_shown(problem, reading) -> None:
    spec = problem.spec
    x, weight, bias = problem.arrays()
    fields = {name: value for name, value in spec.to_dict().items() if name != "padding"}
    state = {
        **{name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()},
        "padding": spec.padding if isinstance(spec.padding, str) else [list(pair) for pair in spec.padding],
        "input_size": list(problem.input_size),
        "reading": reading,
        "x": {"values": x[0].tolist()},
        "weight": {"values": weight.tolist()},
        "bias_values": None if bias is None else {"values": bias.tolist()},
    }
    shown = answer("show", {"state": state})
    result, _ = run(text_of(shown, "NumPy"))
    assert result.tolist() == output_of(shown).tolist()


def test_pytorchs_code_computes_the_same() -> None:
    torch = pytest.importorskip("torch")
    shown = answer("show", {"state": {"in_channels": 2, "out_channels": 3, "stride": 2, "padding": 1, "bias": True}})
    scope: dict = {}
    exec(text_of(shown, "PyTorch"), scope)
    values = shown["state"]["values"]
    with torch.no_grad():
        scope["conv"].weight.copy_(torch.tensor(values["weight"]))
        scope["conv"].bias.copy_(torch.tensor(values["bias_values"]))
        result = scope["conv"](torch.tensor(values["x"], dtype=torch.float32)[None])[0].numpy()
    assert result.tolist() == output_of(shown).tolist()


def test_large_layers_have_code_that_runs_on_random_numbers() -> None:
    stem = {"in_channels": 3, "out_channels": 64, "kernel_size": 7, "stride": 2, "padding": 3, "input_size": 64, "bias": True}
    result, _ = run(text_of(answer("show", {"state": stem}), "NumPy"))
    assert (result.shape, result.dtype) == ((64, 32, 32), np.float32)


def test_what_a_framework_cannot_say_is_said() -> None:
    shown = answer("show", {"state": {"transposed": True, "padding_mode": "circular", "padding": 1}})
    assert text_of(shown, "Keras").startswith("# ")
    compile(text_of(shown, "Keras"), "keras", "exec")


def test_each_of_several_layers_has_its_code() -> None:
    shown = answer("show", {"state": {"in_channels": 2, "out_channels": 2, "groups": 2, "then": [{"out_channels": 3, "kernel_size": 1}]}})
    for entry in shown["code"]:
        compile(entry["text"], entry["framework"], "exec")
        assert entry["framework"] == "NumPy" or entry["text"].count("# layer ") == 2
