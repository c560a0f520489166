"""Live modules as graphs: computed again from the graph alone, the model's own results come out."""

from __future__ import annotations

from typing import Any

import pytest
import torch.nn.functional as F

import faltung.torch as ft
import torch
from faltung.geometry import Axis
from faltung.model.from_torch import record
from faltung.model.operations import (
    Attend,
    Convolve,
    Crop,
    Elementwise,
    Lookup,
    Multiply,
    Normalise,
    Pad,
    Pool,
    Reduce,
    Reshape,
    Resize,
    Same,
    Unknown,
)
from faltung.spec import ConvSpec
from tests.model.recording import Does, assert_connected, check_same_again, convolutions, names
from torch import Tensor, nn


def test_layers_are_named_after_their_modules() -> None:
    block = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout(0.5))
    model = nn.Sequential(block, nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    graph = check_same_again(model, (2, 3, 12, 12))
    assert names(graph) == ["0.0", "0.1", "0.2", "0.3", "1", "2", "3", "4"]
    assert [node.module for node in graph.nodes] == ["0"] * 4 + [""] * 4
    assert [node.source for node in graph.nodes][:2] == ["Conv2d", "BatchNorm2d"]
    assert [type(node.operation) for node in graph.nodes] == [Convolve, Normalise, Elementwise, Same, Pool, Reduce, Reshape, Multiply]
    assert graph.nodes[0].operation == Convolve(ConvSpec(3, 8, (3, 3), stride=2, padding=1, bias=False))
    assert [weight.name for weight in graph.nodes[1].weights] == ["0.1.weight", "0.1.bias", "0.1.running_mean", "0.1.running_var"]
    assert [weight.is_learned for weight in graph.nodes[1].weights] == [True, True, False, False]
    assert graph.notes == ()
    assert graph.unused == ()


def test_functional_calls_are_named_after_the_module_around_them() -> None:
    inner = Does(lambda self, x: F.relu(F.relu(x) + self.conv(x)), conv=nn.Conv1d(2, 2, 3, padding=1))
    graph = check_same_again(Does(lambda self, x: torch.sigmoid(self.inner(x)), inner=inner), (1, 2, 5))
    assert names(graph) == ["inner.relu", "inner.conv", "inner.add", "inner.relu (2)", "sigmoid"]
    assert [node.module for node in graph.nodes] == ["inner"] * 4 + [""]
    assert [node.source for node in graph.nodes] == ["aten.relu", "Conv1d", "aten.add", "aten.relu", "aten.sigmoid"]


def test_one_layer_alone() -> None:
    graph = check_same_again(nn.Conv1d(2, 3, 3), (1, 2, 8))
    assert [(node.name, node.module, node.source) for node in graph.nodes] == [("conv1d", "", "Conv1d")]


def test_a_shared_layer_counts_once_and_runs_twice() -> None:
    model = Does(lambda self, x: self.b(self.a(x)), a=nn.Conv2d(2, 2, 3, padding=1))
    model.b = model.a
    other = nn.Linear(4, 4)
    model.up = other
    model.down = nn.Linear(4, 4, bias=False)
    model.down.weight = other.weight
    model._does = lambda self, x: self.down(self.up(self.b(self.a(self.a(x)))))
    graph = check_same_again(model, (1, 2, 4, 4))
    assert [node.source for node in graph.nodes] == ["Conv2d"] * 3 + ["Linear"] * 2
    assert names(graph) == ["a", "a (2)", "a (3)", "up", "down"]
    assert graph.nodes[3].weights[0] is graph.nodes[4].weights[0]
    assert sum(weight.size for weight in graph.weights()) == sum(each.numel() for each in model.parameters())


def test_a_shared_layer_is_named_by_the_path_it_was_called_by() -> None:
    layer = nn.Conv1d(2, 2, 1)
    model = nn.Sequential(nn.Sequential(layer), nn.Sequential(layer))
    assert names(check_same_again(model, (1, 2, 4))) == ["0.0", "1.0"]


def test_operators_that_are_several_steps() -> None:
    gated = Does(lambda self, x: F.glu(torch.stack([x, x.sigmoid()], 1).flatten(1, 2).roll((1, -2), (1, 3)), 1))
    assert names(check_same_again(gated, (1, 4, 3, 5))) == [
        "sigmoid", "stack", "stack (2)", "stack (3)", "flatten", "roll", "glu", "glu (2)", "glu (3)",
    ]  # fmt: skip
    for model in (nn.PixelShuffle(2), nn.PixelUnshuffle(2), nn.ChannelShuffle(4)):
        check_same_again(nn.Sequential(model), (2, 8, 4, 6))


def test_a_weight_from_the_left_is_the_transposed_product_transposed() -> None:
    model = Does(lambda self, x: self.w @ x, w=nn.Parameter(torch.randn(5, 3)))
    graph = check_same_again(model, (2, 3, 8))
    assert graph.nodes[1].operation == Multiply(2 * 8 * 5 * 3, is_linear=True)
    assert [node.outputs[0].shape for node in graph.nodes] == [(2, 8, 3), (2, 8, 5), (2, 5, 8)]
    check_same_again(Does(lambda self, x: torch.einsum("oc,nct->not", self.w, x), w=nn.Parameter(torch.randn(5, 3))), (2, 3, 8))
    check_same_again(Does(lambda _, x: torch.bmm(x, x.transpose(1, 2)) @ x), (2, 3, 8))


@pytest.mark.skipif(not hasattr(torch, "_grouped_mm"), reason="of newer PyTorch")
def test_each_row_is_multiplied_with_one_of_several_weights() -> None:
    ends = torch.tensor([2, 6], dtype=torch.int32)
    model = Does(lambda self, x: torch._grouped_mm(x, self.weight, offs=ends), weight=nn.Parameter(torch.ones(2, 8, 16)))
    (node,) = record(model, (6, 8)).nodes
    assert node.operation == Multiply(6 * 8 * 16, is_linear=True)
    assert [weight.name for weight in node.weights] == ["weight"]


def test_splits_are_crops() -> None:
    def forward(self: Any, x: Tensor) -> Any:
        a, b = x.chunk(2, 1)
        c, d, e = x.split([1, 4, 1], 1)
        f = x[:, 1::2]
        g = torch.stack([part * part for part in x.unbind(2)], 2)
        return a + b, torch.cat([e, d, c], 1), f, g, x[:, -1], x[:, :], x.narrow(1, 2, 3)

    graph = check_same_again(Does(forward), (2, 6, 3))
    crops = [node.operation for node in graph.nodes if isinstance(node.operation, Crop)]
    assert crops[:6] == [Crop(1, 0), Crop(1, 3), Crop(1, 0), Crop(1, 1), Crop(1, 5), Crop(1, 1, 2)]
    assert crops[6:] == [Crop(2, 0, drops=True), Crop(2, 1, drops=True), Crop(2, 2, drops=True), Crop(1, 5, drops=True), Crop(1, 2)]


# -- convolutions --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@pytest.mark.parametrize("kind", [nn, ft], ids=["torch", "faltung"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_every_field_of_a_convolution_is_read(kind: Any, ndim: int) -> None:
    size = (9, 8, 7)[:ndim]
    for arguments, fields in (
        ((4, 6, 3), {"stride": 2, "padding": 2, "dilation": 2, "groups": 2}),
        ((4, 6, 2), {"padding": "same", "bias": False}),
        ((4, 6, 3), {"padding": "valid"}),
        ((4, 8, (3, 2, 1)[:ndim]), {"stride": (1, 2, 3)[:ndim], "padding": (0, 1, 0)[:ndim], "groups": 4}),
    ):
        layer = getattr(kind, f"Conv{ndim}d")(*arguments, **fields)
        for batch in ((), (2,)):
            assert convolutions(check_same_again(layer, (*batch, 4, *size))) == [ft.from_module(layer)]
    fields = {"stride": 3, "padding": 1, "output_padding": 2, "groups": 2, "dilation": 2}
    layer = getattr(kind, f"ConvTranspose{ndim}d")(4, 6, 3, **fields)
    graph = check_same_again(layer, (2, 4, *size))
    assert convolutions(graph) == [ft.from_module(layer)]
    assert graph.nodes[0].weights[0].shape == convolutions(graph)[0].weight_shape


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@pytest.mark.parametrize("kind", [nn, ft], ids=["torch", "faltung"])
@pytest.mark.parametrize("mode", ["circular", "reflect", "replicate"])
@pytest.mark.parametrize("padding", [2, "same"])
def test_a_layer_that_pads_in_its_own_mode_is_one_convolution(kind: Any, mode: str, padding: Any) -> None:
    layer = kind.Conv2d(2, 3, (3, 4), padding=padding, padding_mode=mode)
    graph = check_same_again(nn.Sequential(layer), (1, 2, 6, 7))
    assert [(node.name, node.source) for node in graph.nodes] == [("0", "Conv2d")]
    assert convolutions(graph) == [ft.from_module(layer)]


def test_padding_called_by_itself_is_a_node() -> None:
    model = Does(lambda self, x: self.conv(F.pad(x, (1, 2, -1, 0), mode="circular")), conv=nn.Conv2d(2, 3, 3, padding=1))
    graph = check_same_again(model, (1, 2, 6, 7))
    assert graph.nodes[0].operation == Pad(((0, 0), (0, 0), (-1, 0), (1, 2)), "circular")
    assert names(graph) == ["pad", "conv"]


def test_layers_and_functions_of_faltung() -> None:
    text = "conv2d(3, 2, (3, 3), stride=(2, 2), padding='same_upper', bias=False)"
    model = Does(
        lambda self, x: ft.conv(text, self.layers(x), self.weight),
        layers=nn.Sequential(ft.BlurPool2d(3), ft.CircularConv2d(3, 3, 3), ft.SeparableConv2d(3, 3), ft.DepthwiseSeparableConv2d(3, 3, 3)),
        weight=nn.Parameter(torch.randn(2, 3, 3, 3)),
    )
    graph = check_same_again(model, (1, 3, 16, 16))
    assert names(graph) == [
        "layers.0",
        "layers.1",
        "layers.2.conv",
        "layers.2.conv (2)",
        "layers.3.depthwise",
        "layers.3.pointwise",
        "conv",
    ]
    assert str(convolutions(graph)[-1]) == text
    assert convolutions(graph)[0].padding_mode == "reflect"
    assert convolutions(graph)[1].padding_mode == "circular"
    causal = check_same_again(ft.CausalConv1d(2, 2, 3, dilation=2), (1, 2, 9))
    assert convolutions(causal)[0].padding == "causal"
    accelerated, _ = ft.accelerate(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3)).eval(), torch.randn(1, 3, 9, 9))
    assert names(record(accelerated, (1, 3, 9, 9))) == ["0", "1", "2"]


