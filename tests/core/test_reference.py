"""The definition against other people's: PyTorch, NumPy, published examples, and loops written out here."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from faltung import reference
from faltung.errors import ConvShapeError
from faltung.spec import ConvSpec
from tests.support.check import check_error, check_same
from tests.support.strategies import Problem, problems

NUMPY_MODES = {"zeros": "constant", "circular": "wrap", "reflect": "reflect", "replicate": "edge", "symmetric": "symmetric"}


def grid(*rows: list[int]) -> np.ndarray:
    """A batch of one image with one channel."""
    return np.array(rows)[None, None]


def conv(text: str, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    return reference.conv(ConvSpec.parse(text), x, weight, bias)


# -- published examples -------------------------------------------------------------------------------

DUMOULIN_INPUT = grid([3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1])
DUMOULIN_KERNEL = grid([0, 1, 2], [2, 2, 0], [0, 1, 2])
LAPLACIAN = grid([0, 1, 0], [1, -4, 1], [0, 1, 0])
LAPLACIAN_INPUT = grid([1, 2, 3, 0, 1], [0, 1, 2, 3, 1], [1, 0, 1, 2, 2], [2, 1, 0, 1, 3], [1, 2, 3, 0, 1])


@pytest.mark.parametrize(
    ("text", "x", "weight", "expected"),
    [
        pytest.param(
            "conv2d(1, 1, 3)", DUMOULIN_INPUT, DUMOULIN_KERNEL, grid([12, 12, 17], [10, 17, 19], [9, 6, 14]), id="Dumoulin-Visin figure 1.1"
        ),
        pytest.param(
            "conv2d(1, 1, 3, stride=2, padding=1)",
            DUMOULIN_INPUT,
            DUMOULIN_KERNEL,
            grid([6, 17, 3], [8, 17, 13], [6, 4, 4]),
            id="Dumoulin-Visin figure 1.2",
        ),
        pytest.param(
            "conv2d(1, 1, (3, 3), padding='full', flip=True)",
            grid([0, 1], [1, 2]),
            np.array([[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]]),
            grid([0, 1, 2, 3], [1, 8, 12, 12], [4, 20, 24, 21], [7, 22, 25, 18]),
            id="Octave conv2",
        ),
        pytest.param(
            "conv2d(1, 1, 2)", np.arange(9).reshape(1, 1, 3, 3), np.arange(4).reshape(1, 1, 2, 2), grid([19, 25], [37, 43]), id="d2l corr2d"
        ),
        pytest.param(
            "conv2d(1, 1, 2, padding=1)",
            np.arange(9).reshape(1, 1, 3, 3),
            np.arange(4).reshape(1, 1, 2, 2),
            grid([0, 3, 8, 4], [9, 19, 25, 10], [21, 37, 43, 16], [6, 7, 8, 0]),
            id="d2l padding",
        ),
        pytest.param(
            "conv2d(2, 1, 2)",
            np.stack([np.arange(9), np.arange(1, 10)]).reshape(1, 2, 3, 3),
            np.stack([np.arange(4), np.arange(1, 5)]).reshape(1, 2, 2, 2),
            grid([56, 72], [104, 120]),
            id="d2l two channels",
        ),
        pytest.param(
            "conv2d(2, 3, 2)",
            np.stack([np.arange(9), np.arange(1, 10)]).reshape(1, 2, 3, 3),
            (np.stack([np.arange(4), np.arange(1, 5)]).reshape(1, 2, 2, 2) + np.arange(3).reshape(3, 1, 1, 1)),
            np.array([[[[56, 72], [104, 120]], [[76, 100], [148, 172]], [[96, 128], [192, 224]]]]),
            id="d2l three outputs",
        ),
        pytest.param(
            "conv_transpose2d(1, 1, 2)",
            np.arange(4).reshape(1, 1, 2, 2),
            np.arange(4).reshape(1, 1, 2, 2),
            grid([0, 0, 1], [0, 4, 6], [4, 12, 9]),
            id="d2l transposed",
        ),
        pytest.param(
            "conv_transpose2d(1, 1, 2, stride=2)",
            np.arange(4).reshape(1, 1, 2, 2),
            np.arange(4).reshape(1, 1, 2, 2),
            grid([0, 0, 0, 1], [0, 0, 2, 3], [0, 2, 0, 3], [4, 6, 6, 9]),
            id="d2l transposed with stride",
        ),
        pytest.param(
            "conv_transpose2d(1, 1, 2, padding=1)",
            np.arange(4).reshape(1, 1, 2, 2),
            np.arange(4).reshape(1, 1, 2, 2),
            grid([4]),
            id="d2l transposed with padding",
        ),
        pytest.param("conv2d(1, 1, 3)", LAPLACIAN_INPUT, LAPLACIAN, grid([0, 0, -7], [4, 0, -1], [0, 6, 1]), id="Laplacian"),
        pytest.param(
            "conv2d(1, 1, 3, flip=True)", LAPLACIAN_INPUT, LAPLACIAN, grid([0, 0, -7], [4, 0, -1], [0, 6, 1]), id="Laplacian flipped"
        ),
        pytest.param(
            "conv_transpose2d(1, 1, 2, stride=2)",
            grid([1, 2], [3, 4]),
            grid([1, 0], [0, 1]),
            grid([1, 0, 2, 0], [0, 1, 0, 2], [3, 0, 4, 0], [0, 3, 0, 4]),
            id="2x2 to 4x4",
        ),
        pytest.param(
            "conv_transpose2d(1, 1, 2)", grid([1, 2], [3, 4]), grid([1, 0], [0, 1]), grid([1, 2, 0], [3, 5, 2], [0, 3, 4]), id="overlapping"
        ),
        pytest.param(
            "conv2d(4, 3, 1)",
            np.arange(1, 17).reshape(1, 2, 2, 4).transpose(0, 3, 1, 2),
            np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]]).reshape(3, 4, 1, 1),
            np.array([[[1, 2, 7], [5, 6, 15]], [[9, 10, 23], [13, 14, 31]]])[None].transpose(0, 3, 1, 2),
            id="pointwise 2x2x4 to 2x2x3",
        ),
    ],
)
def test_published_examples(text: str, x: np.ndarray, weight: np.ndarray, expected: np.ndarray) -> None:
    check_same(conv(text, x, weight), expected)


def test_flip_shows_with_an_asymmetric_kernel() -> None:
    x, kernel = grid([0, 0, 0], [0, 1, 0], [0, 0, 0]), grid([1, 2, 3], [4, 5, 6], [7, 8, 9])
    check_same(conv("conv2d(1, 1, 3, padding=1)", x, kernel), kernel[..., ::-1, ::-1])  # correlation with a point reverses the kernel
    check_same(conv("conv2d(1, 1, 3, padding=1, flip=True)", x, kernel), kernel)  # convolution with a point is the kernel


def test_a_channel_sees_its_group_only() -> None:
    x = np.array([1, 10, 100, 1000]).reshape(1, 4, 1)
    ones = np.ones((4, 2, 1), int)
    check_same(conv("conv1d(4, 4, 1, groups=2)", x, ones), np.array([11, 11, 1100, 1100]).reshape(1, 4, 1))
    check_same(conv("conv_transpose1d(4, 4, 1, groups=2)", x, ones), np.array([11, 11, 1100, 1100]).reshape(1, 4, 1))
    check_same(conv("conv1d(4, 4, 1, groups=4)", x, ones[:, :1]), x)


def test_meetings_of_a_small_axis() -> None:
    meetings, outputs = reference.meetings(ConvSpec.parse("conv1d(1, 1, 2, stride=2, padding=1)"), 0, 3)
    assert meetings == [(0, 0, None), (0, 1, 0), (1, 0, 1), (1, 1, 2)]
    assert outputs == 2
    meetings, outputs = reference.meetings(ConvSpec.parse("conv_transpose1d(1, 1, 2, stride=2, padding=1)"), 0, 2)
    assert meetings == [(0, 0, None), (0, 1, 0), (1, 0, 1), (1, 1, None)]
    assert outputs == 2


# -- padding ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", list(NUMPY_MODES))
def test_source_continues_the_axis_as_numpy_pad_does(mode: str) -> None:
    for size, before, after in itertools.product(range(1, 6), range(14), range(14)):
        cells = np.pad(np.arange(size), (before, after), mode=NUMPY_MODES[mode], **({"constant_values": -1} if mode == "zeros" else {}))
        found = [reference.source(position, size, mode) for position in range(-before, size + after)]
        assert [-1 if cell is None else cell for cell in found] == cells.tolist(), (size, before, after)


@pytest.mark.parametrize("mode", ["circular", "reflect", "replicate", "symmetric"])
def test_an_empty_axis_has_nothing_to_repeat(mode: str) -> None:
    check_error(
        lambda: reference.source(-1, 0, mode),
        ConvShapeError,
        f"padding_mode={mode!r} has no cell to repeat on an empty axis.\n  Use padding_mode='zeros'.",
    )
    assert reference.source(-1, 0, "zeros") is None


def padded_index(size: int, before: int, after: int, mode: str) -> np.ndarray:
    """Which cell stands where after padding, -1 for a zero; negative sides crop."""
    options = {"constant_values": -1} if mode == "zeros" else {}
    cells = np.pad(np.arange(size), (max(before, 0), max(after, 0)), mode=NUMPY_MODES[mode], **options)
    return cells[max(-before, 0) : len(cells) - max(-after, 0)]


def padded(x: Any, sides: tuple[tuple[int, int], ...], mode: str, concatenate: Callable[..., Any] = np.concatenate) -> Any:
    """`x` padded by indexing, so that PyTorch can differentiate it: index -1 meets a zero put behind the last cell."""
    for axis, (before, after) in enumerate(sides, start=2):
        along = (slice(None),) * axis
        zero = x[(*along, slice(0, 1))] * 0
        x = concatenate([x, zero], axis)[(*along, padded_index(x.shape[axis], before, after, mode))]
    return x


def windowed(spec: ConvSpec, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """A correlation through NumPy's padding, windows and einsum."""
    x = padded(x, spec.sides(x.shape[2:]), spec.padding_mode)
    spatial = tuple(range(2, 2 + spec.ndim))
    windows = sliding_window_view(x, spec.effective_kernel_size, spatial)
    windows = windows[(..., *(slice(None, None, s) for s in spec.stride), *(slice(None, None, d) for d in spec.dilation))]
    if spec.flip:
        weight = np.flip(weight, spatial)
    letters = "opqr"[: spec.ndim], "klmz"[: spec.ndim]
    outputs = [
        np.einsum(f"ni{letters[0]}{letters[1]},ci{letters[1]}->nc{letters[0]}", part, kernel)
        for part, kernel in zip(np.split(windows, spec.groups, 1), np.split(weight, spec.groups), strict=True)
    ]
    return np.concatenate(outputs, 1) + (0 if bias is None else bias.reshape(-1, *(1,) * spec.ndim))


