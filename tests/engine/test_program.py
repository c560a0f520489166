"""A whole convolution as one native call: taken where arrays lie as kernels read them, and the same as any other way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import faltung as fl
from faltung.engine import native, run
from tests.support.check import check_same
from tests.support.engine import expected_forward
from tests.support.strategies import integers_of_shape

SPEC = fl.ConvSpec(4, 6, 3, padding=1, groups=2, ndim=2)
SHAPE = (2, 4, 7, 9)


def arrays(dtype: str = "float32") -> list[np.ndarray]:
    return [integers_of_shape(shape, 4 + i, dtype) for i, shape in enumerate((SHAPE, SPEC.weight_shape, (6,)))]


def strided(array: np.ndarray) -> np.ndarray:
    held = np.zeros((*(2 * size for size in array.shape),), array.dtype)
    view = held[(slice(None, None, -2),) * array.ndim]
    view[...] = array
    return view


def unaligned(array: np.ndarray) -> np.ndarray:
    view = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


class Named(np.ndarray):
    """A subclass."""


CHANGES: dict[str, Any] = {
    "as it is": lambda a: a,
    "strided": strided,
    "unaligned": unaligned,
    "of the other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "read-only": read_only,
    "a subclass": lambda a: a.view(Named),
    "a list": lambda a: a.tolist(),
    "wider": lambda a: a.astype(np.float64),
    "in Fortran's order": np.asfortranarray,
    "repeated": lambda a: np.broadcast_to(a[:1, :1], a.shape),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("which", range(3))
def test_whatever_the_arrays_are(which: int, change: str) -> None:
    """Twice in the plain form before, so that a call of this kind is remembered."""
    given = arrays()
    if given[which].ndim == 1 and change == "repeated":
        given[which] = np.broadcast_to(given[which][:1], 6)
    elif change == "repeated":
        given[which] = CHANGES[change](given[which])
    changed: list[Any] = [CHANGES[change](a) if i == which and change != "repeated" else a for i, a in enumerate(given)]
    expected = expected_forward(SPEC, *given)
    prepared = fl.plan(SPEC, SHAPE).prepare(*given[1:])
    for _ in range(2):
        check_same(fl.conv(SPEC, *given), expected)
        check_same(fl.conv2d(*given, padding=1, groups=2), expected)
        for result in (fl.conv(SPEC, *changed), fl.conv2d(*changed, padding=1, groups=2)):
            check_same(np.asarray(result, np.float32), expected)
            assert type(result) is np.ndarray
            assert result.dtype == (np.float64 if change in ("wider", "a list") else np.float32)
        if which == 0 and change not in ("wider", "a list"):
            check_same(prepared(changed[0]), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint64", "int32", "float16", "complex64", ">f4"])
@pytest.mark.parametrize("is_batched", [True, False])
def test_whatever_the_dtype(dtype: str, is_batched: bool) -> None:
    x, weight, bias = arrays(dtype)
    expected = expected_forward(SPEC, x, weight, bias)
    if not is_batched:
        x, expected = x[0], expected[0]
    prepared = fl.plan(SPEC, x.shape, dtype).prepare(weight, bias)
    for _ in range(2):
        for result in (fl.conv(SPEC, x, weight, bias), fl.conv2d(x, weight, bias, padding=1, groups=2), prepared(x)):
            assert result.dtype == expected.dtype
            check_same(result, expected)


def test_results_may_overlap_what_is_read() -> None:
    spec = fl.ConvSpec(1, 1, 3, padding=1, ndim=1)
    x, weight = integers_of_shape((1, 1, 40), 5, "float32"), integers_of_shape((1, 1, 3), 6, "float32")
    expected = fl.conv(spec, x, weight)
    prepared = fl.plan(spec, x.shape).prepare(weight)
    for call in (lambda x, out: fl.conv(spec, x, weight, out=out), lambda x, out: prepared(x, out)):
        memory = np.zeros((1, 1, 41), np.float32)
        memory[..., :40] = x
        out = memory[..., 1:]
        assert call(memory[..., :40], out) is out
        check_same(np.ascontiguousarray(out), expected)
    bias = np.array([3], np.float32)
    pointwise = fl.ConvSpec(1, 1, 1, ndim=1)
    one = np.ones((1, 1, 1), np.float32)
    for _ in range(2):
        bias[0] = 3
        check_same(fl.conv(pointwise, one, one, bias, out=bias.reshape(1, 1, 1)), np.array([[[4]]], np.float32))


@pytest.mark.parametrize("which", ["weight", "bias"])
def test_items_of_no_bytes_are_refused(which: str) -> None:
    """Also where a call of this kind was served before."""
    arrays = {"x": np.zeros((1, 3, 8, 8), np.float32), "weight": np.zeros((4, 3, 3, 3), np.float32), "bias": np.zeros(4, np.float32)}
    fl.conv2d(**arrays)
    arrays[which] = np.zeros(arrays[which].shape, "V0")
    with pytest.raises(fl.ConvTypeError, match=f"{which} has dtype"):
        fl.conv2d(**arrays)


def test_calls_of_a_kind_are_one_native_call(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight, bias = arrays()
    prepared = fl.plan(SPEC, SHAPE).prepare(weight, bias)
    expected = [fl.conv(SPEC, x, weight, bias), fl.conv2d(x, weight, bias, 1, 1, 1, 2)]
    monkeypatch.setattr(run, "run_packed", None)
    monkeypatch.setattr(run, "_checked", None)
    check_same(fl.conv(SPEC, x, weight, bias), expected[0])
    check_same(fl.conv2d(x, weight, bias, 1, 1, 1, 2), expected[1])
    check_same(prepared(x, residual=x[:, [0, 1, 2, 3, 0, 1]]), expected[0] + x[:, [0, 1, 2, 3, 0, 1]])


def test_kinds_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered serves the same arguments only, and not too many of them."""
    x, weight, bias = arrays()
    for padding in (0, 1, (1, 0), ((0, 1), (1, 0)), [0, 1]):
        spec, flipped = (fl.ConvSpec(4, 6, 3, padding=padding, groups=2, ndim=2, flip=flip) for flip in (False, True))
        for _ in range(2):
            check_same(fl.conv2d(x, weight, bias, padding=padding, groups=2), expected_forward(spec, x, weight, bias))
            check_same(fl.conv2d(x, weight, bias, padding=padding, groups=2, flip=True), expected_forward(flipped, x, weight, bias))
            check_same(fl.conv2d(x[:1], weight, padding=padding, groups=2), expected_forward(spec, x[:1], weight))
    monkeypatch.setattr(run.programs, "most", 20)
    for size in range(1, 40):
        fl.conv1d(np.ones((1, 1, size), np.float32), np.ones((1, 1, 1), np.float32))
    assert 0 < len(run.programs) <= 20


@pytest.mark.parametrize("isa", native.available_isas())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_magnitudes(dtype: str, isa: str) -> None:
    for shape in ((1,), (3, 67), (2, 3, 5, 31), (70001,), (0, 4)):
        for array in (np.full(shape, -8, dtype), strided(np.full(shape, 8, dtype)), np.full(shape, 0, dtype).T):
            assert native.is_within(array, 8.0, isa, 2)
            for bad in (np.nextafter(array.dtype.type(8), array.dtype.type(9)), -np.inf, np.nan, -np.nan):
                for place in {0, array.size // 2, array.size - 1} if array.size else ():
                    index = np.unravel_index(place, array.shape)
                    before, array[index] = array[index], bad
                    assert not native.is_within(array, 8.0, isa, 2)
                    assert native.is_within(array, np.inf, isa, 2) == np.isfinite(bad)
                    array[index] = before