def test_weights_computed_on_the_fly() -> None:
    standardised = Does(lambda self, x: F.conv1d(x, self.w - self.w.mean((1, 2), keepdim=True)), w=nn.Parameter(torch.randn(4, 3, 3)))
    graph = record(standardised, (1, 3, 8))
    (node,) = graph.nodes
    assert [weight.name for weight in node.weights] == ["w"]
    assert [value.name for value in node.inputs] == ["input"]
    assert "weights alone" in graph.notes[0]
    assert "left out: 2, the first by mean in the model itself" in graph.notes[0]
    # A product of weights is not free.
    low = Does(lambda self, x: F.linear(x, self.a @ self.b), a=nn.Parameter(torch.randn(5, 2)), b=nn.Parameter(torch.randn(2, 3)))
    product, linear = record(low, (7, 3)).nodes
    assert (product.operation, product.inputs) == (Multiply(5 * 3 * 2, is_linear=True), ())
    assert [weight.name for weight in linear.weights] == ["a", "b"]
    # Weights that depend on the input are an input.
    dynamic = Does(lambda self, x: F.conv1d(x, self.make(x.mean(2)).view(4, 3, 1)), make=nn.Linear(3, 12))
    graph = check_same_again(dynamic, (1, 3, 8))
    assert [value.name for value in graph.nodes[-1].inputs] == ["input", "view"]
    assert graph.nodes[-1].weights == ()
    normed = nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 4, 1))
    assert names(record(nn.Sequential(normed), (1, 3, 8))) == ["0"]
    assert not record(normed, (1, 3, 8)).unused


