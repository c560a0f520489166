"""Scenes: valid against their schema, and saying what the engine computes, step by step."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from jsonschema_rs import Draft202012Validator

import faltung as fl
from faltung.viz.scene import MAX_CELLS, MAX_TERMS, Grid, Scene, Stage, schema
from tests.support.strategies import Problem, problems

VALIDATOR = Draft202012Validator(schema())


def scene_of(problem: Problem, reading: str = "auto") -> tuple[Scene, np.ndarray]:
    """The scene of a problem's first sample, and what the engine makes of it."""
    x, weight, bias = problem.arrays()
    return fl.scene(problem.spec, x=x[0], weight=weight, bias=bias, reading=reading), fl.conv(problem.spec, x[0], weight, bias)


def shown_problems(**narrowed):
    """Problems of one sample that have something to show."""
    return problems(**{"max_batch": 1, "max_axes": 3, **narrowed})


def result_of(stage: Stage) -> np.ndarray:
    """The output once every step has written."""
    values = np.array([list(channel) for channel in stage.output.values], object).reshape(stage.output.channels, *stage.output.size)
    for step in stage.steps:
        for write in step.writes:
            assert values[(write.channel, *write.cell)] == write.before
            values[(write.channel, *write.cell)] = write.value
    return values


@settings(max_examples=100, deadline=None)
@given(shown_problems())
def test_it_is_valid_and_ends_with_the_output(problem: Problem) -> None:
    made, result = scene_of(problem)
    VALIDATOR.validate(json.loads(made.to_json()))
    assert result_of(made.stages[0]).tolist() == result.tolist()


@settings(max_examples=100, deadline=None)
@given(shown_problems(transposed=True))
def test_both_readings_of_a_transposed_convolution_give_the_output(problem: Problem) -> None:
    stages = [scene_of(problem, reading)[0].stages[0] for reading in ("scatter", "gather")]
    assert [stage.reading for stage in stages] == ["scatter", "gather"]
    VALIDATOR.validate(json.loads(Scene("", tuple(stages)).to_json()))
    scattered, gathered = map(result_of, stages)
    assert scattered.tolist() == gathered.tolist()


@settings(max_examples=150, deadline=None)
@given(shown_problems(max_axes=2))
def test_its_products_are_those_of_the_explanation(problem: Problem) -> None:
    x, weight, bias = problem.arrays()
    made, _ = scene_of(problem)
    (stage,) = made.stages
    explanation = fl.explain(problem.spec, x[0], weight, bias)
    listed = Counter(
        (product.output_index, product.weight_index, product.input_value, product.weight_value, product.product)
        for terms in explanation
        for product in terms.products
    )
    drawn = Counter()
    for step in stage.steps:
        for term in step.terms:
            cell = step.focus if stage.reading == "gather" else step.window[term.tap].source
            drawn[(term.output_channel, *cell), term.weight_index, term.input, term.weight, term.product] += 1
    assert drawn == listed


def check_grid(grid: Grid) -> None:
    assert [cell.position for cell in grid.cells] == list(
        itertools.product(*(range(first, last + 1) for first, last in zip(grid.first, grid.last, strict=True)))
    )
    for cell in grid.cells:
        own = cell.origin == grid.name
        assert (cell.source is None) == (cell.origin in {"zero", "inserted", "cropped"})
        assert cell.source is None or all(0 <= entry < size for entry, size in zip(cell.source, grid.size, strict=True))
        if own and grid.shown_size == grid.size:
            assert cell.source == cell.position
    assert {cell.source for cell in grid.cells if cell.origin == grid.name} == set(itertools.product(*map(range, grid.size)))


@settings(max_examples=150, deadline=None)
@given(shown_problems())
def test_windows_lie_on_cells_that_are_shown(problem: Problem) -> None:
    for reading in ("scatter", "gather") if problem.spec.transposed else ("gather",):
        (stage,) = scene_of(problem, reading)[0].stages
        check_grid(stage.input)
        check_grid(stage.output)
        cells = {cell.position: cell for cell in stage.under_window.cells}
        used = set()
        for step in stage.steps:
            for tap in step.window:
                cell = cells[tap.position]
                assert (tap.source, tap.origin) == (cell.source, cell.origin)
                used.add(tap.position)
        assert {cell.position for cell in stage.under_window.cells if cell.is_used} == used
        focused = stage.input if reading == "scatter" else stage.output
        assert [step.focus for step in stage.steps] == list(itertools.product(*map(range, focused.size)))


