"""The code for PyTorch, ONNX, JAX and Keras is run, and computes what the definition says, to the last digit.

Keras runs on PyTorch unless KERAS_BACKEND says otherwise. JAX and Keras are optional.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from faltung import frameworks, reference
from faltung.errors import ConvSpecError
from faltung.spec import ConvSpec
from tests.support.check import check_error, check_same
from tests.support.strategies import Problem, problems

Array = np.ndarray[Any, Any]
Runner = Callable[[ConvSpec, Array, Array, Array | None], Array]


def executed(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(code, "<generated>", "exec"), names)
    return names


def told(code: str, **names: Any) -> bool:
    """Run the statement that a comment of the code tells to load the weights with, if there is one."""
    statements = re.findall(r"^#   (conv.*)$", code, re.MULTILINE)
    assert len(statements) <= 1
    for statement in statements:
        exec(statement, names)
    return bool(statements)


def run_pytorch(spec: ConvSpec, x: Array, weight: Array, bias: Array | None) -> Array:
    torch = pytest.importorskip("torch")
    code = frameworks.to_pytorch(spec)
    conv = executed(code)["conv"].double()
    parameters = {name.split(".")[-1]: parameter for name, parameter in conv.named_parameters()}
    assert set(parameters) == ({"weight", "bias"} if spec.bias else {"weight"})
    with torch.no_grad():
        for name, values in (("weight", weight), ("bias", bias)):
            if values is not None:
                parameters[name].copy_(torch.from_numpy(values))
        assert told(code, conv=conv, weight=torch.from_numpy(weight).double()) == spec.flip
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Using padding='same' with even kernel", UserWarning)
            return conv(torch.from_numpy(x).double()).numpy()


def run_onnx(spec: ConvSpec, x: Array, weight: Array, bias: Array | None) -> Array:
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    model = executed(frameworks.to_onnx(spec))["model"]
    onnx.checker.check_model(model, full_check=True)
    arrays = {"x": x, "weight": weight} | ({"bias": bias} if spec.bias else {})
    assert [value.name for value in model.graph.input] == list(arrays)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["y"], {name: array.astype(np.float32) for name, array in arrays.items()})[0]


def run_jax(spec: ConvSpec, x: Array, weight: Array, bias: Array | None) -> Array:
    jax = pytest.importorskip("jax")
    conv = executed(frameworks.to_jax(spec))["conv"]
    arrays = [x, weight, bias] if spec.bias else [x, weight]
    return np.asarray(jax.jit(conv)(*(array.astype(np.float32) for array in arrays)))  # one program to compile instead of several


def run_keras(spec: ConvSpec, x: Array, weight: Array, bias: Array | None) -> Array:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # within Keras
        keras = pytest.importorskip("keras")
        code = frameworks.to_keras(spec)
        conv = executed(code)["conv"]
        assert isinstance(conv, keras.layers.Layer)
        inputs = np.moveaxis(x, 1, -1).astype(np.float32)
        conv(inputs)  # builds the weights
        assert told(code, conv=conv, weight=weight, bias=bias, np=np)
        return np.moveaxis(keras.ops.convert_to_numpy(conv(inputs)), -1, 1)


RUNNERS: dict[str, Runner] = {"pytorch": run_pytorch, "onnx": run_onnx, "jax": run_jax, "keras": run_keras}


def refused(framework: str, spec: ConvSpec) -> bool:
    """Whether the framework is known not to express the spec: the complete list."""
    if framework in ("pytorch", "keras") and spec.ndim > 3:
        return True
    if framework in ("onnx", "keras") and spec.transposed and leaves(spec):
        return True
    dilated = any(kernel > 1 and dilation > 1 for kernel, dilation in zip(spec.kernel_size, spec.dilation, strict=True))
    return framework == "keras" and spec.transposed and dilated and max(spec.stride) > 1


def leaves(spec: ConvSpec) -> bool:
    """Whether a transposed spec has output outside its borders, which a padding mode would fold back."""
    if spec.padding_mode == "zeros":
        return False
    # Where the modes differ, something leaves: on ones, circular folding adds and zeros drops.
    x, weight = np.ones((1, spec.in_channels, *(9,) * spec.ndim), int), np.ones(spec.weight_shape, int)
    folded = reference.conv(replace(spec, padding_mode="circular"), x, weight)
    return not np.array_equal(folded, reference.conv(replace(spec, padding_mode="zeros"), x, weight))


def check(framework: str, problem: Problem) -> None:
    spec, (x, weight, bias) = problem.spec, problem.arrays()
    if refused(framework, spec):
        with pytest.raises(ConvSpecError):
            getattr(frameworks, f"to_{framework}")(spec)
        return
    actual = RUNNERS[framework](spec, x, weight, bias)
    check_same(actual.astype(np.int64), reference.conv(spec, x, weight, bias))
    check_same(actual, np.round(actual))


LAYERS = [
    # the everyday ones
    "conv2d(3, 8, 3)",
    "conv2d(3, 8, 7, stride=2, padding=3, bias=False)",
    "conv2d(4, 6, 1)",
    "conv2d(4, 4, 3, padding=1, groups=4)",
    "conv2d(4, 8, 3, padding=1, groups=4, stride=2, bias=False)",
    "conv2d(6, 9, (3, 2), groups=3)",
    "conv1d(2, 4, 3, stride=2, padding=1)",
    "conv1d(2, 4, 3, groups=2)",
    "conv3d(2, 3, (3, 2, 1), stride=(1, 2, 1), padding=(1, 0, 2))",
    "conv3d(2, 4, 2, groups=2)",
    "conv2d(2, 3, 3, dilation=2, padding=2)",
    "conv2d(2, 3, (3, 1), stride=(2, 3), dilation=(1, 2))",
    # sides and rules
    "conv2d(2, 3, 3, padding=((0, 1), (2, 3)))",
    "conv2d(2, 3, 3, padding=((-1, 1), (2, -2)))",
    "conv2d(2, 3, 3, padding=-1)",
    "conv1d(2, 3, 3, padding='valid')",
    "conv2d(2, 3, 3, padding='same')",
    "conv2d(2, 3, (4, 2), padding='same', dilation=(1, 3))",
    "conv2d(2, 3, (4, 3), padding='same_lower')",
    "conv2d(2, 3, (4, 3), padding='same_upper')",
    "conv2d(2, 3, (3, 4), stride=2, padding='same_upper')",
    "conv2d(2, 3, (3, 4), stride=2, padding='same_lower')",
    "conv2d(2, 3, 1, stride=2, padding='same_lower')",
    "conv2d(2, 3, 2, stride=3, padding='same_upper')",
    "conv1d(2, 3, 3, stride=2, dilation=2, padding='same_upper')",
    "conv2d(2, 3, 3, stride=(2, 1), dilation=(1, 2), padding='same_lower')",
    "conv2d(2, 3, 3, stride=(2, 1), dilation=(1, 2), padding='full')",
    "conv2d(4, 8, 3, stride=2, dilation=2, groups=4, padding='same_upper')",
    "conv1d(2, 3, 4, padding='causal', dilation=2)",
    "conv1d(2, 3, 4, padding='causal', stride=3)",
    "conv1d(3, 6, 4, padding='causal', groups=3)",
    "conv2d(2, 3, (2, 3), padding='causal')",
    # flips
    "conv2d(2, 4, (3, 2), flip=True)",
    "conv2d(2, 4, (3, 2), padding='full', flip=True, groups=2, bias=False)",
    "conv1d(2, 4, 3, padding=((1, 0),), flip=True)",
    "conv2d(4, 8, 3, groups=4, flip=True)",
    "conv_transpose2d(2, 4, (3, 2), flip=True, stride=2)",
    "conv_transpose2d(4, 6, (3, 2), flip=True, groups=2)",
    # transposed
    "conv_transpose2d(3, 4, 4, stride=2, padding=1)",
    "conv_transpose2d(3, 4, 3, stride=2, padding=1, output_padding=1)",
    "conv_transpose2d(3, 4, 3, stride=2, padding=1)",
    "conv_transpose2d(3, 4, 2, stride=2, bias=False)",
    "conv_transpose2d(3, 4, 2, stride=3)",
    "conv_transpose2d(3, 4, 1, stride=3, output_padding=2)",
    "conv_transpose2d(3, 4, 3, dilation=2)",
    "conv_transpose1d(3, 4, 3, stride=2, dilation=3, output_padding=2)",
    "conv_transpose1d(3, 4, 3, stride=2, padding=((2, 0),))",
    "conv_transpose1d(3, 4, 3, stride=2, padding=((0, 2),))",
    "conv_transpose1d(3, 4, 3, stride=2, padding=((-3, -1),))",
    "conv_transpose1d(3, 4, 3, stride=2, padding=((-3, 2),), output_padding=1)",
    "conv_transpose2d(3, 4, 3, padding=((1, -2), (0, 3)))",
    "conv_transpose3d(2, 4, (2, 1, 3), stride=(2, 1, 1), groups=2)",
    "conv_transpose2d(4, 4, 3, stride=2, padding=1, groups=4, bias=False)",
    "conv_transpose2d(2, 3, (4, 3), stride=2, padding='same_upper')",
    "conv_transpose2d(2, 3, (4, 3), stride=2, padding='same_lower')",
    "conv_transpose2d(2, 3, (4, 1), stride=3, padding='same_upper')",
    "conv_transpose2d(2, 3, 3, padding='same')",
    "conv_transpose1d(2, 3, 3, stride=2, padding='full')",
    "conv_transpose1d(2, 3, 3, stride=2, padding='causal')",
    # beyond three axes
    "conv4d(2, 3, (2, 1, 2, 1), stride=(1, 1, 2, 1), padding=1, groups=1)",
    "conv_transpose4d(2, 2, (2, 1, 2, 1), stride=(1, 1, 2, 1))",
]
LAYERS += [
    f"{head}, padding_mode='{mode}')"
    for mode in ("circular", "reflect", "replicate", "symmetric")
    for head in (
        "conv2d(2, 3, 3, padding=1",
        "conv2d(2, 3, (4, 3), padding='same'",
        "conv2d(2, 3, (3, 4), stride=2, padding='same_upper'",
        "conv1d(2, 3, 4, stride=2, padding='same_lower'",
        "conv1d(2, 3, 3, stride=2, padding=((2, 0),)",
        "conv2d(2, 3, 3, padding=((2, -1), (-2, 3))",
        "conv2d(2, 3, 3, padding=-1",
        "conv3d(1, 2, 2, padding=(1, 0, 1), stride=2",
        "conv2d(2, 3, 3, padding=1, stride=2, dilation=2, flip=True",
        "conv_transpose1d(2, 3, 3, stride=2, padding=1",
        "conv_transpose2d(2, 4, 3, stride=(2, 1), padding=((2, 1), (1, 0)), groups=2",
        "conv_transpose1d(2, 3, 3, stride=2, padding=((2, -1),), flip=True, bias=False",
        "conv_transpose1d(2, 3, 3, stride=2",
    )
]


@pytest.mark.parametrize("framework", RUNNERS)
@pytest.mark.parametrize("layer", LAYERS)
def test_code_computes_the_definition(framework: str, layer: str) -> None:
    spec = ConvSpec.parse(layer)
    size = {1: (8,), 2: (7, 8), 3: (5, 4, 3)}.get(spec.ndim, (3, 2, 2, 3))
    check(framework, Problem(spec, size, batch=2, seed=7))


def with_room(problem: Problem) -> Problem:
    """The problem on an input so large that its padding never wraps around twice."""
    reach = [max(extent, 4) for extent in problem.spec.effective_kernel_size]
    return replace(problem, input_size=tuple(size + more for size, more in zip(problem.input_size, reach, strict=True)))


@given(problem=problems(max_axes=3))
def test_any_spec_in_pytorch(problem: Problem) -> None:
    check("pytorch", with_room(problem))


@given(problem=problems(max_axes=3))
def test_any_spec_in_onnx(problem: Problem) -> None:
    check("onnx", with_room(problem))


@settings(max_examples=settings.default.max_examples // 3)
@given(problem=problems(max_axes=3))
def test_any_spec_in_jax(problem: Problem) -> None:
    check("jax", problem)


@settings(max_examples=settings.default.max_examples // 3)
@given(problem=problems(max_axes=3))
def test_any_spec_in_keras(problem: Problem) -> None:
    check("keras", problem)


TWICE_AROUND = {
    mode: Problem(ConvSpec(1, 1, 3, padding=5, padding_mode=mode, ndim=1), (3,), batch=1, seed=7)
    for mode in ("circular", "reflect", "replicate", "symmetric")
}


@pytest.mark.parametrize("mode", ["circular", "reflect"])
def test_pytorch_refuses_to_wrap_twice(mode: str) -> None:
    """An error at the call, never another result."""
    with pytest.raises(RuntimeError, match="Padding"):
        check("pytorch", TWICE_AROUND[mode])


@pytest.mark.parametrize("framework", ["jax", "keras"])
@pytest.mark.parametrize("mode", TWICE_AROUND)
def test_jax_and_keras_wrap_twice(framework: str, mode: str) -> None:
    check(framework, TWICE_AROUND[mode])


def test_onnx_runtime_refuses_to_reflect_twice(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exception, match="Pad reflect"):
        check("onnx", TWICE_AROUND["reflect"])
    assert "Pad reflect" in capfd.readouterr().err


REFUSALS = {
    ("pytorch", "conv4d(1, 1, 2)"): (
        "PyTorch has no convolution over 4 axes: nn.Conv1d, nn.Conv2d and nn.Conv3d are all.\n"
        "  Use to_jax() or to_onnx(), which take any number of axes."
    ),
    ("keras", "conv4d(1, 1, 2)"): (
        "Keras has no convolution over 4 axes: Conv1D, Conv2D and Conv3D are all.\n"
        "  Use to_jax() or to_onnx(), which take any number of axes."
    ),
    ("onnx", "conv_transpose1d(1, 1, 3, padding=1, padding_mode='reflect')"): (
        "ONNX cannot express padding_mode='reflect' of a transposed convolution: ConvTranspose crops, it folds nothing back.\n"
        "  Use padding_mode='zeros', or to_pytorch() or to_jax(), which fold the border back."
    ),
    ("keras", "conv_transpose1d(1, 1, 3, padding=1, padding_mode='circular')"): (
        "Keras cannot express padding_mode='circular' of a transposed convolution: its layers fold nothing back.\n"
        "  Use padding_mode='zeros', or to_pytorch() or to_jax(), which fold the border back."
    ),
    ("keras", "conv_transpose2d(1, 1, 3, stride=(2, 1), dilation=(1, 2))"): (
        "Keras' Conv2DTranspose takes a stride or a dilation, not both: stride=(2, 1), dilation=(1, 2).\n"
        "  Set one of them to 1, or use to_pytorch(), to_onnx() or to_jax(), which take both."
    ),
}


@pytest.mark.parametrize(("framework", "layer"), REFUSALS)
def test_what_a_framework_cannot_express_is_said(framework: str, layer: str) -> None:
    spec = ConvSpec.parse(layer)
    check_error(getattr(spec, f"to_{framework}"), ConvSpecError, REFUSALS[framework, layer])


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if "4d" not in layer and "flip" not in layer])
def test_a_plain_pytorch_layer_reads_back(layer: str) -> None:
    """The one-liner is the spec's own text in PyTorch's words, where PyTorch has all of them."""
    spec = ConvSpec.parse(layer)
    *_, last = frameworks.to_pytorch(spec).splitlines()
    if spec.to_pytorch().count("\n") == 2:
        again = ConvSpec.parse(last.removeprefix("conv = "))
        assert again.weight_shape == spec.weight_shape
        assert again.output_size((11,) * spec.ndim) == spec.output_size((11,) * spec.ndim)
    else:
        assert "class " in spec.to_pytorch() or "nn.Sequential(" in spec.to_pytorch()