def test_windows_as_columns() -> None:
    for functions in (F, ft):
        back_and_forth = Does(lambda _, x, f=functions: f.fold(f.unfold(x, (2, 3), stride=(2, 3)).sigmoid(), (4, 6), (2, 3), stride=(2, 3)))
        graph = check_same_again(back_and_forth, (2, 3, 4, 6))
        assert len(graph.nodes) == 7
        overlapping = record(Does(lambda _, x, f=functions: f.unfold(x, 3)), (1, 2, 5, 5))
        assert [node.operation for node in overlapping.nodes] == [
            Unknown("windows that overlap as columns: their positions are not followed")
        ]


def test_losses() -> None:
    graph = record(Does(lambda _, x: (F.mse_loss(x, x * x), F.l1_loss(x, x, reduction="none"))), (2, 3))
    assert [node.operation for node in graph.nodes] == [
        Elementwise("multiply"), Elementwise("mse_loss"), Reduce("mean", (0, 1), keeps=False), Elementwise("l1_loss"),
    ]  # fmt: skip


def test_interpolation() -> None:
    check_same_again(nn.Sequential(nn.Upsample(scale_factor=2), nn.Upsample(size=(5, 9))), (1, 2, 4, 6))
    for settings, operation in (
        ({"scale_factor": 2, "mode": "bilinear"}, Resize("linear")),
        ({"size": 7, "mode": "bicubic", "align_corners": True}, Resize("cubic", "align_corners")),
        ({"scale_factor": 1.5, "mode": "nearest-exact"}, Resize("nearest", "half_pixel", "round_prefer_ceil")),
        ({"size": 5, "mode": "area"}, Resize("area")),
        ({"size": 3, "mode": "area"}, Pool((Axis(0, 2, 2), Axis(1, 2, 2)), "average")),
        ({"scale_factor": 1.3}, Unknown("6 cells times 1.3 are 7.800000000000001, not 7: the places between are not followed")),
        ({"scale_factor": 1.3, "recompute_scale_factor": True}, Resize("nearest")),
        ({"size": 3, "mode": "bilinear", "antialias": True}, Unknown("antialiased: windows as wide as the scale")),
    ):
        (node,) = record(Does(lambda self, x, settings=settings: F.interpolate(x, **settings)), (1, 2, 6, 6)).nodes
        assert node.operation == operation


