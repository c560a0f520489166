"""Real architectures: parameters and products as published, and as PyTorch counts them while it runs."""

from __future__ import annotations

import math
from typing import Any

import pytest
from torch.utils.flop_counter import FlopCounterMode

import torch
from faltung.model.from_torch import record
from faltung.model.graph import Graph
from faltung.model.operations import Attend, Convolve, Multiply, Unknown
from tests.model.recording import Does, assert_connected, check_same_again
from torch import Tensor, nn


def macs(graph: Graph) -> int:
    return sum(of_convolutions(graph)) + sum(node.operation.macs for node in graph.nodes if isinstance(node.operation, (Multiply, Attend)))


def of_convolutions(graph: Graph) -> list[int]:
    found = []
    for node in graph.nodes:
        if isinstance(node.operation, Convolve):
            shape = node.inputs[0].shape
            assert shape is not None
            spec = node.operation.spec
            assert spec.output_shape(shape) == node.outputs[0].shape
            batch, size = spec.split_shape(shape)
            found.append(math.prod(batch) * spec.macs(size))
    return found


def parameters(graph: Graph) -> int:
    return sum(weight.size for weight in graph.weights() if weight.is_learned)


def check_counts(model: nn.Module, shape: tuple[int, ...]) -> Graph:
    """The graph, after its counts, shapes and connections have been compared with what PyTorch and hooks see."""
    model.eval()
    graph = record(model, shape)
    assert_connected(graph)
    assert not [node for node in graph.nodes if isinstance(node.operation, Unknown)]
    assert parameters(graph) == sum(each.numel() for each in model.parameters())
    seen: dict[str, tuple[int, ...]] = {}

    def see(name: str, made: Tensor) -> None:
        count = sum(other == name or other.startswith(f"{name} (") for other in seen)
        seen[name if count == 0 else f"{name} ({count + 1})"] = tuple(made.shape)

    handles = [
        module.register_forward_hook(lambda _module, _given, made, name=name: see(name, made))
        for name, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.MaxPool2d, nn.LayerNorm, nn.ConvTranspose2d))
    ]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(shape))
    for handle in handles:
        handle.remove()
    assert 2 * macs(graph) == counter.get_total_flops()
    assert seen
    assert {name: graph.node(name).outputs[0].shape for name in seen} == seen
    return graph


def vgg16() -> nn.Module:
    layers: list[nn.Module] = []
    channels = 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2))
    head = [nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 1000)]
    return nn.Sequential(nn.Sequential(*layers), nn.Flatten(), nn.Sequential(*head))


def test_vgg16() -> None:
    with torch.device("meta"):  # half a gigabyte of weights that nobody reads
        graph = record(vgg16(), (1, 3, 224, 224))
    assert parameters(graph) == 138_357_544
    assert macs(graph) == 15_470_264_320
    assert len(graph.nodes) == 39


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        self.down = nn.ModuleList([self.block(3, 8), self.block(8, 16)])
        self.middle = self.block(16, 32)
        self.up = nn.ModuleList([nn.ConvTranspose2d(32, 16, 2, 2), nn.ConvTranspose2d(16, 8, 4, 2, 1)])
        self.merge = nn.ModuleList([self.block(32, 16), self.block(16, 8)])
        self.head = nn.Conv2d(8, 2, 1)

    @staticmethod
    def block(inside: int, outside: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(inside, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
            x = self.pool(x)
        x = self.middle(x)
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([skips.pop(), up(x)], 1))
        return self.head(x)


def test_a_network_with_skips_and_transposed_layers() -> None:
    check_same_again(UNet(), (2, 3, 16, 24))
    check_counts(UNet(), (2, 3, 16, 24))


def test_tied_weights_count_once() -> None:
    model = Does(lambda self, x: self.head(self.embedding(x)), embedding=nn.Embedding(50, 8), head=nn.Linear(8, 50, bias=False))
    model.head.weight = model.embedding.weight
    graph = record(model, torch.zeros(1, 5, dtype=torch.long))
    assert parameters(graph) == 400
    assert graph.nodes[0].weights == graph.nodes[1].weights


# -- architectures of transformers -----------------------------------------------------------------------


@pytest.fixture
def transformers() -> Any:
    return pytest.importorskip("transformers")


def test_resnet50(transformers: Any) -> None:
    with torch.device("meta"):
        model = transformers.ResNetForImageClassification(transformers.ResNetConfig(num_labels=1000))
        graph = record(model, (1, 3, 224, 224))
    assert parameters(graph) == 25_557_032
    assert macs(graph) == 4_089_184_256
    assert graph.node("resnet.encoder.stages.3.layers.2.layer.2.convolution").outputs[0].shape == (1, 2048, 7, 7)
    assert graph.nodes[0].operation.spec.kernel_size == (7, 7)
    assert [value.shape for value in graph.outputs] == [(1, 1000)]


def test_mobilenet(transformers: Any) -> None:
    model = transformers.MobileNetV1ForImageClassification(transformers.MobileNetV1Config(num_labels=1000))
    graph = check_counts(model, (1, 3, 224, 224))
    assert parameters(graph) == 4_231_976
    assert macs(graph) == 568_740_352


@pytest.mark.parametrize(
    ("kind", "size", "settings"),
    [
        ("MobileNetV2ForImageClassification", 96, {}),
        ("ConvNextForImageClassification", 64, {}),
        ("SegformerForSemanticSegmentation", 64, {}),
        ("ViTForImageClassification", 64, {"image_size": 64, "num_hidden_layers": 2}),
        ("SwinForImageClassification", 64, {"image_size": 64, "depths": [2, 2]}),
        ("RegNetForImageClassification", 64, {"depths": [1, 1, 1, 1]}),
        ("EfficientNetForImageClassification", 64, {"num_block_repeats": [1] * 7}),
    ],
)
def test_other_networks(transformers: Any, kind: str, size: int, settings: dict[str, Any]) -> None:
    base = kind.partition("For")[0]
    config = getattr(transformers, f"{base}Config")(**settings)
    # In the plain form of attention every product is an operator that PyTorch's own counter knows.
    config._attn_implementation = "eager"
    check_counts(getattr(transformers, kind)(config), (1, 3, size, size))


def test_attention_as_one_operator_costs_what_its_products_do(transformers: Any) -> None:
    graphs = []
    for kind in ("eager", "sdpa"):
        config = transformers.ViTConfig(image_size=64, num_hidden_layers=2, hidden_size=64, num_attention_heads=4, intermediate_size=128)
        config._attn_implementation = kind
        graphs.append(record(transformers.ViTForImageClassification(config), (1, 3, 64, 64)))
    assert macs(graphs[0]) == macs(graphs[1])
    assert [sum(isinstance(node.operation, Attend) for node in graph.nodes) for graph in graphs] == [0, 2]


def test_a_language_model(transformers: Any) -> None:
    config = transformers.GPT2Config(n_layer=2, n_embd=32, n_head=2, vocab_size=100, n_positions=32, use_cache=False)
    model = transformers.GPT2LMHeadModel(config).eval()
    graph = record(model, {"input_ids": torch.arange(6)[None]})
    assert_connected(graph)
    assert parameters(graph) == sum(each.numel() for each in model.parameters())
    assert [value.name for value in graph.inputs] == ["input_ids"]
    assert [value.shape for value in graph.outputs] == [(1, 6, 100)]
    assert not [node for node in graph.nodes if isinstance(node.operation, Unknown)]
