"""Peers compute the same as the definition, or say why they do not take part."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

from faltung import reference
from faltung.bench.peers import PEERS, Prepared, chosen_peers, missing_peers, refusal_of
from faltung.bench.peers.peer import fastest
from faltung.bench.report import make_arrays
from faltung.bench.workloads import Workload
from faltung.errors import ConvError

SMALL = [
    Workload("plain", "", "conv2d(4, 6, 3, padding=1)", (2, 4, 7, 6), "float64"),
    Workload("strided", "", "conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), bias=False)", (1, 4, 7, 6), "float64"),
    Workload("same_upper", "", "conv2d(2, 2, 3, stride=2, padding='same_upper')", (1, 2, 6, 7), "float64"),
    Workload("grouped, dilated", "", "conv2d(4, 8, 3, dilation=2, groups=2)", (1, 4, 7, 8), "float64"),
    Workload("circular", "", "conv2d(2, 3, 3, padding=1, padding_mode='circular')", (1, 2, 5, 4), "float64"),
    Workload("reflect", "", "conv2d(1, 1, 5, padding='same', padding_mode='reflect', bias=False)", (1, 1, 8, 9), "float64"),
    Workload("symmetric", "", "conv2d(1, 1, 3, padding='same', padding_mode='symmetric', bias=False)", (1, 1, 8, 9), "float64"),
    Workload(
        "replicate, flipped",
        "",
        "conv2d(1, 1, (3, 5), padding='same', padding_mode='replicate', bias=False, flip=True)",
        (1, 1, 8, 9),
        "float64",
    ),
    Workload("picture", "", "conv2d(1, 1, 5, padding='same', bias=False)", (1, 1, 8, 9), "float64"),
    Workload("separable", "", "conv2d(1, 1, (5, 3), padding='same', bias=False)", (1, 1, 8, 9), weights="separable"),
    Workload("depthwise, padded beyond the kernel", "", "conv1d(3, 3, 4, padding=((5, 1),), groups=3)", (2, 3, 9)),
    Workload("valid FIR", "", "conv1d(1, 1, 4, bias=False)", (1, 1, 20)),
    Workload("causal", "", "conv1d(3, 4, 2, padding='causal', dilation=3)", (2, 3, 11), "float64"),
    Workload("volume", "", "conv3d(2, 3, 3, padding=1)", (1, 2, 4, 3, 5), "float64"),
    Workload("transposed", "", "conv_transpose2d(4, 3, 4, stride=2, padding=1)", (1, 4, 3, 5), "float64"),
    Workload(
        "output padding",
        "",
        "conv_transpose2d(4, 2, 3, stride=2, padding=1, output_padding=1, groups=2, bias=False)",
        (1, 4, 3, 5),
        "float64",
    ),
    Workload("channels last", "", "conv2d(4, 6, 3, stride=2, padding=1)", (2, 4, 7, 6), order="channels last"),
    Workload("input gradient", "", "conv2d(4, 6, 3, stride=2, padding=1, groups=2)", (2, 4, 7, 6), "float64", "input gradient"),
    Workload("weight gradient", "", "conv2d(4, 6, 3, stride=2, padding=1, dilation=2)", (2, 4, 7, 6), "float64", "weight gradient"),
]


def by_definition(workload: Workload, arrays):
    spec = workload.spec
    if workload.direction == "input gradient":
        return reference.conv_input_grad(spec, arrays.grad, arrays.weight, workload.input_size)
    if workload.direction == "weight gradient":
        return reference.conv_weight_grad(spec, arrays.x, arrays.grad)
    return reference.conv(spec, arrays.x, arrays.weight, arrays.bias)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("workload", SMALL, ids=lambda workload: workload.name)
@pytest.mark.parametrize("name", PEERS)
def test_every_configuration_agrees_with_the_definition_or_the_peer_refuses(
    name: str, workload: Workload, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = replace(workload, dtype=dtype)
    peer = PEERS[name]
    reason = refusal_of(peer, workload)
    if reason is not None:
        assert reason in {*REFUSALS[name], "takes arrays with their channels first"}
        return
    pytest.importorskip(peer.package)
    arrays = make_arrays(workload)
    expected = by_definition(workload, arrays)
    right: list[str] = []

    def check(label: str, prepared: Prepared) -> None:
        found = prepared.as_numpy(prepared.call())
        assert found.dtype == dtype
        atol = 100 * workload.spec.weight_shape[1] * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol, err_msg=label)
        right.append(label)

    def check_all(candidates) -> Prepared:
        for label, make in candidates.items():
            try:
                prepared = make()
                prepared.call()
            except Exception:  # noqa: BLE001  a configuration that the library lacks is no candidate
                assert label in LACKING
            else:
                check(label, prepared)
        return prepared

    monkeypatch.setattr(f"{type(peer).__module__}.fastest", check_all, raising=False)
    prepared = peer.prepare(workload, arrays, threads=os.cpu_count() or 1)
    if not right:
        check("only", prepared)
    assert right


LACKING = {"prepacked", "prepacked channels-last", "blocked"}
"""Configurations that their library has for some layers only."""

REFUSALS = {
    "torch": {"PyTorch has no symmetric padding", "PyTorch takes only symmetric zero padding here"},
    "torch-best": {"PyTorch has no symmetric padding", "PyTorch takes only symmetric zero padding here"},
    "onnxruntime": {
        "ONNX has no symmetric padding",
        "ONNX Runtime's inference package has no gradients",
        "ONNX Runtime's processor kernel has no float64",
    },
    "openvino": {"OpenVINO has no circular padding", "OpenVINO has no gradients", "OpenVINO's processor kernels have no float64"},
    "ncnn": {"the net of one layer pads with zeros", "ncnn has no gradients", "ncnn has no float64"},
    "jax": {"JAX has no grouped transposed convolution"},
    "opencv": {
        "OpenCV filters images",
        "OpenCV filters the channels of one image, each by itself",
        "OpenCV has neither stride nor dilation",
        "OpenCV pads by half the kernel",
    },
    "scipy": {"SciPy has no such call", "SciPy has no sum over channels", "SciPy has neither stride nor dilation"},
}


@pytest.mark.parametrize(
    ("name", "text", "shape"),
    [
        ("torch", "conv4d(1, 1, 2)", (1, 1, 3, 3, 3, 3)),
        ("torch", "conv_transpose1d(1, 1, 3, padding=((1, 0),))", (1, 1, 5)),
        ("scipy", "conv2d(1, 1, 4, padding='same', padding_mode='reflect')", (1, 1, 5, 5)),
        ("scipy", "conv2d(2, 2, 3)", (1, 2, 5, 5)),
        ("opencv", "conv2d(1, 1, 3, bias=False)", (1, 1, 5, 5)),
        ("opencv", "conv2d(1, 1, 3, padding=1, padding_mode='circular', bias=False)", (1, 1, 5, 5)),
        ("onnxruntime", "conv4d(1, 1, 2)", (1, 1, 3, 3, 3, 3)),
        ("openvino", "conv4d(1, 1, 2)", (1, 1, 3, 3, 3, 3)),
        ("ncnn", "conv4d(1, 1, 2)", (1, 1, 3, 3, 3, 3)),
    ],
)
def test_what_a_library_lacks_is_refused(name: str, text: str, shape: tuple[int, ...]) -> None:
    assert PEERS[name].refusal(Workload("x", "", text, shape)) is not None


def test_most_small_workloads_are_within_pytorch() -> None:
    assert sum(PEERS["torch"].refusal(workload) is None for workload in SMALL) == len(SMALL) - 1


def test_jax_does_not_pretend_to_a_number_of_threads() -> None:
    workload = SMALL[0]
    with pytest.raises(ValueError, match="processors, 99 were asked for"):
        PEERS["jax"].prepare(workload, make_arrays(workload), threads=99)


class Stopwatch:
    """A clock that only calls move."""

    def __init__(self) -> None:
        self.now = 0.0

    def takes(self, *costs: float):
        calls = iter(costs)

        def call() -> float:
            self.now += next(calls, costs[-1])
            return costs[-1]

        return lambda: Prepared(call, np.asarray)


def test_the_configuration_with_the_shortest_call_is_taken() -> None:
    watch = Stopwatch()
    # The first is slow to begin with; the second is the fastest whenever no other program is in its way.
    candidates = {"slow start": watch.takes(0.15, 0.1, 0.002), "noisy": watch.takes(0.005, 0.1, 0.001, 0.1), "steady": watch.takes(0.003)}
    assert fastest(candidates, lambda: watch.now).configuration == "noisy"


def test_a_configuration_that_fails_is_no_candidate_but_all_failing_is_an_error() -> None:
    def broken() -> Prepared:
        raise RuntimeError("no such kernel")

    watch = Stopwatch()
    assert fastest({"broken": broken, "works": watch.takes(1.0)}, lambda: watch.now).configuration == "works"
    with pytest.raises(RuntimeError, match="no such kernel"):
        fastest({"broken": broken})


def test_a_slow_configuration_is_tried_once() -> None:
    watch = Stopwatch()
    chosen = fastest({"slow": watch.takes(5.0), "quick": watch.takes(0.001)}, lambda: watch.now)
    assert chosen.configuration == "quick"
    assert watch.now < 5.0 + 1


def test_peers_are_chosen_by_name_once_each() -> None:
    assert [peer.name for peer in chosen_peers("scipy, scipy")] == ["scipy"]
    assert chosen_peers("none") == chosen_peers("") == ()


def test_without_a_list_all_that_are_installed_take_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faltung.bench.peers._is_installed", lambda peer: peer.package == "scipy")
    assert [peer.name for peer in chosen_peers(None)] == ["scipy"]


def test_what_is_not_installed_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faltung.bench.peers._is_installed", lambda peer: peer.package != "cv2")
    assert [peer.distribution for peer in missing_peers()] == ["opencv-python-headless"]


def test_an_unknown_peer_is_told_the_near_one() -> None:
    with pytest.raises(ConvError, match="Did you mean 'scipy'"):
        chosen_peers("scipi")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faltung.bench.peers._is_installed", lambda peer: False)
    with pytest.raises(ConvError, match="needs torch, which is not installed") as caught:
        chosen_peers("torch-best")
    assert "pip install torch" in caught.value.remedy