def test_pooling() -> None:
    for pool in (nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d((3, 2), 2, (1, 0)), nn.AdaptiveAvgPool2d((2, 4))):
        check_same_again(nn.Sequential(pool), (2, 3, 8, 8))
    (node,) = record(nn.AdaptiveMaxPool2d(1), (1, 2, 9, 9)).nodes
    assert node.operation == Reduce("max", (2, 3), keeps=True)
    (node,) = record(nn.MaxPool1d(3, stride=2, padding=1, dilation=2), (1, 2, 9)).nodes
    assert node.operation == Pool((Axis(0, 3, 2, 2, (1, 1)),), "max")
    (node,) = record(Does(lambda self, x: F.max_pool2d(x, 2, return_indices=True)), (1, 2, 4, 4)).nodes
    assert [value.dtype for value in node.outputs] == ["float32", "int64"]


def test_a_convolution_of_what_does_not_depend_on_the_input() -> None:
    generator = Does(lambda self, x: x + self.conv(self.seed) + self.conv(torch.zeros(1, 2, 4)), seed=nn.Parameter(torch.ones(1, 2, 4)),
                     conv=nn.Conv1d(2, 2, 3, padding=1))  # fmt: skip
    graph = record(generator, (1, 2, 4))
    assert names(graph) == ["constant", "conv", "add", "constant (2)", "conv (2)", "add (2)"]
    assert graph.nodes[0].inputs == graph.nodes[3].inputs == ()
    assert [[weight.name for weight in node.weights] for node in graph.nodes[:2]] == [["seed"], ["conv.weight", "conv.bias"]]
    assert graph.nodes[1].inputs == graph.nodes[0].outputs
    assert len(graph.nodes[2].inputs) == 2
    assert_connected(graph)


# -- ways through a model --------------------------------------------------------------------------------


def test_the_way_that_the_numbers_take_is_followed() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        x = self.a(x) if x.sum() > 0 else self.b(x)
        while x.abs().max() > 1:
            x = x / 2
        return x

    model = Does(forward, a=nn.Linear(2, 2), b=nn.Linear(2, 3))
    with torch.no_grad():
        for layer in (model.a, model.b):
            layer.weight.fill_(1)
            layer.bias.zero_()
    one = record(model, torch.tensor([[1.0, 1.0]]))
    other = record(model, torch.tensor([[-1.0, -3.0]]))
    assert [weight.name for weight in one.unused] == ["b.weight", "b.bias"]
    assert [weight.name for weight in other.unused] == ["a.weight", "a.bias"]
    assert [graph.outputs[0].shape for graph in (one, other)] == [(1, 2), (1, 3)]
    assert [sum(node.source == "aten.div" for node in graph.nodes) for graph in (one, other)] == [1, 2]
    assert "Python reads numbers" in one.notes[0]
    assert ": 3, the first by" in one.notes[0]


