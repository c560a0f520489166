"""`faltung.torch`'s functions against PyTorch's, with PyTorch's own samples and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch.nn.functional as F
from torch.testing._internal.common_methods_invocations import op_db

import faltung.torch as ft
import torch
from faltung.errors import ConvSpecError
from faltung.torch.requirement import UnsupportedTorchError, check_version
from tests.torch.closeness import assert_near

NAMES = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "unfold"]
DTYPES = [torch.float64, torch.float32, torch.complex64, torch.complex128, torch.bfloat16, torch.float16, torch.int64]


def samples(name: str, dtype: torch.dtype, **options: Any) -> list[Any]:
    (info,) = (info for info in op_db if info.name == f"nn.functional.{name}")
    if dtype not in info.supported_dtypes("cpu"):
        return []
    return list(info.sample_inputs("cpu", dtype, **options))


SAME_WARNING = "ignore:Using padding='same':UserWarning"


@pytest.mark.filterwarnings(SAME_WARNING)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_samples_of_pytorch(name: str, dtype: torch.dtype) -> None:
    wide = torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype  # PyTorch sums some of them in half precision
    for sample in samples(name, dtype):
        exact = sample.transform(lambda value: value.to(wide) if isinstance(value, torch.Tensor) else value)
        expected = getattr(F, name)(exact.input, *exact.args, **exact.kwargs).to(dtype)
        assert_near(getattr(ft, name)(sample.input, *sample.args, **sample.kwargs), expected)


@pytest.mark.filterwarnings(SAME_WARNING)
@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_samples_of_pytorch(name: str) -> None:
    for sample in samples(name, torch.float64, requires_grad=True):
        leaves = [t for t in (sample.input, *sample.args) if isinstance(t, torch.Tensor) and t.requires_grad]
        results = [getattr(module, name)(sample.input, *sample.args, **sample.kwargs) for module in (ft, F)]
        grad = torch.randn_like(results[0])
        if results[0].numel():
            found, expected = (torch.autograd.grad(result, leaves, grad) for result in results)
            for one, other in zip(found, expected, strict=True):
                assert_near(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_errors_of_pytorch(name: str) -> None:
    (info,) = (info for info in op_db if info.name == f"nn.functional.{name}")
    if info.error_inputs_func is None:
        pytest.skip("PyTorch lists no errors for it")
    for case in info.error_inputs("cpu"):
        sample = case.sample_input
        with pytest.raises(case.error_type, match=case.error_regex):
            getattr(ft, name)(sample.input, *sample.args, **sample.kwargs)


WRONG: list[dict[str, Any]] = [
    {"weight": torch.ones(4, 2, 3)},
    {"weight": torch.ones(4, 3, 3, 3)},
    {"stride": 0},
    {"padding": -1},
    {"padding": "full"},
    {"padding": "same", "stride": 2},
    {"dilation": 0},
    {"groups": 3},
    {"groups": 0},
    {"bias": torch.ones(3)},
    {"bias": torch.ones(4, dtype=torch.float64)},
    {"weight": torch.ones(4, 2, 9, 9)},
    {"weight": torch.ones(4, 2, 3, 3, dtype=torch.float64)},
    {"input": torch.ones(2, 5)},
    {"input": [1.0]},
    {"input": torch.ones(1, 2, 0, 5)},
    {"stride": (1, 1, 1)},
    {"stride": 1.5},
]


@pytest.mark.parametrize("change", WRONG, ids=str)
def test_what_pytorch_refuses_is_refused_in_its_words(change: dict[str, Any]) -> None:
    call = {"input": torch.ones(1, 2, 5, 5), "weight": torch.ones(4, 2, 3, 3), **change}
    with pytest.raises((RuntimeError, TypeError, ValueError)) as expected:
        F.conv2d(**call)
    with pytest.raises(type(expected.value)) as found:
        ft.conv2d(**call)
    if not isinstance(expected.value, TypeError):  # which quotes the call
        assert str(found.value) == str(expected.value)


def variants(x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The same kind of tensor in memory of many kinds."""
    return {
        "channels last": x.contiguous(memory_format=torch.channels_last),
        "expanded": x[:1].expand_as(x),
        "strided": torch.stack([x, x + 1], -1)[..., 0],
        "transposed": x.transpose(2, 3).contiguous().transpose(2, 3),
        "sliced": torch.cat([x, x], 3)[..., 1 : 1 + x.shape[3]],
        "offset": torch.cat([torch.zeros(1), x.flatten()])[1:].reshape(x.shape),
        "detached view": x.clone().requires_grad_().detach(),
    }


