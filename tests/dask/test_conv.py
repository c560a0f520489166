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


@settings(max_examples=100, deadline=None)
@given(chunked(allow_empty=True), st.sampled_from(["int64", "uint8", "bool", "uint64"]))
def test_integers_of_any_spec_in_any_chunks(drawn: tuple[Problem, Any, Any], dtype: str) -> None:
    check_bits(*drawn, dtype)


@settings(max_examples=100, deadline=None)
@given(chunked(), st.sampled_from(["float32", "float64", "float16", "complex64"]))
def test_bits_of_any_spec_in_any_chunks(drawn: tuple[Problem, Any, Any], dtype: str) -> None:
    check_bits(*drawn, dtype)


@pytest.mark.parametrize("text", ["conv2d(4, 4, 3, padding=1)", "conv2d(1, 1, 31, padding=15)"])
def test_the_default_accuracy_keeps_its_bound(text: str) -> None:
    """By Winograd's algorithm and by spectra, part by part."""
    spec = fl.ConvSpec.parse(text)
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((spec.in_channels, 90, 80)), rng.standard_normal(spec.weight_shape)
    whole = fl.conv(spec, x, weight, accuracy="exact")
    lazy = faltung_dask.conv(spec, da.from_array(x, chunks=(1, 50, 40)), weight, accuracy="default")
    assert lazy.name != faltung_dask.conv(spec, da.from_array(x, chunks=(1, 50, 40)), weight).name
    bound = 2e-13 * np.abs(weight).sum() * np.abs(x).max()
    assert np.abs(lazy.compute(scheduler="sync") - whole).max() <= bound


def test_arrays_of_different_dtypes_are_promoted_as_one_array_is() -> None:
    """With a border that folds back, the bias alone decides in which type all is summed."""
    spec = fl.ConvSpec.parse("conv_transpose1d(1, 1, 3, padding=2, padding_mode='circular')")
    rng = np.random.default_rng(0)
    x, weight, bias = rng.standard_normal((1, 12)).astype(np.float32), rng.standard_normal((1, 1, 3)).astype(np.float32), np.array([0.1])
    lazy = faltung_dask.conv(spec, da.from_array(x, chunks=(1, 5)), weight, bias)
    whole = fl.conv(spec, x, weight, bias, accuracy="exact")
    assert (lazy.dtype, whole.dtype) == (np.float64, np.float64)
    assert lazy.compute(scheduler="sync").tobytes() == whole.tobytes()


def test_zarr_arrays_are_read_by_their_chunks(tmp_path: Any) -> None:
    zarr = pytest.importorskip("zarr")
    numbers = np.random.default_rng(0).integers(0, 9, (1, 30, 20))
    stored = zarr.create_array(str(tmp_path / "image.zarr"), shape=numbers.shape, chunks=(1, 16, 8), dtype=numbers.dtype)
    stored[:] = numbers
    weight = np.random.default_rng(1).integers(-3, 4, (1, 1, 5, 5))
    lazy = faltung_dask.conv2d(stored, weight, padding=2)
    assert lazy.chunks == ((1,), (16, 14), (8, 8, 4))
    assert (lazy.compute(scheduler="sync") == fl.conv2d(numbers, weight, padding=2)).all()
