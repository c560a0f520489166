"""The table of layers: every entry is what it says."""

from __future__ import annotations

import pytest

from faltung.bench.suites import SUITES, suite
from faltung.bench.workloads import CLASSES, Workload
from faltung.cli.bench_table import remarks
from faltung.errors import ConvError

ALL = [(found.name, workload) for found in SUITES.values() for workload in found.workloads]


@pytest.mark.parametrize(("name", "workload"), ALL, ids=lambda value: getattr(value, "name", value))
def test_every_workload_is_a_convolution_with_an_output(name: str, workload: Workload) -> None:
    spec = workload.spec
    assert len(workload.input_shape) == spec.ndim + 2
    assert workload.output_shape[1] == spec.out_channels
    assert workload.macs > 0
    assert workload.bytes_moved > 0
    assert workload.origin
    assert workload.layer_class in CLASSES
    assert (workload.direction != "forward") == ("-grad" in workload.layer_class)


@pytest.mark.parametrize("name", SUITES)
def test_names_are_unique_and_short_enough_for_the_table(name: str) -> None:
    names = [workload.name for workload in SUITES[name].workloads]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 26


def test_the_quick_suite_has_every_kind() -> None:
    kinds = frozenset().union(*(workload.spec.kinds for workload in SUITES["quick"].workloads))
    assert kinds >= {"standard", "strided", "dilated", "grouped", "depthwise", "pointwise", "transposed", "circular", "reflect", "causal"}
    assert {workload.spec.ndim for workload in SUITES["quick"].workloads} == {1, 2, 3}
    assert {workload.direction for workload in SUITES["quick"].workloads} == {"forward", "input gradient", "weight gradient"}
    assert {workload.dtype for workload in SUITES["quick"].workloads} == {"float32", "float64"}


def test_the_full_suite_has_every_class_direction_and_batch() -> None:
    rows = SUITES["full"].workloads
    assert len(rows) >= 60
    assert {workload.layer_class for workload in rows} == set(CLASSES)
    assert {workload.direction for workload in rows} == {"forward", "input gradient", "weight gradient"}
    assert {workload.input_shape[0] for workload in rows} == {1, 8}
    assert {workload.dtype for workload in rows} == {"float32", "float64", "bfloat16"}


@pytest.mark.parametrize(
    "network",
    [
        "ResNet-18", "ResNet-50", "VGG-16", "ResNeXt-50", "MobileNetV2", "MobileNetV3", "EfficientNet", "ConvNeXt-T", "RepLKNet-31",
        "DeepLabV3", "U-Net", "DCGAN", "HiFi-GAN", "WaveNet", "C3D", "R(2+1)D", "ShuffleNet", "1080p",
    ],
)  # fmt: skip
def test_the_full_suite_draws_on_many_networks(network: str) -> None:
    assert any(network in workload.origin for workload in SUITES["full"].workloads)


def test_a_class_holds_what_its_name_says() -> None:
    for workload in SUITES["full"].workloads:
        spec, key = workload.spec, workload.layer_class
        if key.startswith("depthwise"):
            assert spec.groups == spec.in_channels
            assert (max(spec.kernel_size) >= 15) == (key == "depthwise-large")
        if key == "dense-3x3":
            assert (spec.kernel_size, spec.stride, spec.dilation, spec.groups) == ((3, 3), (1, 1), (1, 1), 1)
        if key in ("transposed", "dilated", "grouped", "circular", "3d", "float64", "bfloat16"):
            assert {
                "transposed": spec.transposed,
                "dilated": max(spec.dilation) > 1,
                "grouped": 1 < spec.groups < spec.in_channels,
                "circular": spec.padding_mode == "circular",
                "3d": spec.ndim == 3,
                "float64": workload.dtype == "float64",
                "bfloat16": workload.dtype == "bfloat16",
            }[key]


def test_the_foundation_suite_is_the_two_layers_on_two_threads() -> None:
    found = SUITES["foundation"]
    assert found.threads == 2
    assert [(workload.spec.weight_shape, workload.input_size) for workload in found.workloads] == [
        ((64, 64, 3, 3), (56, 56)),
        ((256, 256, 1, 1), (28, 28)),
    ]


def test_the_batch_counts() -> None:
    one = Workload("x", "y", "conv1d(2, 3, 5, bias=False)", (1, 2, 10))
    four = Workload("x", "y", "conv1d(2, 3, 5, bias=False)", (4, 2, 10))
    assert (one.macs, four.macs) == (6 * 3 * 2 * 5, 4 * 6 * 3 * 2 * 5)
    assert one.bytes_moved == 4 * (2 * 10 + 3 * 6 + 3 * 2 * 5)


def test_workloads_are_found_as_a_keyboard_types_them() -> None:
    assert [workload.name for workload in suite("quick", ["1x1 256"]).workloads] == ["1×1 256→256 at 28²"]
    assert len(suite("quick", ["depthwise", "TINY"]).workloads) == 3


def test_a_class_is_measured_by_itself() -> None:
    assert {workload.layer_class for workload in suite("full", classes=["fir", "tiny"]).workloads} == {"fir", "tiny"}
    assert [workload.name for workload in suite("quick", ["3x3"], ["float64"]).workloads] == ["float64 3×3 64 at 28²"]


def test_a_class_that_a_suite_lacks_is_told_where_it_is() -> None:
    with pytest.raises(ConvError, match="suite 'foundation' has no layer of class fir") as caught:
        suite("foundation", classes=["fir"])
    assert "suite 'full' has all" in caught.value.remedy
    with pytest.raises(ConvError, match="Did you mean 'depthwise'"):
        suite("full", classes=["depthwice"])


def test_a_misspelt_suite_is_told_the_near_one() -> None:
    with pytest.raises(ConvError, match="Did you mean 'quick'"):
        suite("quik")


def test_a_filter_that_leaves_nothing_lists_what_there_is() -> None:
    with pytest.raises(ConvError, match="no workload of suite 'foundation' contains 'nothing'") as caught:
        suite("foundation", ["nothing"])
    assert "1×1 256→256" in caught.value.remedy


def test_rows_of_a_dtype_that_numpy_lacks_are_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = suite("full", ["3x3"], ["bfloat16", "depthwise"])
    assert {workload.dtype for workload in found.workloads} == {"float32"}
    assert {workload.dtype for workload in found.left_out} == {"bfloat16"}
    assert remarks({"peers": {}, "workloads": [], "left_out": [workload.name for workload in found.left_out]}) == [
        f"left out: {len(found.left_out)} rows of bfloat16. Run pip install ml_dtypes to time them."
    ]