def test_what_is_not_known_is_a_node_and_says_so() -> None:
    model = Does(lambda self, x: torch.fft.irfft(torch.fft.rfft(x)) + x)
    graph = record(model, (1, 2, 6))
    assert [node.name for node in graph.nodes] == ["fft_r2c", "fft_c2r", "add"]
    assert [node.operation for node in graph.nodes[:2]] == [Unknown(f"aten._{name} is not known here") for name in ("fft_r2c", "fft_c2r")]
    assert_connected(graph)


def test_arrays_from_nowhere_are_told() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        return self.linear(torch.from_numpy(x.detach().numpy() + 1))

    graph = record(Does(forward, linear=nn.Linear(3, 1)), (2, 3))
    assert graph.outputs == ()
    assert any("neither from modules nor from operators" in note for note in graph.notes)
    assert any("do not depend on the input" in note for note in graph.notes)


def test_recurrent_layers_and_attention() -> None:
    rnn = nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)
    (node,) = record(rnn, (2, 5, 3)).nodes
    products = sum(each.numel() for name, each in rnn.named_parameters() if name.startswith("weight"))
    assert node.operation == Multiply(2 * 5 * products, is_linear=False)
    assert [value.shape for value in node.outputs] == [(2, 5, 8), (4, 2, 4), (4, 2, 4)]
    assert [weight.name for weight in node.weights] == [name for name, _ in rnn.named_parameters()]
    packed = Does(
        lambda self, x: self.rnn(nn.utils.rnn.pack_padded_sequence(x, [5, 2], batch_first=True))[1], rnn=nn.GRU(3, 4, batch_first=True)
    )
    (node,) = [node for node in record(packed, (2, 5, 3)).nodes if node.weights]
    assert node.operation == Multiply((5 + 2) * (12 * 3 + 12 * 4), is_linear=False)

    attention = Does(lambda self, x: self.inner(x, x, x, need_weights=False)[0], inner=nn.MultiheadAttention(8, 2, batch_first=True))
    graph = check_same_again(attention, (2, 5, 8))
    assert [node.operation for node in graph.nodes if isinstance(node.operation, Attend)] == [Attend(2 * 2 * 2 * 5 * 5 * 4)]
    assert {node.module for node in graph.nodes} == {"inner"}
    check_same_again(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu"), (2, 5, 8))
    (lookup,) = record(nn.Embedding(10, 4), torch.tensor([[1, 2]])).nodes
    assert (lookup.operation, [value.dtype for value in lookup.inputs], lookup.outputs[0].shape) == (Lookup(), ["int64"], (1, 2, 4))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64])
def test_dtypes_and_layouts(dtype: torch.dtype) -> None:
    layer = nn.Conv2d(2, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
    (node,) = record(layer, (1, 2, 5, 5)).nodes
    assert {node.inputs[0].dtype, node.outputs[0].dtype, node.weights[0].dtype} == {str(dtype).removeprefix("torch.")}
    read = node.weights[0].read
    assert read is not None
    numbers = torch.from_numpy(read())
    assert numbers.dtype == (torch.float32 if dtype is torch.bfloat16 else dtype)
    torch.testing.assert_close(numbers.to(dtype), layer.weight.detach())
    assert node.outputs[0].bytes == 27 * dtype.itemsize


def test_shapes_without_numbers() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)
    )
    here, nowhere = record(model, (1, 3, 9, 9)), record(model.to("meta"), (1, 3, 9, 9))
    assert [(node.name, node.operation, node.outputs[0].shape) for node in here.nodes] == [
        (node.name, node.operation, node.outputs[0].shape) for node in nowhere.nodes
    ]
    assert nowhere.nodes[0].weights[0].read is None


@pytest.mark.filterwarnings("ignore")
def test_scripted_traced_exported_and_compiled_modules() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    x = torch.randn(1, 3, 6, 6)
    operations = [node.operation for node in record(model, x).nodes]
    exported = torch.export.export(model, (x,)).module()
    for other in (torch.jit.script(model), torch.jit.trace(model, x), exported, torch.compile(model), nn.Sequential(torch.compile(model))):
        graph = record(other, x)
        assert [node.operation for node in graph.nodes] == operations
        assert sum(weight.size for weight in graph.weights() if weight.is_learned) == 4 * 27 + 4 + 8
        assert not graph.unused


@pytest.mark.filterwarnings("ignore")
def test_quantised_layers_are_unknown() -> None:
    model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), {nn.Linear})
    graph = record(model, (1, 4))
    assert graph.nodes[0].operation == Unknown("quantized.linear_dynamic is not known here")
    assert "weights of quantised layers are packed, and are not counted" in graph.notes
