"""PyTorch modules written by both of PyTorch's exporters: the file counts what the live module does."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from faltung.model.from_onnx import read_onnx
from faltung.model.from_torch import record
from faltung.model.graph import Graph
from faltung.model.operations import Convolve, Multiply, Unknown
from faltung.model.tracing.positions import positions

pytest.importorskip("onnx")
pytest.importorskip("torch")


def network(torch: ModuleType) -> Any:
    """Layers of many kinds behind one another, with branches that meet."""
    nn = torch.nn

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 12, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(12), nn.ReLU6())
            self.depthwise = nn.Conv2d(12, 12, 3, padding=2, dilation=2, groups=12)
            self.squeeze = nn.Conv2d(12, 4, 1)
            self.excite = nn.Conv2d(4, 12, 1)
            self.pool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
            self.up = nn.ConvTranspose2d(12, 8, 3, stride=2, padding=1, output_padding=1)
            self.norm = nn.GroupNorm(2, 8)
            self.wide = nn.Conv2d(8, 16, 3, padding="same", padding_mode="circular")
            self.recurrent = nn.LSTM(16, 10, bidirectional=True, batch_first=True)
            self.head = nn.Linear(20, 7)

        def forward(self, x: Any) -> Any:
            x = self.stem(x)
            y = self.depthwise(x)
            x = x + y * torch.sigmoid(self.excite(torch.relu(self.squeeze(y.mean((2, 3), keepdim=True)))))
            x = self.norm(self.up(self.pool(x)))
            x = self.wide(nn.functional.gelu(nn.functional.interpolate(x, scale_factor=2, mode="bilinear")))
            x = nn.functional.avg_pool2d(x, 4)
            first, second = self.recurrent(x.flatten(2).transpose(1, 2))[0].chunk(2, dim=1)
            return torch.softmax(self.head(torch.cat([first.mean(1), second.amax(1)], 0)), -1)

    return Net()


def shaken(torch: ModuleType, model: Any) -> Any:
    """Parameters that differ everywhere: exporters store equal ones once."""
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5)
    return model.eval()


def lived(torch: ModuleType, model: Any, x: Any) -> tuple[list[tuple[Any, ...]], int]:
    """The convolutions that ran, with shapes, and the products of everything else, by hooks."""
    nn, convolutions, products = torch.nn, [], 0

    def watch(module: Any, inputs: Any, output: Any) -> None:
        nonlocal products
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            transposed = isinstance(module, nn.ConvTranspose2d)
            macs = (inputs[0] if transposed else output).numel() * module.weight[0].numel()
            convolutions.append((module.in_channels, module.out_channels, module.kernel_size, module.groups, tuple(output.shape), macs))
        elif isinstance(module, nn.Linear):
            products += output.numel() * module.in_features
        elif isinstance(module, nn.LSTM):
            rows = inputs[0].shape[0] * inputs[0].shape[1]
            products += 2 * rows * 4 * module.hidden_size * (module.input_size + module.hidden_size)

    handles = [module.register_forward_hook(watch) for module in model.modules()]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return convolutions, products


def read(graph: Graph) -> tuple[list[tuple[Any, ...]], int]:
    """The same of a graph."""
    convolutions, products = [], 0
    for node in graph.nodes:
        if isinstance(node.operation, Convolve):
            spec, shape = node.operation.spec, node.inputs[0].shape
            assert shape is not None
            macs = shape[0] * spec.macs(shape[2:])
            convolutions.append((spec.in_channels, spec.out_channels, spec.kernel_size, spec.groups, node.outputs[0].shape, macs))
        elif isinstance(node.operation, Multiply):
            products += node.operation.macs
    return convolutions, products


def exported(torch: ModuleType, model: Any, x: Any, path: Path, **options: Any) -> Path:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (x,), str(path), **options)
    return path


EXPORTERS = {
    "TorchScript": {"dynamo": False},
    "TorchScript, unfolded": {"dynamo": False, "do_constant_folding": False},
    "dynamo": {"dynamo": True, "external_data": False},
    "dynamo, unfolded": {"dynamo": True, "optimize": False, "external_data": False},
}


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_a_file_counts_what_the_module_does(torch: ModuleType, tmp_path: Path, exporter: str) -> None:
    options: dict[str, Any] = EXPORTERS[exporter]
    if options["dynamo"]:
        pytest.importorskip("onnxscript")
    model, x = shaken(torch, network(torch)), torch.rand(2, 3, 33, 40)
    file = exported(torch, model, x, tmp_path / "net.onnx", **options)
    graph = read_onnx(file)
    convolutions, products = lived(torch, model, x)
    assert read(graph) == (convolutions, products)
    assert graph.outputs[0].shape == tuple(model(x).shape)
    assert not [node for node in graph.nodes if isinstance(node.operation, Unknown)]
    assert all(value.shape is not None for node in graph.nodes for value in node.outputs)
    if "unfolded" in exporter:  # as a group norm TorchScript writes an instance norm with a factor of 1 and a summand of 0 for both groups
        more = 0 if options["dynamo"] else 4
        assert sum(weight.size for weight in graph.weights() if weight.is_learned) == sum(one.numel() for one in model.parameters()) + more


def test_open_sizes_of_an_export(torch: ModuleType, tmp_path: Path) -> None:
    """Arithmetic on the shape of the input is done for the shape that is given."""
    nn = torch.nn

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
            self.out = nn.Linear(8, 5)

        def forward(self, x: Any) -> Any:
            y = self.conv(x)
            y = nn.functional.interpolate(y, size=(x.shape[2], x.shape[3]))
            return self.out(y.reshape(x.shape[0], 8, -1).permute(0, 2, 1))

    model, x = Net().eval(), torch.rand(1, 3, 16, 16)
    file = exported(torch, model, x, tmp_path / "open.onnx", dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n", 2: "h", 3: "w"}})
    for shape in ((1, 3, 16, 16), (2, 3, 21, 34)):
        graph = read_onnx(file, shape)
        assert graph.outputs[0].shape == tuple(model(torch.rand(shape)).shape)
        assert read(graph) == lived(torch, model, torch.rand(shape))


def test_both_readers_see_the_same(torch: ModuleType, tmp_path: Path) -> None:
    """Of a network as a live module and as a file: the same layers, and positions that see the same of the input."""
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(3, 8, 7, stride=2, padding=3), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 8, 3, groups=8, dilation=2), nn.Sigmoid(),
        nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1), nn.AvgPool2d(2), nn.Conv2d(4, 5, 1),
    )  # fmt: skip
    x = torch.rand(1, 3, 64, 64)
    file = exported(torch, shaken(torch, model), x, tmp_path / "chain.onnx", dynamo=False)
    live, stored = record(model, (1, 3, 64, 64)), read_onnx(file)
    assert [node.operation for node in live.nodes] == [node.operation for node in stored.nodes]
    assert [[value.shape for value in node.outputs] for node in live.nodes] == [
        [value.shape for value in node.outputs] for node in stored.nodes
    ]
    seen = [[sight.reach for sight in positions(graph).of(graph.outputs[0])] for graph in (live, stored)]
    assert seen[0] == seen[1]
    assert None not in seen[0]


def test_efficientnet_lite(torch: ModuleType, tmp_path: Path) -> None:
    module = pytest.importorskip("efficientnet_lite_pytorch")
    model, x = shaken(torch, module.EfficientNet.from_name("efficientnet-lite0")), torch.rand(1, 3, 224, 224)
    graph = read_onnx(exported(torch, model, x, tmp_path / "lite.onnx", dynamo=False, do_constant_folding=False))
    assert read(graph) == lived(torch, model, x)
    assert sum(weight.size for weight in graph.weights() if weight.is_learned) == sum(entry.numel() for entry in model.parameters())
    assert math.isclose(sum(macs for *_, macs in read(graph)[0]) + read(graph)[1], 385e6, rel_tol=0.02)
