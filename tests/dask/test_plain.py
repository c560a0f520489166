"""`correlate` and `convolve` of dask arrays without channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import faltung as fl
from faltung.borders import PADDING_MODES
from tests.dask.chunks import cuts

da = pytest.importorskip("dask.array")
faltung_dask = pytest.importorskip("faltung.dask")


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_bits_of_one_array(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.integers(1, 9)) for _ in range(data.draw(st.integers(1, 3))))
    kernel_size = tuple(data.draw(st.integers(1, size)) for size in shape)
    dtype, name = data.draw(st.sampled_from(["float32", "int64", "complex128"])), data.draw(st.sampled_from(["correlate", "convolve"]))
    mode, boundary = data.draw(st.sampled_from(["valid", "same", "full"])), data.draw(st.sampled_from(PADDING_MODES))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x, kernel = ((9 * rng.standard_normal(size)).astype(dtype) for size in (shape, kernel_size))
    if dtype == "complex128":
        kernel = kernel * (1 + 2j)
    chunks = tuple(cuts(data.draw, size) for size in shape)
    lazy = getattr(faltung_dask, name)(da.from_array(x, chunks=chunks), kernel, mode, boundary)
    rule = {"valid": "valid", "same": "same_lower", "full": "full"}[mode]
    spec = fl.ConvSpec(1, 1, kernel_size, padding=rule, padding_mode=boundary, flip=name == "convolve", bias=False)
    weight = kernel.conj() if name == "correlate" else kernel
    whole = fl.conv(spec, x[None], weight[None, None], accuracy="exact")[0]
    assert lazy.compute(scheduler="sync").tobytes() == whole.tobytes()
    largest = np.abs(x).max(initial=0) * np.abs(kernel).sum()
    np.testing.assert_allclose(getattr(fl, name)(x, kernel, mode, boundary), whole, rtol=0, atol=1e-5 * largest)


def test_kernels_may_be_dask_arrays() -> None:
    x, kernel = np.arange(20).reshape(4, 5), np.arange(6).reshape(2, 3)
    lazy = faltung_dask.correlate(da.from_array(x, chunks=2), da.from_array(kernel, chunks=(1, 2)))
    assert (lazy.compute(scheduler="sync") == fl.correlate(x, kernel)).all()


def test_both_need_the_same_axes() -> None:
    with pytest.raises(fl.ConvShapeError, match="Both need the same number of axes"):
        faltung_dask.convolve(da.ones((4, 4)), [1, 2])
    with pytest.raises(fl.ConvShapeError, match="no output along axis 0"):
        faltung_dask.convolve(da.ones(4), np.ones(5))


@pytest.mark.parametrize(
    "chunks", [0, -5, 2.5, "abc", (), (1, 2, 3), ((5, 5), (20,)), [[10, 10], [20]], (np.nan, 3), ("auto", "abc"), (-3, "auto")]
)
def test_chunks_that_are_none(chunks: Any) -> None:
    with pytest.raises(fl.ConvShapeError, match=r"chunks=.* are none of a result of shape \(18, 18\)"):
        faltung_dask.correlate(da.ones((20, 20), chunks=7), np.ones((3, 3)), chunks=chunks)