def broken(data):
    """Copies of JSON `data` with one field left out, and with one of another kind."""
    items = data.items() if isinstance(data, dict) else enumerate(data[:1]) if isinstance(data, list) else ()
    for key, value in items:
        if isinstance(data, dict):
            yield {name: entry for name, entry in data.items() if name != key}, key
            yield {**data, key: object.__name__ + "?" if not isinstance(value, str) else 1}, key
        for inside, where in broken(value):
            yield ({**data, key: inside} if isinstance(data, dict) else [inside, *data[1:]]), f"{key}.{where}"


def test_the_schema_refuses_what_is_no_scene() -> None:
    data = fl.scene("conv1d(1, 1, 2, padding=1)", 2, bias=[1]).to_dict()
    VALIDATOR.validate(data)
    wrong = list(broken(data))
    assert len(wrong) > 60
    assert [where for one, where in wrong if VALIDATOR.is_valid(one)] == []


def test_the_values_of_floats_and_complex_numbers() -> None:
    x = np.array([[0.5, math.inf, math.nan, 2 - 1j]])
    made = fl.scene("conv1d(1, 1, 2)", x=x, weight=np.array([[[1.0, 0.5]]]))
    data = json.loads(made.to_json())
    VALIDATOR.validate(data)
    assert data["stages"][0]["input"]["values"][0][0] == {"real": 0.5, "imag": 0.0}
    real = json.loads(fl.scene("conv1d(1, 1, 1)", x=[[math.inf, math.nan, -0.25]]).to_json())
    assert real["stages"][0]["input"]["values"] == [["Infinity", "NaN", -0.25]]


def test_sums_of_integers_are_exact_past_64_bits() -> None:
    (step,) = fl.scene("conv1d(1, 1, 2)", x=[[2**62, 2**62]], weight=[[[2, 2]]]).stages[0].steps
    assert step.writes[0].value == 2**64


