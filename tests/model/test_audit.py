"""Audits: rows, sums, views of them, and every way to write them down."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from html.parser import HTMLParser

import pytest
from rich.console import Console

import faltung as fl
from faltung.errors import ConvError
from faltung.geometry import Axis
from faltung.model.auditing.cells import COLUMNS
from faltung.model.graph import Graph, Value
from faltung.model.operations import Elementwise, Multiply, Normalise, Pool, Reshape, Unknown
from faltung.spec import ConvSpec
from tests.model.test_counting import multiplications
from tests.support.graphs import Making, weight

EVIL = '</script><img src=x onerror="alert(1)">|`*a*`\x1b[31m'


@pytest.fixture
def made() -> Graph:
    """A stem, two blocks with a shared weight, a head, an operation that is not known, and a weight that nothing uses."""
    making = Making(2, 3, 16, 16)
    stem = making.conv("conv2d(3, 8, 3, stride=2, padding=1)", making.x, name="stem.conv", module="stem.conv")
    norm = making.add(
        Normalise("batch_norm"), (2, 8, 8, 8), stem, name="stem.norm", module="stem.norm", source="BatchNorm2d",
        weights=[weight("γ", (8,)), weight("β", (8,)), weight("μ", (8,), is_learned=False)],
    )  # fmt: skip
    shared = [weight("blocks.weight", (8, 8, 3, 3))]
    first = making.conv("conv2d(8, 8, 3, padding=1, bias=False)", norm, name="blocks.0.conv", module="blocks.0.conv", weights=shared)
    relu = making.add(Elementwise("relu", True), (2, 8, 8, 8), first, name="blocks.0.relu", module="blocks.0", source="aten.relu")
    second = making.conv("conv2d(8, 8, 3, padding=1, bias=False)", relu, name="blocks.1.conv", module="blocks.1.conv", weights=shared)
    pool = making.add(Pool((Axis(0, 2, 2), Axis(1, 2, 2)), "max"), (2, 8, 4, 4), second, name="pool", module="pool", source="MaxPool2d")
    odd = making.add(Unknown("a custom operator"), (2, 8, 4, 4), pool, name=EVIL, source=EVIL)
    flat = making.add(Reshape(), (2, 128), odd, name="flatten", source="Flatten")
    making.add(
        Multiply(2 * 128 * 10, is_linear=True), (2, 10), flat, name="head", module="head", source="Linear",
        weights=[weight("head.weight", (10, 128)), weight("head.bias", (10,))],
    )  # fmt: skip
    return making.graph(unused=[weight("spare", (77,))], notes=["A note <b>."])


@pytest.fixture
def found(made: Graph) -> fl.Audit:
    return fl.audit(made)


STEM, BLOCK, HEAD = 2 * 64 * 27 * 8, 2 * 64 * 72 * 8, 2 * 128 * 10


def test_sums(found: fl.Audit) -> None:
    totals = found.totals
    assert totals.macs == STEM + 2 * BLOCK + HEAD
    assert totals.flops == 2 * totals.macs + 2 * 8 * 64 + 2 * 10
    # The shared weight once, the statistic not, the spare one too.
    assert totals.parameters == (3 * 8 * 9 + 8) + 16 + 8 * 8 * 9 + 1290 + 77
    assert totals.unused_parameters == 77
    assert totals.weight_bytes == 4 * (totals.parameters + 8)
    block = 4 * 2 * 8 * 64
    assert totals.activation_bytes == 5 * block + 2 * block // 4 + 4 * 20
    assert (totals.peak_bytes, totals.peak_at) == (4 * 2 * 3 * 256 + block, "stem.conv")


def test_rows(found: fl.Audit) -> None:
    rows = {layer.name: layer for layer in found.layers}
    assert list(rows) == [node.name for node in found.graph.nodes]
    stem = rows["stem.conv"]
    assert (stem.kind, stem.family, stem.spec) == ("standard, strided", "convolution", ConvSpec(3, 8, 3, 2, 1, ndim=2))
    assert (stem.macs, stem.flops, stem.parameters) == (STEM, 2 * STEM + 1024, 224)
    assert stem.share == STEM / found.totals.macs
    moved = 4 * (2 * 3 * 256 + 2 * 8 * 64 + 224)
    assert stem.intensity == pytest.approx(stem.flops / moved)
    assert (rows["stem.norm"].macs, rows["stem.norm"].parameters, rows["stem.norm"].weight_bytes) == (None, 16, 96)
    assert rows["flatten"].activation_bytes == 0
    assert rows["blocks.0.conv"].parameters == rows["blocks.1.conv"].parameters == 576
    assert sum(layer.share for layer in found.layers) == pytest.approx(1)


def test_places(found: fl.Audit) -> None:
    rows = {layer.name: layer for layer in found.layers}
    pool = rows["pool"]
    # 3, then 3 + 2·2 twice at stride 2, then a window of 2.
    assert pool.receptive_field == (13, 13)
    assert pool.stride == (Fraction(4), Fraction(4))
    assert pool.offset == (-5, -5)
    assert pool.place.shifts == ((4, 1), (4, 1))
    assert pool.equivariance == "by 4 cells: moves by 1"
    assert rows[EVIL].receptive_field == ()


def test_what_is_not_counted_is_listed(found: fl.Audit) -> None:
    missing = {entry.name: entry for entry in found.uncounted}
    assert set(missing) == {"stem.norm", "blocks.0.relu", "pool", EVIL}
    assert missing["pool"].numbers == 2 * 8 * 16
    assert missing[EVIL].is_unknown
    assert missing[EVIL].reason == "a custom operator"
    assert not missing["pool"].is_unknown
    counted = {layer.name for layer in found.layers if layer.macs is not None}
    free = {"flatten"}
    assert {layer.name for layer in found.layers} == set(missing) | counted | free
    assert any("77 parameters are used by no operation" in note for note in found.notes)
    assert "A note <b>." in found.notes


def test_arrays_whose_size_the_numbers_decide_are_said_to_be_missing() -> None:
    making = Making(1, 3, 8, 8)
    some = making.add(Unknown("what is not zero"), None, making.x, name="nonzero")
    making.add(Elementwise("relu", True), None, some)
    found = fl.audit(making.graph())
    assert found.totals.unknown_sizes == 2
    assert found.layers[0].activation_bytes is None
    assert found.layers[0].intensity is None
    assert any("depends on the numbers" in note for note in found.notes)
    assert found.uncounted[0].numbers is None


# -- views -----------------------------------------------------------------------------------------


def test_sorting(found: fl.Audit) -> None:
    for by in ("macs", "flops", "parameters", "activation_bytes", "weight_bytes", "intensity"):
        values = [getattr(layer, by) or 0 for layer in found.sorted(by).layers]
        assert values == sorted(values, reverse=True)
        assert len(set(values)) > 2
    names = [layer.name for layer in found.sorted("name").layers]
    assert names == sorted(names)
    fields = [max(layer.receptive_field, default=0) for layer in found.sorted("receptive_field").layers]
    assert fields == sorted(fields, reverse=True)
    assert found.sorted("macs").sorted("order").layers == found.layers
    assert found.sorted("macs").totals == found.totals
    with pytest.raises(ConvError, match="Did you mean 'macs'"):
        found.sorted("mac")


def test_filtering(found: fl.Audit) -> None:
    def names(view: fl.Audit) -> list[str]:
        return [layer.name for layer in view.layers]

    assert names(found.filter("blocks")) == ["blocks.0.conv", "blocks.0.relu", "blocks.1.conv"]
    assert names(found.filter("blocks.?.conv")) == ["blocks.0.conv", "blocks.1.conv"]
    assert names(found.filter(kind="convolution")) == ["stem.conv", "blocks.0.conv", "blocks.1.conv"]
    assert names(found.filter(kind="strided")) == ["stem.conv", "pool"]
    assert names(found.filter(kind="Linear")) == ["head"]
    assert names(found.filter(least_share=0.4)) == ["blocks.0.conv", "blocks.1.conv"]
    assert names(found.filter("nowhere")) == []
    assert found.filter("nowhere").totals == found.totals


def test_the_tree_sums_shared_weights_once(found: fl.Audit) -> None:
    tree = found.tree
    assert (tree.macs, tree.flops) == (found.totals.macs, found.totals.flops)
    assert tree.parameters == found.totals.parameters - 77
    branches = {item.path: item for _, item in tree.walk() if hasattr(item, "path")}
    assert set(branches) == {"", "stem", "blocks", "blocks.0", "blocks.1"}
    assert branches["blocks"].parameters == branches["blocks.0"].parameters == 576
    assert branches["blocks"].macs == 2 * BLOCK
    assert [level for level, _ in tree.walk(1)] == [0, 1, 1, 1, 1, 1, 1]
    assert len(list(tree.walk(0))) == 1


def test_names_of_files_are_told_apart_by_slashes() -> None:
    making = Making(1, 4, 8, 8)
    inner = making.conv("conv2d(4, 4, 1)", making.x, name="/features/0.1/Conv", module="/features/0.1")
    making.conv("conv2d(4, 4, 1)", inner, name="a/" * 2000 + "Conv", module="a/" * 2000)
    tree = fl.audit(making.graph()).tree
    assert [item.path for _, item in tree.walk(2) if hasattr(item, "path")][:3] == ["", "features", "features/0.1"]
    assert max(level for level, _ in tree.walk()) <= 26


# -- written down ----------------------------------------------------------------------------------


def test_json_is_stable_and_whole(found: fl.Audit) -> None:
    data = json.loads(found.to_json())
    assert list(data) == ["format", "version", "name", "inputs", "totals", "layers", "tree", "uncounted", "advice", "notes"]
    assert (data["format"], data["version"]) == ("faltung.audit", 1)
    assert data["totals"]["macs"] == sum(layer["macs"] or 0 for layer in data["layers"])
    assert data["inputs"] == [{"name": "x", "shape": [2, 3, 16, 16], "dtype": "float32"}]
    for layer in data["layers"]:
        assert list(layer) == [
            "name", "module", "operation", "kind", "family", "input_shapes", "output_shapes", "parameters", "macs", "flops", "share",
            "activation_bytes", "weight_bytes", "intensity", "spec", "receptive_field", "stride", "offset", "shifts", "equivariance",
        ]  # fmt: skip
        assert layer["spec"] is None or ConvSpec.parse(layer["spec"])
    assert data["layers"][0]["stride"] == [2, 2]
    assert found.to_json() == fl.audit(found.graph).to_json()


class Page(HTMLParser):
    """What a browser would make of a page: its elements, their attributes, the text that is no script or style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_escapes_names_and_needs_nothing_else(found: fl.Audit) -> None:
    page = Page(found.to_html())
    names = [tag for tag, _ in page.tags]
    assert "img" not in names
    assert names.count("script") == 1
    assert not [attributes for _, attributes in page.tags for name in attributes if name.startswith("on")]
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert all(value.startswith(("#layer-", "data:,")) for value in addresses)
    assert "\x1b" not in found.to_html()
    text = " ".join(page.words)
    assert "</script><img src=x" in text  # shown, as text
    assert "<b>" not in names


