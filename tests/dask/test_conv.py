"""Convolutions of dask arrays: the bits of one array, in whatever chunks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import faltung as fl
from tests.dask.chunks import cuts
from tests.support.strategies import Problem, problems

da = pytest.importorskip("dask.array")
faltung_dask = pytest.importorskip("faltung.dask")


@st.composite
def chunked(draw: st.DrawFn, **narrowed: Any) -> tuple[Problem, tuple[tuple[int, ...], ...], Any]:
    """A problem, the chunks of its input, and those asked of its result: any, or none."""
    problem = draw(problems(**narrowed))
    given_chunks = tuple(cuts(draw, size) for size in problem.input_shape)
    asked = tuple(cuts(draw, size) for size in problem.output_shape) if draw(st.booleans()) else None
    return problem, given_chunks, asked


def check_bits(problem: Problem, chunks: Any, asked: Any, dtype: Any, *, random: bool = True) -> None:
    x, weight, bias = problem.arrays(dtype)
    if random and np.dtype(dtype).kind in "fc":
        rng = np.random.default_rng(problem.seed)
        x, weight = (rng.standard_normal(array.shape).astype(dtype) for array in (x, weight))
        bias = None if bias is None else rng.standard_normal(bias.shape).astype(dtype)
    whole = fl.conv(problem.spec, x, weight, bias, accuracy="exact")
    lazy = faltung_dask.conv(problem.spec, da.from_array(x, chunks=chunks), weight, bias, chunks=asked)
    assert (lazy.shape, lazy.dtype) == (whole.shape, whole.dtype)
    if asked is not None:
        assert lazy.chunks == tuple(tuple(filter(None, along)) or (0,) for along in asked)
    parts = lazy.compute(scheduler="sync")
    assert (parts.shape, parts.dtype) == (whole.shape, whole.dtype)
    assert parts.tobytes() == whole.tobytes()


@settings(max_examples=150, deadline=None)
@given(chunked(allow_empty=True))
def test_integers_of_any_spec_in_any_chunks(drawn: tuple[Problem, Any, Any]) -> None:
    check_bits(*drawn, np.int64)


@settings(max_examples=150, deadline=None)
@given(chunked(), st.sampled_from(["float32", "float64", "float16", "complex64"]))
def test_bits_of_any_spec_in_any_chunks(drawn: tuple[Problem, Any, Any], dtype: str) -> None:
    check_bits(*drawn, dtype)
