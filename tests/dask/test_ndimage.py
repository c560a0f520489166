"""SciPy's filters of dask arrays: the bits that `faltung.ndimage` gives of one array, in whatever chunks."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import faltung as fl
from faltung import ndimage
from faltung.ndimage.arguments import MODES
from faltung.ndimage.correlation import correlate_array
from tests.dask.chunks import cuts

da = pytest.importorskip("dask.array")
chunked = pytest.importorskip("faltung.dask.ndimage")


@st.composite
def arrays(draw: st.DrawFn) -> tuple[np.ndarray, tuple[tuple[int, ...], ...]]:
    shape = tuple(draw(st.integers(1, 14)) for _ in range(draw(st.integers(1, 3))))
    dtype = np.dtype(draw(st.sampled_from(["float32", "float64", "uint8", "int32", "complex64", "bool"])))
    values = np.random.default_rng(draw(st.integers(0, 99))).standard_normal(shape) * 50
    return values.astype(dtype), tuple(cuts(draw, size) for size in shape)


@st.composite
def filters(draw: st.DrawFn, ndim: int) -> tuple[str, dict[str, Any]]:
    """The name of a filter and its arguments."""
    name = draw(st.sampled_from([name for name in chunked.__all__ if not name.startswith("generic")]))
    mode, cval = draw(st.sampled_from(list(MODES))), draw(st.sampled_from([0.0, 2.5]))
    options: dict[str, Any] = {"mode": mode, "cval": cval}
    axis = draw(st.integers(0, ndim - 1))
    if name.endswith("1d"):
        options["axis"] = axis
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    if name in ("correlate1d", "convolve1d"):
        size = draw(st.integers(1, 7))
        options |= {"weights": rng.standard_normal(size), "origin": draw(st.integers(-((size - 1) // 2), (size - 1) // 2))}
    elif name in ("correlate", "convolve"):
        shape = [draw(st.integers(1, 4)) for _ in range(ndim)]
        options |= {"weights": rng.standard_normal(shape), "origin": [draw(st.integers(-((k - 1) // 2), (k - 1) // 2)) for k in shape]}
    elif name == "gaussian_filter1d":
        options |= {"sigma": draw(st.sampled_from([0.6, 2.0])), "order": draw(st.integers(0, 2))}
    elif name.startswith("gaussian"):
        options["sigma"] = draw(st.sampled_from([0.6, [0.5, 1.5, 1.0][:ndim]]))
        if name == "gaussian_filter":
            options |= {"order": draw(st.integers(0, 1)), "axes": draw(st.sampled_from([None, (axis,)]))}
            options["sigma"] = 0.8 if options["axes"] else options["sigma"]
    elif name.startswith("uniform"):
        options["size"] = draw(st.integers(1, 8))
    elif name in ("sobel", "prewitt"):
        options["axis"] = axis
    if name in ("sobel", "prewitt", "laplace", "uniform_filter"):
        options["mode"] = [draw(st.sampled_from(list(MODES))) for _ in range(ndim)]
    return name, options


def check(x: np.ndarray, chunks: Any, name: str, options: dict[str, Any]) -> None:
    if name in ("correlate", "convolve"):
        arguments = (options["weights"], None, options["mode"], options["cval"], options.get("origin", 0), None)
        whole = correlate_array(x, *arguments, flips=name == "convolve", accuracy="exact")
    else:
        whole = getattr(ndimage, name)(x, **options)
    lazy = getattr(chunked, name)(da.from_array(x, chunks=chunks), **options)
    assert (lazy.shape, lazy.dtype, lazy.chunks) == (x.shape, whole.dtype, chunks)
    parts = lazy.compute(scheduler="sync")
    assert (parts.dtype, parts.shape) == (whole.dtype, whole.shape)
    assert parts.tobytes() == whole.tobytes()


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_every_filter_in_any_chunks(data: st.DataObject) -> None:
    x, chunks = data.draw(arrays())
    name, options = data.draw(filters(x.ndim))
    check(x, chunks, name, options)


def second(x: np.ndarray, axis: int, output: Any, mode: str, cval: float, reach: int = 1) -> np.ndarray:
    """A one-sided difference of differences: two passes along one axis."""
    once = ndimage.correlate1d(x, [0, -1, 1], axis, output, mode, cval)
    return ndimage.correlate1d(once, [*[0] * reach, -1, *[0] * (reach - 1), 1], axis, output, mode, cval)


@pytest.mark.parametrize("mode", ["reflect", "mirror", "nearest", "wrap", "constant"])
@pytest.mark.parametrize("name", ["generic_laplace", "generic_gradient_magnitude"])
@pytest.mark.parametrize("chunks", [((3, 1, 1, 6), (2, 5)), ((1,) * 11, (7,))])
def test_derivatives_of_ones_own_need_a_depth(name: str, mode: str, chunks: Any) -> None:
    """Border after border: two passes along one axis, neither of them symmetric."""
    x = np.random.default_rng(0).standard_normal((11, 7))
    options = {"mode": mode, "cval": 1.5, "extra_keywords": {"reach": 2}}
    whole = getattr(ndimage, name)(x, second, **options)
    parts = getattr(chunked, name)(da.from_array(x, chunks=chunks), second, depth=((3, 3), 3), **options)
    assert parts.compute(scheduler="sync").tobytes() == whole.tobytes()


def test_names_depend_on_all_arguments_and_on_nothing_else() -> None:
    x = da.ones((8, 8), chunks=4)
    once = chunked.gaussian_filter(x, 1.0).name
    assert once == chunked.gaussian_filter(x, 1.0, threads=1).name
    others = [chunked.gaussian_filter(x, 1.5), chunked.gaussian_filter(x, 1.0, mode="wrap"), chunked.gaussian_filter(x, 1.0, chunks=8)]
    assert len({once, *(other.name for other in others)}) == 4


def test_filters_have_chunks_of_ones_own() -> None:
    x = np.random.default_rng(1).standard_normal((9, 10)).astype(np.float32)
    lazy = chunked.uniform_filter(da.from_array(x, chunks=(2, 3)), 5, chunks=(5, 4))
    assert lazy.chunks == ((5, 4), (4, 4, 2))
    assert (lazy.compute(scheduler="sync") == ndimage.uniform_filter(x, 5)).all()


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_empty_arrays_stay_empty(shape: tuple[int, int]) -> None:
    result = chunked.sobel(da.ones(shape, chunks=2))
    assert (result.shape, result.compute().shape) == (shape, shape)


def test_arguments_are_refused_when_they_are_given() -> None:
    x = da.ones((6, 6), chunks=3)
    with pytest.raises(fl.ConvError, match="origin"):
        chunked.uniform_filter(x, 3, origin=2)
    with pytest.raises(fl.ConvTypeError, match="Give a dtype"):
        chunked.laplace(x, output=np.empty((6, 6)))
    with pytest.raises(fl.ConvError, match="boundary mode not supported"):
        chunked.gaussian_filter(x, 1.0, mode="around")
    with pytest.raises(fl.ConvSpecError, match="wraps for some of the derivatives"):
        chunked.gaussian_laplace(x, 1.0, mode=["wrap", "reflect"])
    with pytest.raises(fl.ConvSpecError, match="neither a number nor a pair"):
        chunked.generic_laplace(x, second, depth=[(1, 2, 3), 1])


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    def refuse(block: np.ndarray) -> np.ndarray:
        raise AssertionError("computed")

    x = da.ones((100, 100), chunks=10).map_blocks(refuse, dtype=float, meta=np.empty((0, 0)))
    for name in chunked.__all__:
        options = {"gaussian": {"sigma": 1.0}, "uniform": {"size": 3}}.get(name.split("_")[0], {})
        options |= {"weights": [1.0, 2.0]} if name.endswith("e1d") else {"weights": [[1.0]]} if name in ("correlate", "convolve") else {}
        made = functools.partial(getattr(chunked, name), x, **options)
        assert (made(second, depth=2) if name.startswith("generic") else made()).shape == (100, 100)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gaussian_filter", {"sigma": (6.0, 2.5), "mode": "mirror"}),
        ("uniform_filter", {"size": (31, 70), "mode": "wrap"}),
        ("correlate", {"weights": np.random.default_rng(3).standard_normal((15, 17)), "mode": "constant", "cval": 3.0}),
        ("gaussian_laplace", {"sigma": 3.0, "mode": "nearest"}),
    ],
)
def test_long_rows_and_large_windows(name: str, options: dict[str, Any], dtype: str) -> None:
    x = (np.random.default_rng(2).random((90, 330)) * 200).astype(dtype)
    check(x, ((37, 1, 52), (150, 100, 3, 77)), name, options)