def test_the_page_has_every_row_and_every_link_leads_to_one(found: fl.Audit) -> None:
    page = Page(found.to_html())
    rows = [attributes["id"] for tag, attributes in page.tags if tag == "tr" and "id" in attributes]
    assert rows == [f"layer-{number}" for number in range(len(found.layers))]
    links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert links
    assert links <= {f"#{row}" for row in rows}


def widths(page: str, name: str) -> dict[str, float]:
    """Width of each cell of a map, by the first words of its title."""
    drawing = re.search(rf'<div id="map-{name}".*?</svg>', page, re.DOTALL).group()
    return {title: float(width) for title, width in re.findall(r"<title>(.*?)[,:] .*?</title><rect [^>]*? width=\"([\d.]+)\"", drawing)}


def test_cells_of_the_map_are_as_wide_as_their_share(found: fl.Audit) -> None:
    cells = widths(found.to_html(), "macs")
    whole = cells["Made"] + 2
    assert cells["blocks"] + 2 == pytest.approx(whole * 2 * BLOCK / found.totals.macs, abs=0.02)
    assert cells["blocks.0.conv"] == pytest.approx(cells["blocks.1.conv"], abs=0.02)


@pytest.mark.parametrize("width", [80, 140, 220])
def test_the_screen_shows_what_there_is_room_for(found: fl.Audit, width: int) -> None:
    console = Console(width=width, record=True, file=None, no_color=True, quiet=False)
    with console.capture() as capture:
        console.print(found)
    text = capture.get()
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b[31m" not in text
    heads = [column.head for column in COLUMNS if column.width <= width]
    assert next(line for line in text.splitlines() if line.startswith("layer ")).split() == heads
    assert "1 more rows have no MACs" not in text
    assert "3 more rows have no MACs" in text or "4 more rows have no MACs" in text


def test_markdown_is_escaped(found: fl.Audit) -> None:
    text = found.to_markdown()
    assert "<img" not in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for line in rows:
        assert len(re.findall(r"(?<!\\)\|", line)) in (4, 5, len(COLUMNS) - 2 + 1), line
    assert "## Advice" in text


def test_texts_of_notebooks_and_prints(found: fl.Audit) -> None:
    assert "<img" not in found._repr_html_()
    assert repr(found) == f"<Audit of Made: {found.totals.parameters} parameters, {found.totals.macs} MACs, 9 layers>"
    assert "blocks.0.conv" in str(found)


def test_pandas(found: fl.Audit) -> None:
    pytest.importorskip("pandas")
    table = found.to_pandas()
    assert table["macs"].sum() == found.totals.macs
    assert list(table["name"]) == [layer.name for layer in found.layers]


def test_a_thousand_layers_stay_usable() -> None:
    making = Making(1, 8, 8, 8)
    value = making.x
    for number in range(1000):
        value = making.conv("conv2d(8, 8, 1)", value, name=f"block.{number // 10}.{number % 10}", module=f"block.{number // 10}")
    found = fl.audit(making.graph())
    assert found.totals.macs == 1000 * 64 * 64
    assert len(found.advice) < 10
    assert len(found.to_html()) < 1_500_000
    assert len(found._repr_html_()) < 150_000


def test_an_empty_model() -> None:
    image = Value("x", (1, 3, 8, 8), "float32")
    found = fl.audit(Graph("Empty", (), (image,), (image,)))
    assert found.layers == found.advice == ()
    assert found.totals.macs == 0
    for text in (found.to_html(), found.to_markdown(), str(found), found._repr_html_()):
        assert "Empty" in text


# -- live models -----------------------------------------------------------------------------------


def test_a_live_model_against_instrumented_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every convolution that really runs, in a model with a skip, a layer used twice and functional calls, by the definition."""
    torch = pytest.importorskip("torch")
    from torch import nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.twice = nn.Conv2d(3, 6, 3, stride=2), nn.Conv2d(6, 6, 3, padding=1, groups=3)
            self.up = nn.ConvTranspose2d(6, 4, 2, stride=2)
            self.kernel = nn.Parameter(torch.ones(4, 1, 3, 3))
            self.head = nn.Linear(4, 5)

        def forward(self, x):
            x = self.stem(x).relu()
            x = x + self.twice(self.twice(x))
            x = nn.functional.conv2d(self.up(x), self.kernel, groups=4, padding=2, dilation=2)
            return self.head(x.mean((2, 3)))

    seen: list[tuple[ConvSpec, tuple[int, ...]]] = []
    real = nn.functional.conv2d, nn.functional.conv_transpose2d

    def conv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        seen.append((ConvSpec(x.shape[1], len(weight), weight.shape[2:], stride, padding, dilation, groups), tuple(x.shape)))
        return real[0](x, weight, bias, stride, padding, dilation, groups)

    model = Model().eval()
    found = fl.audit(model, (2, 3, 9, 9))
    with monkeypatch.context() as patch:
        patch.setattr(nn.functional, "conv2d", conv)
        patch.setattr(nn.modules.conv.F, "conv2d", conv)
        model(torch.zeros(2, 3, 9, 9))
    assert len(seen) == 4
    by_definition = sum(multiplications(spec, shape, monkeypatch) for spec, shape in seen)
    by_definition += multiplications(ConvSpec(6, 4, 2, 2, transposed=True, ndim=2), (2, 6, 4, 4), monkeypatch)
    assert found.totals.macs == by_definition + 2 * 4 * 5
    assert found.totals.parameters == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("build", "parameters", "macs"),
    [("resnet50", 25_557_032, 4_089_184_256), ("mobilenet_v1", 4_231_976, 568_740_352), ("vgg16", 138_357_544, 15_470_264_320)],
)
def test_networks_whose_counts_are_published(build: str, parameters: int, macs: int) -> None:
    torch = pytest.importorskip("torch")
    from tests.support import networks

    with torch.device("meta"):
        model = getattr(networks, build)().eval()
    found = fl.audit(model, (1, 3, 224, 224))
    assert found.totals.parameters == parameters
    assert found.totals.macs == macs


def test_vgg_sees_what_is_published() -> None:
    torch = pytest.importorskip("torch")
    from tests.support.networks import vgg16

    with torch.device("meta"):
        model = vgg16()
    last = fl.audit(model, (1, 3, 224, 224)).filter(kind="pooling").layers[-1]
    assert last.receptive_field == (212, 212)
    assert last.stride == (Fraction(32),) * 2
