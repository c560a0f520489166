"""What is said when a model cannot be run: which layer, the sums, what to change; and what it can be run on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import faltung.torch as ft
import torch
from faltung.errors import ConvError, ConvShapeError, ConvTypeError
from faltung.model.from_torch import record
from faltung.model.torch_module.examples import example_for
from tests.model.recording import Does
from torch import Tensor, nn

CONV = nn.Conv2d(3, 8, 3)


@pytest.mark.parametrize(
    ("model", "example", "kind", "problem", "remedy"),
    [
        (
            nn.Sequential(CONV, nn.ReLU(), nn.Sequential(nn.Conv2d(16, 4, 3))), (1, 3, 8, 8), ConvShapeError,
            "layer '2.0' (Conv2d): its input has 8 channels (shape (1, 8, 6, 6)), conv2d(16, 4, (3, 3)) takes 16.",
            "Use in_channels=8 here, or give it 16 channels; they come from '1'.",
        ),
        (
            CONV, (1, 8, 8, 3), ConvShapeError,
            "Conv2d: its input has 8 channels (shape (1, 8, 8, 3)), conv2d(3, 8, (3, 3)) takes 3.",
            "Use in_channels=8 here, or give it 3 channels. If these lie in another place, move them with permute: (N, 3, …).",
        ),
        (
            nn.Sequential(nn.Conv1d(4, 4, 3, groups=4)), (1, 6, 9), ConvShapeError,
            "layer '0' (Conv1d): its input has 6 channels (shape (1, 6, 9)), conv1d(4, 4, (3,), groups=4) takes 4.",
            "Give it 4 channels.",
        ),
        (
            nn.Sequential(nn.Conv2d(3, 8, 7)), (1, 3, 4, 9), ConvShapeError,
            "layer '0' (Conv2d): no output along axis 0: floor((4 + 0 + 0 - 1*(7-1) - 1) / 1) + 1 = -2.",
            "Input plus padding must be at least 7, it is 4. Add 3 of padding, or use a kernel of 4 or less.",
        ),
        (
            nn.Sequential(nn.MaxPool2d(9)), (1, 3, 4, 9), ConvShapeError,
            "layer '0' (MaxPool2d): no output along axis 0: floor((4 + 0 + 0 - 1*(9-1) - 1) / 9) + 1 = 0.",
            "Input plus padding must be at least 9, it is 4. Add 5 of padding, or use a kernel of 4 or less.",
        ),
        (
            nn.Sequential(CONV, nn.ReLU(), nn.Flatten(), nn.Dropout(), nn.Linear(512, 10)), (2, 3, 8, 8), ConvShapeError,
            "layer '4' (Linear): its input has 288 features (shape (2, 288) = (2, 8, 6, 6) flattened, 8·6·6 = 288), it takes 512.",
            "Use in_features=288 here, or give the model the size of input that it was made for.",
        ),
        (
            nn.Linear(3, 4), (2, 5), ConvShapeError, "Linear: its input has 5 features (shape (2, 5)), it takes 3.",
            "Use in_features=5 here, or give the model the size of input that it was made for.",
        ),
        (
            nn.Sequential(CONV, nn.BatchNorm2d(4)), (1, 3, 8, 8), ConvShapeError,
            "layer '1' (BatchNorm2d): its input has 8 channels (shape (1, 8, 6, 6)), it normalises 4.", "Use num_features=8 here.",
        ),
        (
            nn.LayerNorm(5), (2, 4), ConvShapeError, "LayerNorm: its input ends with sizes (4,) (shape (2, 4)), it normalises (5,).",
            "Use normalized_shape=(4,) here; channels that come first have to be moved last with permute.",
        ),
        (
            Does(lambda self, x: x + self.conv(x), conv=CONV), (1, 3, 8, 8), ConvShapeError,
            "Does: arrays of shapes (1, 3, 8, 8) and (1, 8, 6, 6) are added; along dimension 3 they have 8 and 6 cells.",
            "Give both the same size: crop or pad one of them, resize it, or project its channels with a 1×1 convolution.",
        ),
        (
            Does(lambda self, x: torch.cat([x, self.conv(x)], 1), conv=CONV), (1, 3, 8, 8), ConvShapeError,
            "Does: arrays of shapes (1, 3, 8, 8) and (1, 8, 6, 6) are joined; along dimension 3 they have 8 and 6 cells.",
            "Give both the same size: crop or pad one of them, resize it, or project its channels with a 1×1 convolution.",
        ),
        (
            nn.Embedding(4, 5), (1, 3), ConvTypeError,
            "Embedding: it looks up rows of a table of 4 by whole numbers, its input has dtype torch.float32.",
            "Give a tensor, such as torch.zeros(1, 3).long().",
        ),
        (
            nn.Embedding(4, 5), torch.tensor([[3, 7]]), ConvShapeError,
            "Embedding: it has rows 0 to 3, the input asks for 3 to 7.",
            "Give numbers below 4.",
        ),
        (
            CONV, torch.zeros(1, 3, 8, 8, dtype=torch.float64), ConvTypeError,
            "Conv2d: its input has dtype torch.float64, its weight torch.float32.", "Give the input as torch.float32.",
        ),
        (
            nn.Sequential(ft.BlurPool2d(3)), (1, 2, 4, 4), ConvShapeError,
            "layer '0' (BlurPool2d): input has 2 channels (shape (1, 2, 4, 4)), conv2d(3, 3, (3, 3), stride=(2, 2), padding=(1, 1),"
            " groups=3, bias=False, padding_mode='reflect') takes 3.",
            "Channels come first: (N, 3, H, W); for channels-last arrays use np.moveaxis(x, -1, -3).",
        ),
        (
            CONV, None, ConvTypeError,
            "Conv2d is run once to see what it does, and no input was given.",
            "Give input_shape, such as (1, 3, 224, 224) (it takes 3 channels).",
        ),
        (
            nn.Sequential(nn.Linear(7, 2)), None, ConvTypeError, "Sequential is run once to see what it does, and no input was given.",
            "Give input_shape, such as (1, 7) (its first linear layer, '0', takes 7 features).",
        ),
        (CONV, (1, -3, 4, 4), ConvShapeError, "input_shape[1]=-3 is below 1.", "Use 1 or more."),
        (CONV, (1, 3.5, 4, 4), ConvShapeError, "input_shape[1]=3.5 is of type float, an int is needed.", "Write a whole number."),
        (
            CONV, "x", ConvTypeError, "'x' is nothing that Conv2d could be run on.",
            "Give input_shape, such as (1, 3, 224, 224) (it takes 3 channels), a tensor, a tuple of tensors, or a dict of"
            " keyword arguments.",
        ),
        (3, (1, 3), ConvTypeError, "3 is no torch.nn.Module.", "Give a module, or the path of an ONNX file."),
        (
            nn.Sequential(nn.DataParallel(CONV)), (1, 3, 8, 8), ConvTypeError,
            "layer '0' is a DataParallel, which runs copies of its module.", "Give its .module.",
        ),
    ],
    ids=lambda value: value.split(":")[0][:20] if isinstance(value, str) else None,
)  # fmt: skip
def test_errors_name_the_layer_and_the_remedy(model: Any, example: Any, kind: type[ConvError], problem: str, remedy: str) -> None:
    with pytest.raises(kind) as error:
        record(model, example)
    assert (error.value.problem, error.value.remedy) == (problem, remedy)


def test_the_remedy_that_is_proposed_helps() -> None:
    layers = [CONV, nn.ReLU(), nn.Flatten(), nn.Linear(512, 10)]
    with pytest.raises(ConvShapeError, match="Use in_features=288"):
        record(nn.Sequential(*layers), (2, 3, 8, 8))
    assert record(nn.Sequential(*layers[:3], nn.Linear(288, 10)), (2, 3, 8, 8)).outputs[0].shape == (2, 10)


def test_other_exceptions_keep_their_kind_and_name_the_layer() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost") as error:
        record(nn.Sequential(nn.Identity(), Does(forward)), (1,))
    assert error.value.__notes__ == ["in layer '1' (Does)"]
    with pytest.raises(RuntimeError) as unknown:
        record(nn.Sequential(Does(lambda self, x: x.view(3, 7))), (2, 5))
    assert unknown.value.__notes__ == ["in layer '0' (Does)"]

    def of_a_gradient(self: Any, x: Tensor) -> Tensor:
        with torch.enable_grad():
            return torch.autograd.grad(self.linear(x.requires_grad_()).sum(), x)[0]

    with pytest.raises(RuntimeError) as error_of_gradient:
        record(Does(of_a_gradient, linear=nn.Linear(3, 1)), (2, 3))
    assert "recorded without gradients" in error_of_gradient.value.__notes__[1]


def test_an_exception_that_the_model_handles_is_its_own_affair() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        try:
            return self.wide(x)
        except RuntimeError:
            return self.narrow(x)

    graph = record(Does(forward, wide=nn.Linear(5, 1), narrow=nn.Linear(3, 2)), (2, 3))
    assert [node.name for node in graph.nodes] == ["narrow"]
    assert [weight.name for weight in graph.unused] == ["wide.weight", "wide.bias"]


def test_an_exception_while_another_is_handled_names_its_own_layer() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        try:
            return self.wide(self.act(x))
        except RuntimeError:
            return self.wider(self.act(x))

    model = Does(forward, act=nn.ReLU(), wide=nn.Linear(5, 1), wider=nn.Linear(7, 2))
    with pytest.raises(ConvShapeError, match=r"layer 'wider' \(Linear\): its input has 3 features"):
        record(model, (2, 3))
    try:
        raise KeyError("something before")
    except KeyError:
        with pytest.raises(ConvShapeError, match="layer '1'"):
            record(nn.Sequential(nn.ReLU(), nn.Linear(5, 1)), (2, 3))


def test_an_exception_that_is_said_again_by_the_model_names_the_innermost_layer() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        try:
            return self.wide(x)
        except RuntimeError:
            raise OSError("no result")  # noqa: B904

    with pytest.raises(ConvShapeError, match=r"layer '0\.wide'"):
        record(nn.Sequential(Does(forward, wide=nn.Linear(5, 1))), (2, 3))


def test_inputs_are_what_was_given() -> None:
    def forward(self: Any, image: Tensor, scale: Any, *more: Tensor, flag: bool = False) -> dict[str, Tensor]:
        return {"sum": image * scale + sum(more)} if flag or more else {"product": image * scale}

    model = Does(forward)
    model.forward = lambda image, scale, *more, flag=False: forward(model, image, scale, *more, flag=flag)  # type: ignore[method-assign]
    graph = record(model, [(2, 3), (3,), (2, 3)])
    assert [(value.name, value.shape) for value in graph.inputs] == [("image", (2, 3)), ("scale", (3,)), ("input 3", (2, 3))]
    graph = record(model, {"image": (2, 3), "scale": np.float32([1, 2, 3]), "flag": True})
    assert [(value.name, value.shape) for value in graph.inputs] == [("image", (2, 3)), ("scale", (3,))]
    graph = record(model, (torch.zeros(2, 3), 2.0))
    assert [value.name for value in graph.inputs] == ["image"]
    assert [node.source for node in graph.nodes] == ["Does"]


def test_floats_are_the_same_each_time_and_of_the_models_dtype() -> None:
    model = nn.Linear(3, 4).bfloat16()
    (one, two), _ = example_for(model, [(2, 3), (2, 3)])
    (again,), _ = example_for(model, (2, 3))
    assert one.dtype is torch.bfloat16
    assert torch.equal(one, again)
    assert not torch.equal(one, two)
    (x,), _ = example_for(nn.Linear(3, 4, dtype=torch.complex128), (2, 3))
    assert x.dtype is torch.complex128
    assert x.imag.abs().sum() > 0
    (x,), _ = example_for(nn.ReLU(), (np.int64(2),))
    assert (x.dtype, x.shape) == (torch.float32, (2,))
    given = torch.ones(2)
    (x,), _ = example_for(nn.ReLU(), given)
    assert x is not given
    assert torch.equal(x, given)
