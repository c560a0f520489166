"""The same bits come back however the arrays lie in memory, and wherever the result is written."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from tests.support.check import check_error, check_same
from tests.support.engine import examples, labelled, normal_arrays, normals, result_dtype
from tests.support.layouts import channels_last, every_other, reversed_axes, unaligned
from tests.support.strategies import Problem, integers_of_shape, problems

OTHER_ORDER = ">" if sys.byteorder == "little" else "<"


def packed_field(array: np.ndarray) -> np.ndarray:
    """A field of records: steps that are no multiple of the element."""
    records = np.zeros(array.shape, [("before", "u1"), ("value", array.dtype), ("after", "S2")])
    records["value"] = array
    return records["value"]


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Fortran order": np.asfortranarray,
    "channels last": channels_last,
    "negative strides": reversed_axes,
    "every other cell": every_other,
    "unaligned": unaligned,
    "field of a record": packed_field,
    "other byte order": lambda array: array.astype(array.dtype.newbyteorder(OTHER_ORDER)),
    "read-only": read_only,
    "all of these": lambda array: reversed_axes(packed_field(np.asfortranarray(array.astype(array.dtype.newbyteorder(OTHER_ORDER))))),
}

SPECS = [
    "conv2d(4, 18, 3, stride=(1, 2), padding=1, groups=2)",
    "conv2d(6, 5, 1)",
    "conv1d(3, 3, 4, dilation=2, padding='same', padding_mode='reflect', groups=3)",
    "conv_transpose2d(4, 6, 3, stride=2, padding=1, groups=2)",
    "conv3d(2, 9, 2, padding='causal', padding_mode='circular', flip=True)",
]


@pytest.mark.parametrize("dtype", ["int16", "float16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("text", SPECS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_inputs_of_any_layout(layout: str, text: str, dtype: str) -> None:
    spec, lay = fl.ConvSpec.parse(text), LAYOUTS[layout]
    x, weight, bias = normal_arrays(Problem(spec, (7, 6, 5)[: spec.ndim], 2, 5), "complex128" if dtype.startswith("c") else "float64")
    x, weight, bias = ((9 * array).astype(dtype) for array in (x, weight, bias))
    grad = integers_of_shape(spec.output_shape(x.shape), 8, dtype)
    size = x.shape[2:]
    check_same(fl.conv(spec, lay(x), lay(weight), lay(bias)), fl.conv(spec, x, weight, bias), bits=True)
    check_same(fl.conv_input_grad(spec, lay(grad), lay(weight), size), fl.conv_input_grad(spec, grad, weight, size), bits=True)
    check_same(fl.conv_weight_grad(spec, lay(x), lay(grad)), fl.conv_weight_grad(spec, x, grad), bits=True)


@st.composite
def laid_out(draw: st.DrawFn, array: np.ndarray) -> np.ndarray:
    """`array` with its axes in another order in memory, some of them reversed or with gaps."""
    order = draw(st.permutations(range(array.ndim)))
    steps = [draw(st.sampled_from([1, 1, 2, -1, -3])) for _ in range(array.ndim)]
    spread = np.zeros(tuple(array.shape[axis] * abs(steps[axis]) for axis in order), array.dtype)
    view = spread.transpose(tuple(np.argsort(order)))[tuple(slice(None, None, step) for step in steps)]
    view[...] = array
    return view


@examples(80)
@given(problems(), st.sampled_from(["float32", "float64", "int64"]), st.data())
def test_any_strides(problem: Problem, dtype: str, data: st.DataObject) -> None:
    spec, size = problem.spec, problem.input_size
    x, weight, bias = ((5 * array).astype(dtype) for array in normal_arrays(problem, "float64") if array is not None) if spec.bias else (
        *((5 * array).astype(dtype) for array in normal_arrays(problem, "float64")[:2]),
        None,
    )  # fmt: skip
    grad = normals(problem.output_shape, 3, "float64").astype(dtype)
    x_, weight_, grad_ = (data.draw(laid_out(array)) for array in (x, weight, grad))
    expected = fl.conv(spec, x, weight, bias)
    check_same(fl.conv(spec, x_, weight_, bias), expected, bits=True)
    out = data.draw(laid_out(np.zeros(expected.shape, expected.dtype)))
    assert fl.conv(spec, x_, weight_, bias, out=out) is out
    check_same(out, expected, bits=True)
    check_same(fl.conv_input_grad(spec, grad_, weight_, size), fl.conv_input_grad(spec, grad, weight, size), bits=True)
    check_same(fl.conv_weight_grad(spec, x_, grad_), fl.conv_weight_grad(spec, x, grad), bits=True)


def amid_junk(array: np.ndarray) -> np.ndarray:
    """`array` with memory on both sides that would show in a result, were it read."""
    memory = np.full(array.size + 2000, np.nan if array.dtype.kind in "fc" else 77, array.dtype)
    view = memory[1000:-1000].reshape(array.shape)
    view[...] = array
    return view


@pytest.mark.parametrize("dtype", ["int8", "int64", "float32", "float64", "complex128", "float16"])
@pytest.mark.parametrize("text", SPECS)
def test_repeated_cells(text: str, dtype: str) -> None:
    """Strides of 0: one cell stands for many."""
    spec = fl.ConvSpec.parse(text)
    size = (7, 6, 5)[: spec.ndim]
    shape = (2, spec.in_channels, *size)
    ones = (1,) * spec.ndim
    for kept in ((1, 1, *size), (2, spec.in_channels, *ones), (1, 1, *ones), (2, spec.in_channels, *size[:-1], 1), (2, 1, 1, *size[1:])):
        x = np.broadcast_to(amid_junk(integers_of_shape(kept, 5, dtype)), shape)
        weight = np.broadcast_to(amid_junk(integers_of_shape((1, 1, *ones), 7, dtype)), spec.weight_shape)
        grad_shape = spec.output_shape(shape)
        grad_kept = tuple(1 if one == 1 else whole for one, whole in zip(kept, grad_shape, strict=True))
        grad = np.broadcast_to(amid_junk(integers_of_shape(grad_kept, 9, dtype)), grad_shape)
        with labelled(kept):
            for algorithm in (decision.algorithm for decision in fl.plan(spec, shape, dtype).why if decision.fits):
                plan = fl.plan(spec, shape, dtype, algorithm=algorithm)
                check_same(plan(x, weight), plan(x.copy(), weight.copy()), bits=True)
            expected = fl.conv_input_grad(spec, grad.copy(), weight.copy(), size)
            check_same(fl.conv_input_grad(spec, grad, weight, size), expected, bits=True)
            check_same(fl.conv_weight_grad(spec, x, grad), fl.conv_weight_grad(spec, x.copy(), grad.copy()), bits=True)


def test_inputs_are_left_as_they_are() -> None:
    spec = fl.ConvSpec(4, 4, 3, padding=1, ndim=2, flip=True)
    for dtype in ("float32", "float16", "complex64", "int8"):
        arrays = [integers_of_shape(shape, 7, dtype) for shape in ((2, 4, 5, 5), spec.weight_shape, (4,), (2, 4, 5, 5))]
        before = [array.copy() for array in arrays]
        x, weight, bias, grad = arrays
        fl.conv(spec, x, weight, bias)
        fl.conv_input_grad(spec, grad, weight, 5)
        fl.conv_weight_grad(spec, x, grad)
        check_same(arrays, before)


def test_results_are_fresh_and_contiguous() -> None:
    spec = fl.ConvSpec(2, 3, 1, ndim=1, bias=False)
    x, weight = np.ones((1, 2, 4), np.float32), np.ones(spec.weight_shape, np.float32)
    first = fl.conv(spec, x, weight)
    second = fl.conv(spec, x, weight)
    assert first.flags.c_contiguous
    assert first.flags.writeable
    first[...] = -1
    check_same(second, np.full((1, 3, 4), 2, np.float32))


# -- out= --------------------------------------------------------------------------------------------

X = integers_of_shape((2, 4, 7, 8), 5, "float32")
WEIGHT = integers_of_shape((6, 2, 3, 3), 6, "float32")
EXPECTED = fl.conv2d(X, WEIGHT, groups=2, padding=1)

OUTS = {
    "contiguous": np.empty(EXPECTED.shape, np.float32),
    "Fortran order": np.empty(EXPECTED.shape, np.float32, order="F"),
    "channels last": np.moveaxis(np.empty((2, 7, 8, 6), np.float32), -1, 1),
    "negative strides": np.empty(EXPECTED.shape, np.float32)[::-1, ::-1, ::-1, ::-1],
    "part of a larger array": np.empty((3, 9, 10, 20), np.float32)[1:, 2:8, 3:, 2:18:2],
    "unaligned": unaligned(np.zeros(EXPECTED.shape, np.float32)),
    "field of a record": packed_field(np.zeros(EXPECTED.shape, np.float32)),
    "other byte order": np.empty(EXPECTED.shape, np.dtype(np.float32).newbyteorder(OTHER_ORDER)),
    "float64": np.empty(EXPECTED.shape),
    "float16": np.empty(EXPECTED.shape, np.float16),
    "complex128": np.empty(EXPECTED.shape, complex),
}


@pytest.mark.parametrize("layout", OUTS)
def test_out_of_any_layout(layout: str) -> None:
    out = OUTS[layout]
    out[...] = 77
    assert fl.conv2d(X, WEIGHT, groups=2, padding=1, out=out) is out
    check_same(out.astype(out.dtype.newbyteorder("=")), EXPECTED.astype(out.dtype.newbyteorder("=")))


def test_out_touches_nothing_else() -> None:
    around = np.full((4, 8, 9, 10), 55, np.float32)
    fl.conv2d(X, WEIGHT, groups=2, padding=1, out=around[1:3, 1:7, 1:8, 1:9])
    check_same(around[1:3, 1:7, 1:8, 1:9], EXPECTED)
    around[1:3, 1:7, 1:8, 1:9] = 55
    check_same(around, np.full((4, 8, 9, 10), 55, np.float32))


@pytest.mark.parametrize(
    ("dtype", "out_dtype"), [("int8", "int64"), ("int8", "int16"), ("uint8", "int64"), ("bool", "float64"), ("float16", "float32")]
)
def test_out_of_another_dtype(dtype: str, out_dtype: str) -> None:
    x, weight = integers_of_shape((1, 2, 5), 5, dtype), integers_of_shape((3, 2, 2), 6, dtype)
    expected = fl.conv1d(x, weight)
    out = np.empty(expected.shape, out_dtype)
    assert fl.conv1d(x, weight, out=out) is out
    check_same(out, expected.astype(out_dtype))
    assert expected.dtype == result_dtype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int64", "uint64", "float16", "int8"])
def test_out_may_be_an_input(dtype: str) -> None:
    x, weight = integers_of_shape((2, 3, 6, 6), 5, dtype), integers_of_shape((3, 3, 3, 3), 6, dtype)
    expected = fl.conv2d(x, weight, padding=1)
    array = x.astype(expected.dtype)
    assert fl.conv2d(array, weight, padding=1, out=array) is array
    check_same(array, expected)
    square = integers_of_shape((3, 3, 3, 3), 7, dtype).astype(expected.dtype)
    expected = fl.conv2d(x[:1], square, padding=(-1, -1))
    check_same(fl.conv2d(x[:1], square, padding=(-1, -1), out=square[:1, :, :2, :2]), expected)


@pytest.mark.parametrize("shift", [-9, -3, -1, 1, 2, 7])
def test_out_may_overlap_an_input(shift: int) -> None:
    memory = integers_of_shape((100,), 9, "float32")
    x, weight = memory[20:60].reshape(1, 1, 40), np.array([[[1, -2, 3]]], np.float32)
    expected = fl.conv1d(x.copy(), weight, padding=1)
    out = memory[20 + shift : 60 + shift].reshape(1, 1, 40)
    check_same(fl.conv1d(x, weight, padding=1, out=out), expected)


def test_out_may_overlap_the_bias_and_the_transposed_input() -> None:
    memory = integers_of_shape((64,), 9, "float64")
    x, weight = np.ones((1, 1, 4)), np.ones((1, 4, 1))
    expected = fl.conv_transpose1d(x, weight, memory[:4].copy())
    check_same(fl.conv_transpose1d(x, weight, memory[:4], out=memory[:16].reshape(1, 4, 4)), expected)
    x = memory[20:24].reshape(1, 1, 4)
    expected = fl.conv_transpose1d(x.copy(), np.ones((1, 1, 4)), stride=3)
    check_same(fl.conv_transpose1d(x, np.ones((1, 1, 4)), stride=3, out=memory[18:31].reshape(1, 1, 13)), expected)


OUT_ERRORS = {
    "shape": (
        lambda: fl.conv2d(X, WEIGHT, groups=2, out=np.zeros(3)),
        fl.ConvShapeError,
        "out has shape (3,), the result (2, 6, 5, 6).\n  Use np.empty((2, 6, 5, 6), 'float32').",
    ),
    "dtype": (
        lambda: fl.conv1d(np.ones((1, 3)), np.ones((1, 1, 2)), out=np.zeros((1, 2), int)),
        fl.ConvTypeError,
        "out has dtype int64, the result float64 cannot be stored in it.\n  Use np.empty((1, 2), 'float64').",
    ),
    "type": (
        lambda: fl.conv1d(np.ones((1, 3)), np.ones((1, 1, 2)), out=[[0.0, 0.0]]),
        fl.ConvTypeError,
        "out is of type list, a NumPy array is needed.\n  Use np.empty((1, 2), 'float64').",
    ),
    "read-only": (
        lambda: fl.conv1d(np.ones((1, 3)), np.ones((1, 1, 2)), out=read_only(np.zeros((1, 2)))),
        fl.ConvTypeError,
        "out is read-only.\n  Give a writable array, or leave out= away.",
    ),
}


@pytest.mark.parametrize("what", OUT_ERRORS)
def test_out_is_checked(what: str) -> None:
    check_error(*OUT_ERRORS[what])


# -- what counts as an array -------------------------------------------------------------------------


class WithArray:
    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return np.arange(3.0).reshape(1, 3)


class WithDlpack:
    def __dlpack__(self, **options: object) -> object:
        return np.arange(3.0).reshape(1, 3).__dlpack__(**options)

    def __dlpack_device__(self) -> object:
        return np.zeros(0).__dlpack_device__()


@pytest.mark.parametrize("x", [[[0.0, 1.0, 2.0]], ((0.0, 1.0, 2.0),), WithArray(), WithDlpack(), memoryview(np.arange(3.0).reshape(1, 3))])
def test_what_is_accepted_as_an_array(x: object) -> None:
    check_same(fl.conv1d(x, [[[1.0, 10.0]]]), np.array([[10.0, 21.0]]))


def test_tensors_are_accepted(torch: object) -> None:
    x, weight = torch.arange(3.0).reshape(1, 3), torch.tensor([[[1.0, 10.0]]])
    check_same(fl.conv1d(x, weight), np.array([[10.0, 21.0]], np.float32))
    check_error(
        lambda: fl.conv1d(x.clone().requires_grad_(), weight),
        fl.ConvTypeError,
        "x of type Tensor cannot be read as an array: Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy()"
        " instead.\n  Give a NumPy array, or anything with __array__ or a CPU __dlpack__ (a tensor: x.detach().cpu()).",
    )
