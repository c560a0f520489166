"""Peers compute the same as the definition, or say why they do not take part."""

from __future__ import annotations

import numpy as np
import pytest

from faltung import reference
from faltung.bench.peers import PEERS, chosen_peers
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


@pytest.mark.parametrize("workload", SMALL, ids=lambda workload: workload.name)
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_agrees_with_the_definition_or_refuses(name: str, workload: Workload) -> None:
    peer = PEERS[name]
    pytest.importorskip(peer.package)
    reason = peer.refusal(workload)
    if reason is not None:
        assert reason in REFUSALS[name]
        return
    arrays = make_arrays(workload)
    prepared = peer.prepare(workload, arrays, threads=1)
    expected = by_definition(workload, arrays)
    np.testing.assert_allclose(prepared.as_numpy(prepared.call()), expected, rtol=0, atol=1e-13 * workload.spec.weight_shape[1] * 100)


REFUSALS = {
    "torch": {"PyTorch has no symmetric padding"},
    "torch-cl": {"PyTorch has no symmetric padding", "PyTorch has no channels-last layout for one axis"},
    "scipy": {
        "SciPy has no such call",
        "SciPy has no channels",
        "SciPy has neither stride nor dilation, and centres odd kernels only",
        "SciPy pads by half the kernel",
    },
}


@pytest.mark.parametrize(
    ("name", "text", "shape"),
    [
        ("torch", "conv4d(1, 1, 2)", (1, 1, 3, 3, 3, 3)),
        ("torch", "conv_transpose1d(1, 1, 3, padding=((1, 0),))", (1, 1, 5)),
        ("scipy", "conv2d(1, 1, 3, bias=False)", (1, 1, 5, 5)),
        ("scipy", "conv2d(1, 1, 3, padding=1)", (1, 1, 5, 5)),
    ],
)
def test_what_a_library_lacks_is_refused(name: str, text: str, shape: tuple[int, ...]) -> None:
    assert PEERS[name].refusal(Workload("x", "", text, shape)) is not None


def test_most_small_workloads_are_within_pytorch() -> None:
    assert sum(PEERS["torch"].refusal(workload) is None for workload in SMALL) == len(SMALL) - 1


def test_peers_are_chosen_by_name_once_each() -> None:
    assert [peer.name for peer in chosen_peers("scipy, scipy")] == ["scipy"]
    assert chosen_peers("none") == chosen_peers("") == ()


def test_without_a_list_all_that_are_installed_take_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faltung.bench.peers._is_installed", lambda peer: peer.package == "scipy")
    assert [peer.name for peer in chosen_peers(None)] == ["scipy"]


def test_an_unknown_peer_is_told_the_near_one() -> None:
    with pytest.raises(ConvError, match="Did you mean 'scipy'"):
        chosen_peers("scipi")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faltung.bench.peers._is_installed", lambda peer: False)
    with pytest.raises(ConvError, match="needs torch, which is not installed") as caught:
        chosen_peers("torch-cl")
    assert "pip install torch" in caught.value.remedy