@pytest.mark.parametrize("kind", variants(torch.zeros(2, 4, 6, 6)))
def test_any_memory(kind: str) -> None:
    x, weight = variants(torch.randn(2, 4, 6, 6))[kind], variants(torch.randn(8, 4, 3, 3))[kind]
    expected = F.conv2d(x, weight, padding=1)
    found = ft.conv2d(x, weight, padding=1)
    assert_near(found, expected)
    if kind == "channels last":
        assert found.stride() == expected.stride()
    back = ft.conv_transpose2d(found, weight, padding=1)
    assert_near(back, F.conv_transpose2d(found, weight, padding=1))


def test_conjugate_and_negative_bits() -> None:
    x, weight = torch.randn(1, 2, 5, 5, dtype=torch.complex64), torch.randn(3, 2, 2, 2, dtype=torch.complex64)
    assert x.conj().is_conj()
    assert x.conj().imag.is_neg()
    assert_near(ft.conv2d(x.conj(), weight.conj()), F.conv2d(x.conj(), weight.conj()))
    assert_near(ft.conv2d(x.conj().imag, weight.real), F.conv2d(x.conj().imag, weight.real))


def test_no_copy_either_way() -> None:
    memory = np.zeros((1, 1, 3, 3), np.float32)
    x = torch.from_numpy(memory)
    weight = torch.ones(1, 1, 1, 1)
    memory[...] = 5
    assert ft.conv2d(x, weight).sum() == 45
    from faltung.torch.tensors import as_array, as_tensor

    assert np.shares_memory(as_array(x), memory)
    assert as_tensor(memory).data_ptr() == memory.ctypes.data


class Marked(torch.Tensor):
    """A subclass that sees the calls with it."""


def test_what_is_not_served_goes_to_pytorch() -> None:
    x, weight = torch.randn(1, 2, 5, 5), torch.randn(3, 2, 3, 3)
    assert ft.conv2d(x.to("meta"), weight.to("meta")).shape == (1, 3, 3, 3)
    assert_near(ft.conv2d(x.long(), weight.long()), F.conv2d(x.long(), weight.long()))
    marked = ft.conv2d(x.as_subclass(Marked), weight)
    assert type(marked) is Marked
    assert_near(marked.as_subclass(torch.Tensor), F.conv2d(x, weight))
    causal = "conv1d(2, 3, 2, padding='causal')"
    integers = ft.conv(causal, torch.arange(8).reshape(1, 2, 4), torch.ones(3, 2, 2, dtype=torch.long))
    assert_near(integers.double(), ft.conv(causal, torch.arange(8.0).reshape(1, 2, 4).double(), torch.ones(3, 2, 2).double()))
    with pytest.raises(ConvSpecError, match="pads not symmetrically"):
        ft.conv("conv1d(1, 1, 3, padding=1, padding_mode='symmetric')", torch.ones(1, 1, 3).long(), torch.ones(1, 1, 3).long())
    sparse = torch.eye(5)[None, None].to_sparse()
    with pytest.raises((RuntimeError, NotImplementedError)):
        ft.conv2d(sparse, torch.ones(1, 1, 3, 3))


def test_old_pytorch_is_refused_with_a_remedy() -> None:
    with pytest.raises(UnsupportedTorchError, match=r"2\.4 or newer, 2\.3\.1 is installed\.\n.*pip install"):
        check_version("2.3.1")
