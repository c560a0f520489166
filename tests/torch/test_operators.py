"""The operators: against PyTorch, their gradients of first and second order, batching, compilers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch.nn.functional as F

import faltung.torch as ft
import torch
from faltung.spec import ConvSpec
from tests.torch.closeness import assert_near

SPECS = [
    "conv1d(2, 3, 3, stride=2, padding=1)",
    "conv2d(2, 4, (3, 2), padding=(1, 0), dilation=(1, 2), groups=2)",
    "conv2d(3, 3, 3, padding=1, groups=3, padding_mode='circular')",
    "conv2d(2, 2, 3, padding='same', padding_mode='reflect', bias=False)",
    "conv1d(2, 2, 2, padding='causal', flip=True)",
    "conv3d(1, 2, 2, stride=(1, 2, 1), padding='same_upper')",
    "conv_transpose1d(4, 2, 3, stride=2, padding=1, output_padding=1, groups=2)",
    "conv_transpose2d(2, 3, (2, 3), stride=(2, 1), padding=(0, 1))",
]


def arguments(text: str, dtype: torch.dtype = torch.float64, batch: tuple[int, ...] = (2,)) -> tuple[ConvSpec, list[torch.Tensor]]:
    """A spec and random tensors for it, which want gradients."""
    spec = ConvSpec.parse(text)
    torch.manual_seed(0)
    shapes = [(*batch, spec.in_channels, *(5, 6, 4)[: spec.ndim]), spec.weight_shape]
    shapes += [spec.bias_shape] if spec.bias_shape else []
    return spec, [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize("text", SPECS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
def test_gradients_of_first_and_second_order(text: str, dtype: torch.dtype) -> None:
    spec, tensors = arguments(text, dtype)
    convolve = lambda *given: ft.conv(spec, *given)  # noqa: E731
    assert torch.autograd.gradcheck(convolve, tensors)
    # Entry by entry for real numbers; for complex ones, which take ten times as long, along random directions.
    assert torch.autograd.gradgradcheck(convolve, tensors, fast_mode=dtype.is_complex)


@pytest.mark.parametrize("text", SPECS)
def test_without_a_batch(text: str) -> None:
    spec, tensors = arguments(text, batch=())
    assert torch.autograd.gradcheck(lambda *given: ft.conv(spec, *given), tensors)


@pytest.mark.parametrize("text", SPECS)
def test_operators_are_registered_as_pytorch_wants(text: str) -> None:
    spec, tensors = arguments(text)
    x, weight, *bias = tensors
    y = ft.conv(spec, *tensors).detach().requires_grad_()
    torch.library.opcheck(ft.ops.conv, (x, weight, bias[0] if bias else None, str(spec)))
    torch.library.opcheck(ft.ops.conv_input_grad, (y, weight, list(x.shape[2:]), str(spec)))
    torch.library.opcheck(ft.ops.conv_weight_grad, (x, y, str(spec)))


def test_windows_are_registered_as_pytorch_wants() -> None:
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    window = "conv2d(1, 1, (2, 3), stride=(1, 2), padding=1, bias=False)"
    columns = ft.ops.unfold(x, window).detach().requires_grad_()
    torch.library.opcheck(ft.ops.unfold, (x, window))
    torch.library.opcheck(ft.ops.fold, (columns, [5, 6], window))
    assert torch.autograd.gradgradcheck(lambda x: ft.unfold(x, 2, padding=1, stride=2), x)
    assert torch.autograd.gradgradcheck(lambda c: ft.fold(c, (5, 6), (2, 3), padding=1, stride=(1, 2)), columns)


@pytest.mark.parametrize("text", SPECS)
@pytest.mark.parametrize("axes", [(0, None, None), (None, 1, None), (1, 0, 0), (None, None, 0), (2, None, 0)], ids=str)
def test_vmap_is_a_loop(text: str, axes: tuple[int | None, ...]) -> None:
    spec, tensors = arguments(text)
    axes = axes[: len(tensors)]
    if all(axis is None for axis in axes):
        pytest.skip("nothing is batched without the bias")
    batched = [t.detach() if a is None else torch.stack([t.detach() * k for k in (1, 2, 3)], a) for t, a in zip(tensors, axes, strict=True)]
    alone = [[t if a is None else t.select(a, k) for t, a in zip(batched, axes, strict=True)] for k in range(3)]
    expected = torch.stack([ft.conv(spec, *one) for one in alone])
    assert_near(torch.vmap(lambda *given: ft.conv(spec, *given), axes)(*batched), expected)

    def gradients(x: torch.Tensor, weight: torch.Tensor, *bias: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.func.grad(lambda x, weight: ft.conv(spec, x, weight, *bias).square().sum(), (0, 1))(x, weight)

    for found, one in zip(torch.vmap(gradients, axes)(*batched), zip(*[gradients(*one) for one in alone], strict=True), strict=True):
        assert_near(found, torch.stack(one))


def test_vmap_of_windows() -> None:
    x = torch.randn(3, 2, 1, 4, 4)
    columns = torch.vmap(lambda x: ft.unfold(x, 2))(x)
    assert_near(columns, torch.stack([ft.unfold(one, 2) for one in x]))
    assert_near(torch.vmap(lambda c: ft.fold(c, 4, 2))(columns), torch.stack([ft.fold(one, 4, 2) for one in columns]))


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        ft.Conv2d(3, 8, 3, padding=1, padding_mode="circular"), torch.nn.ReLU(), ft.ConvTranspose2d(8, 4, 2, stride=2), ft.BlurPool2d(4),
        ft.DepthwiseSeparableConv2d(4, 2, 3), ft.SeparableConv2d(2, 3),
    )  # fmt: skip


@pytest.mark.parametrize("dynamic", [False, True])
def test_compiled_whole(dynamic: bool) -> None:
    model = network()
    compiled = torch.compile(model, fullgraph=True, dynamic=dynamic, backend="aot_eager")
    for size in (8, 9):
        x = torch.randn(2, 3, size, size, requires_grad=True)
        y = compiled(x)
        assert_near(y, model(x))
        (found,) = torch.autograd.grad(y.square().sum(), x)
        (expected,) = torch.autograd.grad(model(x).square().sum(), x)
        assert_near(found, expected)
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its own parts
def test_compiled_by_inductor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what inductor would generate C++ for: that takes its compiler half a minute."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.manual_seed(0)
    model = torch.nn.Sequential(ft.Conv2d(3, 8, 3, padding=1, bias=False), ft.ConvTranspose2d(8, 4, 2, stride=2, bias=False))
    compiled = torch.compile(model, fullgraph=True)
    x = torch.randn(2, 3, 9, 8, requires_grad=True)
    with torch.no_grad():
        assert_near(compiled(x), model(x))
    grad = torch.randn(2, 4, 18, 16)
    found, expected = (torch.autograd.grad(way(x), [x, *model.parameters()], grad) for way in (compiled, model))
    for one, other in zip(found, expected, strict=True):
        assert_near(one, other)
    torch._dynamo.reset()


def test_exported_with_a_batch_of_any_size() -> None:
    model = network()
    x = torch.randn(2, 3, 8, 8)
    program = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},))
    assert any(node.target is ft.ops.conv for node in program.graph.nodes)
    for batch in (1, 5):
        x = torch.randn(batch, 3, 8, 8)
        assert_near(program.module()(x), model(x))


def test_autocast_is_pytorchs() -> None:
    x, weight = torch.randn(1, 4, 8, 8), torch.randn(4, 4, 3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, expected = ft.conv2d(x, weight), F.conv2d(x, weight)
        assert ft.conv2d(x.double(), weight.double()).dtype is torch.float64
    assert found.dtype is torch.bfloat16
    assert_near(found, expected)
    with torch.autocast("cpu", enabled=False):
        assert ft.conv2d(x, weight).dtype is torch.float32


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")
@pytest.mark.parametrize("text", SPECS)
def test_forward_mode(text: str) -> None:
    spec, tensors = arguments(text)
    assert torch.autograd.gradcheck(lambda *given: ft.conv(spec, *given), tensors, check_forward_ad=True, check_backward_ad=False)
    jacobian = torch.func.jacfwd(lambda x: ft.conv(spec, x, *tensors[1:]))(tensors[0])
    assert_near(jacobian, torch.func.jacrev(lambda x: ft.conv(spec, x, *tensors[1:]))(tensors[0]))