@given(problems(transposed=False))
@settings(max_examples=200)
def test_correlation_is_numpys(problem: Problem) -> None:
    check_same(reference.conv(problem.spec, *problem.arrays()), windowed(problem.spec, *problem.arrays()))


# -- PyTorch ------------------------------------------------------------------------------------------


def torch_conv(torch: ModuleType, spec: ConvSpec, x: Any, weight: Any, bias: Any, sides: tuple[tuple[int, int], ...]) -> Any:
    """PyTorch's convolution of the input padded by `sides`."""
    function = getattr(torch.nn.functional, f"conv{spec.ndim}d")
    kernel = torch.flip(weight, tuple(range(2, 2 + spec.ndim))) if spec.flip else weight
    return function(padded(x, sides, spec.padding_mode, torch.cat), kernel, bias, spec.stride, 0, spec.dilation, spec.groups)


def windows_sides(spec: ConvSpec, large: tuple[int, ...], small: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """The sides of a transposed spec's adjoint under which exactly `small` windows fit into `large`."""
    befores = [before for before, _ in spec.sides(small)]
    spans = [(count - 1) * axis.stride + axis.extent for axis, count in zip(spec.axes, small, strict=True)]
    return tuple((before, span - before - size) for before, span, size in zip(befores, spans, large, strict=True))


def torch_any(torch: ModuleType, spec: ConvSpec, x: Any, weight: Any, bias: Any, output_size: tuple[int, ...]) -> Any:
    """Any spec of up to 3 axes in PyTorch: transposed ones as the derivative of the convolution they are the adjoint of."""
    if not spec.transposed:
        return torch_conv(torch, spec, x, weight, bias, spec.sides(tuple(x.shape[2:])))
    large = torch.zeros((x.shape[0], spec.out_channels, *output_size), dtype=x.dtype, requires_grad=True)
    small = torch_conv(torch, spec, large, weight, None, windows_sides(spec, output_size, tuple(x.shape[2:])))
    (out,) = torch.autograd.grad(small, large, x, create_graph=True)
    return out if bias is None else out + bias.reshape(-1, *(1,) * spec.ndim)


def whole(tensor: Any) -> np.ndarray:
    """Whole numbers in float64 as int64, exactly."""
    array = tensor.detach().numpy()
    integers = array.astype(np.int64)
    check_same(integers.astype(np.float64), array)
    return integers


@given(problem=problems(max_axes=3))
@settings(max_examples=400)
def test_forward_and_gradients_are_pytorchs(torch: ModuleType, problem: Problem) -> None:
    spec = problem.spec
    x, weight, bias = problem.arrays()
    expected = reference.conv(spec, x, weight, bias)
    tensors = [None if array is None else torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in (x, weight, bias)]
    out = torch_any(torch, spec, *tensors, expected.shape[2:])
    check_same(whole(out), expected)
    grad = problem.output_grad()
    x_grad, weight_grad = torch.autograd.grad(out, tensors[:2], torch.tensor(grad, dtype=torch.float64))
    check_same(reference.conv_input_grad(spec, grad, weight, problem.input_size), whole(x_grad))
    check_same(reference.conv_weight_grad(spec, x, grad), whole(weight_grad))


@st.composite
def modules(draw: st.DrawFn) -> Problem:
    """What PyTorch's own layers can do: the same padding on both sides, at most once around."""
    ndim = draw(st.integers(1, 3))
    kernel, dilation, stride, pad = (draw(st.tuples(*[st.integers(least, 3)] * ndim)) for least in (1, 1, 1, 0))
    extents = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    transposed, mode = draw(st.booleans()), draw(st.sampled_from(["zeros", "circular", "reflect", "replicate"]))
    groups = draw(st.integers(1, 3))
    options: dict[str, Any] = {
        "groups": groups,
        "bias": draw(st.booleans()),
        "stride": stride,
        "dilation": dilation,
        "transposed": transposed,
    }
    if transposed:
        pad = tuple(min(p, (extent - 1) // 2) for p, extent in zip(pad, extents, strict=True))
        options["output_padding"] = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
        least = [1] * ndim
    else:
        options["padding_mode"] = mode
        least = [max(extent - 2 * p, p + 1) for p, extent in zip(pad, extents, strict=True)]
    options["padding"] = pad
    if not transposed and draw(st.integers(0, 3)) == 0:
        options |= {"padding": draw(st.sampled_from(["valid", "same"])), "stride": 1}
        least = extents
    channels = st.integers(1, 3).map(lambda number: number * groups)
    spec = ConvSpec(draw(channels), draw(channels), kernel, **options)
    input_size = tuple(draw(st.integers(low, low + 3)) for low in least)
    return Problem(spec, input_size, draw(st.integers(1, 2)), draw(st.integers(4, 2**16)))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@given(problem=modules())
@settings(max_examples=300)
def test_layers_of_pytorch_compute_the_same(torch: ModuleType, problem: Problem) -> None:
    spec = problem.spec
    options = spec.to_dict()
    if not isinstance(spec.padding, str):
        options["padding"] = tuple(before for before, _ in spec.padding)
    for name in ("ndim", "flip", "transposed", *(() if spec.transposed else ("output_padding",))):
        del options[name]
    layer = getattr(torch.nn, f"Conv{'Transpose' if spec.transposed else ''}{spec.ndim}d")(**options, dtype=torch.float64)
    x, weight, bias = problem.arrays()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
        if bias is not None:
            layer.bias.copy_(torch.tensor(bias))
        check_same(whole(layer(torch.tensor(x, dtype=torch.float64))), reference.conv(spec, x, weight, bias))


def check_complex(torch: ModuleType, problem: Problem, function: Callable[..., Any]) -> None:
    spec = problem.spec
    x, weight, bias = problem.arrays(np.complex128)
    tensors = [None if array is None else torch.tensor(array, requires_grad=True) for array in (x, weight, bias)]
    out = function(*tensors)
    check_same(reference.conv(spec, x, weight, bias).astype(np.complex128), out.detach().numpy())
    grad = problem.output_grad(np.complex128)
    x_grad, weight_grad = torch.autograd.grad(out, tensors[:2], torch.tensor(grad))
    check_same(reference.conv_input_grad(spec, grad, weight, problem.input_size).astype(np.complex128), x_grad.numpy())
    check_same(reference.conv_weight_grad(spec, x, grad).astype(np.complex128), weight_grad.numpy())


@given(problem=problems(max_axes=2, transposed=False))
@settings(max_examples=50)
def test_complex_gradients_are_conjugated_as_pytorchs(torch: ModuleType, problem: Problem) -> None:
    sides = problem.spec.sides(problem.input_size)
    check_complex(torch, problem, lambda *tensors: torch_conv(torch, problem.spec, *tensors, sides))


@given(problem=problems(max_axes=2, transposed=True, rules=["valid"], modes=["zeros"], flip=False))
@settings(max_examples=50)
def test_complex_gradients_of_a_transposed_one_too(torch: ModuleType, problem: Problem) -> None:
    spec = problem.spec
    function = getattr(torch.nn.functional, f"conv_transpose{spec.ndim}d")
    check_complex(torch, problem, lambda *tensors: function(*tensors, spec.stride, 0, spec.output_padding, spec.groups, spec.dilation))


# -- values and types ---------------------------------------------------------------------------------


def test_padding_is_a_literal_zero() -> None:
    """A zero of the padding takes part in its product: times NaN or Inf it is NaN."""
    x = np.ones((1, 1, 3))
    for special in (np.nan, np.inf, -np.inf):
        weight = np.array([[[special, 1.0, 1.0]]])
        expected = np.array([[[np.nan, special, special]]], np.longdouble)
        check_same(conv("conv1d(1, 1, 3, padding=1)", x, weight), expected)
    # In a repeated border it is the repeated cell that takes part, here a 1.
    check_same(
        conv("conv1d(1, 1, 3, padding=1, padding_mode='circular')", x, np.array([[[np.inf, 1, 1]]])),
        np.full((1, 1, 3), np.inf, np.longdouble),
    )


def test_padding_is_a_literal_zero_in_the_weights_gradient() -> None:
    grad = np.array([[[np.inf, 1.0, 1.0]]])
    spec = ConvSpec.parse("conv1d(1, 1, 3, padding=1)")
    check_same(reference.conv_weight_grad(spec, np.ones((1, 1, 3)), grad), np.array([[[np.nan, np.inf, np.inf]]], np.longdouble))


def test_special_values_reach_the_outputs_that_use_them_and_no_others() -> None:
    x = np.array([[[1.0, np.nan, 1.0, 1.0, np.inf]]])
    out = conv("conv1d(1, 1, 2)", x, np.ones((1, 1, 2)))
    check_same(out, np.array([[[np.nan, np.nan, 2, np.inf]]], np.longdouble))
    check_same(conv("conv_transpose1d(1, 1, 1, stride=2)", x[..., 1:3], np.ones((1, 1, 1))), np.array([[[np.nan, 0, 1]]], np.longdouble))


@pytest.mark.parametrize(
    ("x", "weight", "bias", "result"),
    [
        ("int8", "int8", None, "int64"),
        ("int8", "int8", "int8", "int64"),
        ("uint8", "uint8", None, "uint64"),
        ("uint8", "uint16", "uint64", "uint64"),
        ("uint8", "int8", None, "int64"),
        ("uint8", "uint8", "int8", "int64"),
        ("bool", "bool", None, "int64"),
        ("bool", "uint8", None, "uint64"),
        ("int64", "int32", None, "int64"),
        ("float32", "float32", None, "longdouble"),
        ("float16", "int8", None, "longdouble"),
        ("int64", "int64", "float32", "longdouble"),
        ("complex64", "float64", None, "clongdouble"),
        ("float32", "float32", "complex64", "clongdouble"),
    ],
)
def test_dtypes_to_sum_in(x: str, weight: str, bias: str | None, result: str) -> None:
    arrays = np.ones((1, 1, 2), x), np.ones((1, 1, 2), weight), None if bias is None else np.ones(1, bias)
    check_same(conv("conv1d(1, 1, 2)", *arrays), np.full((1, 1, 1), 2 if bias is None else 3, result))


def test_integers_sum_beyond_their_own_width() -> None:
    check_same(conv("conv1d(1, 1, 2)", np.full((1, 1, 2), 127, np.int8), np.full((1, 1, 2), -128, np.int8)), np.array([[[-2 * 127 * 128]]]))
    check_same(
        conv("conv1d(1, 1, 2)", np.full((1, 1, 2), 255, np.uint8), np.full((1, 1, 2), 255, np.uint8)),
        np.array([[[2 * 255 * 255]]], np.uint64),
    )
    large = np.array([[[2**63 - 1]]])
    check_same(conv("conv1d(1, 1, 1)", large, np.ones((1, 1, 1), np.int8)), large)  # no detour through floating point


# -- empty --------------------------------------------------------------------------------------------


def test_an_empty_batch_and_an_empty_axis() -> None:
    weight = np.ones((3, 2, 3), int)
    check_same(conv("conv1d(2, 3, 3)", np.ones((0, 2, 5), int), weight), np.zeros((0, 3, 3), int))
    check_same(conv("conv1d(2, 3, 3)", np.ones((1, 2, 0), int), weight), np.zeros((1, 3, 0), int))
    check_same(
        conv("conv1d(2, 3, 3, padding=2)", np.ones((1, 2, 0), int), weight, np.arange(3)), np.repeat(np.arange(3), 2).reshape(1, 3, 2)
    )
    check_same(conv("conv_transpose1d(3, 2, 3)", np.ones((1, 3, 0), int), weight), np.zeros((1, 2, 0), int))