class TestSeveralStages:
    def test_the_output_of_one_is_the_input_of_the_next(self) -> None:
        rng = np.random.default_rng(0)
        x, depthwise, pointwise = rng.integers(-3, 4, (3, 5, 5)), rng.integers(-3, 4, (3, 1, 3, 3)), rng.integers(-3, 4, (4, 3, 1, 1))
        made = fl.scene(["conv2d(3, 3, 3, groups=3)", "conv2d(3, 4, 1)"], x=x, weight=[depthwise, pointwise])
        assert made.title == "depthwise separable convolution"
        first, second = made.stages
        assert result_of(first).ravel().tolist() == [value for channel in second.input.values for value in channel]
        assert result_of(second).tolist() == fl.depthwise_separable_conv2d(x, depthwise, pointwise).tolist()
        VALIDATOR.validate(json.loads(made.to_json()))

    def test_one_bias_of_two(self) -> None:
        made = fl.scene(["conv1d(1, 2, 1)", "conv1d(2, 1, 1)"], 3, bias=[None, [100]])
        assert [stage.kernel.bias for stage in made.stages] == [None, (100,)]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"spec": []}, "spec is an empty sequence.\n  Give at least one"),
            ({"spec": ["conv1d(1, 2, 1)", "conv1d(3, 1, 1)"]}, "stage 1 takes 3 channels, stage 0 gives 2.\n  Use in_channels=2"),
            ({"spec": ["conv1d(1, 2, 1)", "conv2d(2, 1, 1)"]}, "stage 1 has 2 spatial axes, stage 0 has 1"),
            ({"spec": ["conv1d(1, 2, 1)"], "weight": [1, 2]}, "weight is 2 of them, 1 specs take a sequence of 1"),
        ],
    )
    def test_stages_that_do_not_fit(self, arguments, message: str) -> None:
        with pytest.raises(fl.ConvError) as raised:
            fl.scene(**arguments, input_size=5)
        assert message in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"spec": "conv2d(3, 64, 7, stride=2, padding=3)", "input_size": 224},
            f"the input has 3 channels * 224*224 = 150528 cells, more than {MAX_CELLS}, the most that a scene shows.\n  Show",
        ),
        (
            {"spec": "conv2d(8, 8, 5)", "input_size": 16},
            f"there are 12*12 windows * 1600 weights = 230400 products, more than {MAX_TERMS}, the most that a scene lists.\n  Show",
        ),
        ({"spec": "conv1d(1, 1, 1, padding=1000000000000)", "input_size": 1}, "output has 1 channel * 2000000000001 = 2000000000001 cells"),
        ({"spec": "conv1d(1, 1, 2000000001, padding=1000000000)", "input_size": 1}, "the input with its border has 1 channel * 2000000001"),
        ({"spec": "conv_transpose1d(1, 1, 5000000)", "input_size": 1}, "the output has 1 channel * 5000000 = 5000000 cells"),
        ({"spec": "conv1d(1, 1, 1)", "input_size": 0}, "an input of size (0,) has no cells"),
        ({"spec": "conv1d(1, 1, 1)"}, "neither input_size nor x is given"),
        ({"spec": "conv1d(1, 1, 1)", "x": [[1, 2]], "input_size": 3}, "input_size=3 is given, x of shape (1, 2) has (2,)"),
        ({"spec": "conv1d(1, 1, 1)", "x": [[[1, 2]], [[3, 4]]]}, "holds 2 samples, a scene shows one.\n  Give x[0]"),
        ({"spec": "conv1d(1, 1, 1)", "x": [[1, [2]]]}, "x is no array: along axis 2 it holds a number and a list of 1"),
        ({"spec": "conv1d(1, 1, 1)", "x": [[1, 2], [3]]}, "x is no array: along axis 1 it holds a list of 2 and a list of 1"),
        ({"spec": "conv1d(1, 1, 1)", "x": [[1, "2"]]}, "x holds '2' of type str, which is no number"),
        ({"spec": "conv1d(1, 1, 1)", "x": np.zeros((1, 5000))}, f"x has 1*5000 = 5000 values, more than {MAX_CELLS}"),
        ({"spec": "conv1d(1, 1, 1)", "x": [[1, 2]], "weight": [[[1, 2]]]}, "weight has shape (1, 1, 2), expected (1, 1, 1)"),
        ({"spec": "conv1d(1, 1, 1)", "x": [[1, 2]], "reading": "scatter"}, "reading='scatter' is one of transposed convolutions"),
        ({"spec": "conv1d(1, 1, 1)", "x": [[1, 2]], "reading": "gahter"}, "reading='gahter' is not known.\n  Did you mean 'gather'?"),
        ({"spec": 3, "input_size": 3}, "spec is of type int, a ConvSpec is needed"),
    ],
)
def test_what_cannot_be_shown(arguments, message: str) -> None:
    with pytest.raises(fl.ConvError) as raised:
        fl.scene(**arguments)
    assert message in str(raised.value)


def test_arrays_that_are_no_numpy_arrays() -> None:
    torch = pytest.importorskip("torch")
    weight = torch.ones(1, 1, 2, requires_grad=True)
    assert fl.scene("conv1d(1, 1, 2)", x=torch.tensor([[1.0, 2.0]]), weight=weight).stages[0].steps[0].writes[0].value == 3.0


ALONE = """
import sys, types
package = types.ModuleType("faltung")
package.__path__ = [sys.argv[1]]
sys.modules["faltung"] = package
from faltung.viz.scene import scene
assert scene("conv2d(1, 1, 3)", 5, x=[[[1] * 5] * 5]).to_json()
foreign = {name.split(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - {"faltung", "__main__"}
print(sorted(foreign))
"""


def test_it_works_where_nothing_is_installed() -> None:
    folder = Path(fl.__file__).parent
    done = subprocess.run([sys.executable, "-I", "-S", "-c", ALONE, str(folder)], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "[]\n")
