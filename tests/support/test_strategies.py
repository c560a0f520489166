"""The strategies draw valid problems of every kind, and no other kinds where they are narrowed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faltung import reference
from faltung.borders import PADDING_MODES
from faltung.geometry import PADDING_RULES
from tests.support.check import check_same
from tests.support.strategies import Problem, integers_of_shape, problems


@given(problems())
def test_every_problem_has_an_output(problem: Problem) -> None:
    sizes = [reference.meetings(problem.spec, axis, size)[1] for axis, size in enumerate(problem.input_size)]
    assert min(sizes) >= 1
    assert min(problem.input_size) >= 1


@given(problems(min_axes=2, max_axes=3, transposed=True, modes=["zeros"], rules=[None], flip=False, bias=True, max_groups=1))
def test_arguments_narrow(problem: Problem) -> None:
    spec = problem.spec
    assert spec.ndim in (2, 3)
    assert (spec.transposed, spec.padding_mode, spec.flip, spec.bias, spec.groups) == (True, "zeros", False, True, 1)
    assert not isinstance(spec.padding, str)


@pytest.fixture(scope="module")
def drawn() -> set[object]:
    """What is seen in a few hundred problems."""
    seen: set[object] = set()

    @settings(max_examples=500, derandomize=True)
    @given(problems(allow_empty=True))
    def collect(problem: Problem) -> None:
        spec = problem.spec
        seen.update(spec.kinds, {spec.padding, spec.padding_mode, ("axes", spec.ndim), ("batch", problem.batch)})
        seen.update(feature for feature, holds in FEATURES.items() if holds(problem))

    collect()
    return seen


FEATURES: dict[str, Callable[[Problem], bool]] = {
    "output padding": lambda problem: any(problem.spec.output_padding),
    "an empty axis": lambda problem: 0 in problem.input_size,
    "a crop": lambda problem: not isinstance(problem.spec.padding, str) and min(map(min, problem.spec.padding)) < 0,
    "unlike sides": lambda problem: not isinstance(problem.spec.padding, str) and any(a != b for a, b in problem.spec.padding),
    "output padding beyond the stride": lambda problem: (
        problem.spec.transposed and max(problem.spec.output_padding) >= max(problem.spec.stride)
    ),
    "more outputs": lambda problem: problem.spec.groups < problem.spec.in_channels < problem.spec.out_channels,
}
KINDS = ["pointwise", "depthwise", "grouped", "dilated", "strided", "transposed", "causal", "flipped", "standard"]
COUNTS = [("axes", 1), ("axes", 2), ("axes", 3), ("axes", 4), ("batch", 1), ("batch", 2)]


@pytest.mark.parametrize("feature", [*KINDS, *PADDING_MODES, *PADDING_RULES, *COUNTS, *FEATURES])
def test_everything_is_drawn(feature: object, drawn: set[object]) -> None:
    assert feature in drawn


@given(st.integers(0, 100), st.sampled_from(["int8", "uint8", "bool", "float16", "float64", "complex64"]))
def test_integers_are_whole_and_small(seed: int, dtype: str) -> None:
    array = integers_of_shape((2, 3, 4), seed, dtype)
    assert array.dtype == dtype
    assert array.shape == (2, 3, 4)
    for part in (array.real, array.imag) if array.dtype.kind == "c" else (array,):
        check_same(part, np.rint(part.astype(float)).astype(part.dtype))
        low, high = (0, 8) if array.dtype.kind in "ub" else (-4, 4)
        assert low <= part.min()
        assert part.max() <= high


def test_integers_depend_on_the_seed_alone() -> None:
    check_same(integers_of_shape((5, 5), 77), integers_of_shape((5, 5), 77))
    assert (integers_of_shape((5, 5), 77) != integers_of_shape((5, 5), 78)).any()
