"""Advice: each kind with its numbers counted in another way, and silence where there is nothing to say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import faltung as fl
from faltung import identities, reference
from faltung.geometry import Axis
from faltung.model.auditing.advice import MOST_ALIKE, coverage
from faltung.model.graph import Graph
from faltung.model.operations import Elementwise, Join, Multiply, Normalise, Pool
from faltung.spec import ConvSpec
from tests.support.graphs import Making, weight


def pieces(graph: Graph, kind: str) -> list[fl.model.Advice]:
    return [piece for piece in fl.audit(graph).advice if piece.kind == kind]


def one(graph: Graph, kind: str) -> fl.model.Advice:
    (piece,) = pieces(graph, kind)
    for number in (piece.saves_macs, piece.saves_parameters, piece.saves_bytes):
        assert number >= 0
    assert piece.source
    return piece


def alone(text: str, *size: int, numbers: np.ndarray | None = None) -> Graph:
    spec = ConvSpec.parse(text)
    making = Making(1, spec.in_channels, *size)
    making.conv(spec, making.x, name="layer", numbers=numbers)
    return making.graph()


# -- dense layers ----------------------------------------------------------------------------------


def test_depthwise_separable_savings_are_those_of_the_layers_put_in_place() -> None:
    making = Making(2, 16, 12, 12)
    first = making.conv("conv2d(16, 32, 3, padding=1)", making.x, name="first")
    making.conv("conv2d(32, 8, 5, stride=2)", first, name="second")
    found = fl.audit(making.graph())
    piece = one(making.graph(), "depthwise separable")
    replaced = Making(2, 16, 12, 12)
    x = replaced.conv("conv2d(16, 16, 3, padding=1, groups=16)", replaced.x)
    x = replaced.conv("conv2d(16, 32, 1)", x)
    x = replaced.conv("conv2d(32, 32, 5, stride=2, groups=32)", x)
    replaced.conv("conv2d(32, 8, 1)", x)
    assert piece.numbers["macs_then"] == fl.audit(replaced.graph()).totals.macs
    assert piece.saves_macs == found.totals.macs - piece.numbers["macs_then"]
    assert piece.layers == ("first", "second")
    grouped = Making(2, 16, 12, 12)
    x = grouped.conv("conv2d(16, 32, 3, padding=1, groups=4)", grouped.x)
    grouped.conv("conv2d(32, 8, 5, stride=2, groups=4)", x)
    assert piece.numbers["macs_with_groups"] == fl.audit(grouped.graph()).totals.macs
    assert "9·" not in piece.sentence
    assert "3·3·16·32 = 4 608" in piece.sentence


def test_what_a_depthwise_separable_layer_would_keep_of_the_weights() -> None:
    numbers = np.random.default_rng(4).standard_normal((12, 8, 3, 3))
    piece = one(alone("conv2d(8, 12, 3)", 8, 8, numbers=numbers), "depthwise separable")
    kernels = numbers.transpose(1, 0, 2, 3).reshape(8, 12, 9)
    kept = sum(np.linalg.svd(kernel, compute_uv=False)[0] ** 2 for kernel in kernels) / np.square(numbers).sum()
    assert piece.numbers["energy_kept"] == pytest.approx(kept)
    exact = np.einsum("oi,ikl->oikl", numbers[:, :, 0, 0], numbers[0])
    assert one(alone("conv2d(8, 12, 3)", 8, 8, numbers=exact), "depthwise separable").numbers["energy_kept"] == pytest.approx(1)


@pytest.mark.parametrize("text", ["conv2d(3, 64, 3)", "conv2d(32, 32, 3, groups=32)", "conv2d(32, 64, 1)", "conv_transpose2d(16, 16, 4)"])
def test_nothing_is_said_of_layers_that_are_no_dense_ones(text: str) -> None:
    assert not pieces(alone(text, 12, 12), "depthwise separable")


def test_a_small_share_is_not_worth_a_word() -> None:
    making = Making(1, 16, 32, 32)
    big = making.conv("conv2d(16, 2000, 1)", making.x)
    making.conv("conv2d(2000, 16, 1)", big, name="big")
    making.conv("conv2d(16, 8, 3)", making.x, name="small")
    assert not pieces(making.graph(), "depthwise separable")


# -- neighbours ------------------------------------------------------------------------------------


def test_a_linear_pair_is_one_layer() -> None:
    making = Making(1, 4, 8, 8)
    middle = making.conv("conv2d(4, 32, 3, padding=1)", making.x, name="one")
    norm = making.add(Normalise("batch_norm"), middle.shape, middle, name="norm")
    making.conv("conv2d(32, 6, 1)", norm, name="two")
    piece = one(making.graph(), "linear pair")
    assert piece.layers == ("one", "two")
    assert piece.numbers["macs_then"] == ConvSpec(4, 6, 3, padding=1, ndim=2).macs((8, 8))
    # And it is possible: the composition has the same results.
    rng = np.random.default_rng(0)
    first, second = ConvSpec(4, 32, 3, padding=1, bias=False, ndim=2), ConvSpec(32, 6, 1, bias=False, ndim=2)
    weights = [rng.integers(-3, 4, spec.weight_shape) for spec in (first, second)]
    both = identities.compose(first, second, *weights)
    x = rng.integers(-3, 4, (1, 4, 8, 8))
    assert both.spec.macs((8, 8)) == piece.numbers["macs_then"]
    assert np.array_equal(
        reference.conv(both.spec, x, both.weight), reference.conv(second, reference.conv(first, x, weights[0]), weights[1])
    )


@pytest.mark.parametrize(
    ("between", "second", "shape"),
    [
        (Elementwise("relu", True), "conv2d(32, 6, 1)", (1, 32, 8, 8)),
        (None, "conv2d(32, 6, 3)", None),
        (None, "conv2d(32, 6, 1, stride=2)", None),
        (None, "conv2d(32, 6, 1, padding=1)", None),
        (None, "conv2d(32, 640, 1)", None),
    ],
)
def test_pairs_that_are_none(between: Elementwise | None, second: str, shape: tuple[int, ...] | None) -> None:
    making = Making(1, 4, 8, 8)
    x = making.conv("conv2d(4, 32, 3, padding=1)", making.x)
    if between is not None:
        assert shape is not None
        x = making.add(between, shape, x)
    making.conv(second, x)
    assert not pieces(making.graph(), "linear pair")


def test_a_pair_whose_middle_is_needed_elsewhere_is_none() -> None:
    making = Making(1, 4, 8, 8)
    x = making.conv("conv2d(4, 32, 3, padding=1)", making.x)
    y = making.conv("conv2d(32, 6, 1)", x)
    assert pieces(making.graph(y), "linear pair")
    assert not pieces(making.graph(x, y), "linear pair")


def normed(dims: tuple[int, ...], *, bias: bool) -> Graph:
    making = Making(1, 3, 8, 8)
    x = making.conv(ConvSpec(3, 5, 3, bias=bias, ndim=2), making.x, name="conv")
    making.add(Normalise("batch_norm", dims), x.shape, x, name="norm", weights=[weight("γ", (5,)), weight("β", (5,))])
    return making.graph()


def test_batch_norms_are_folded_and_biases_before_them_do_nothing() -> None:
    piece = one(normed((), bias=True), "batch norm")
    assert piece.layers == ("norm",)
    assert piece.saves_parameters == 10
    assert piece.saves_bytes == 2 * 4 * 5 * 36
    assert one(normed((), bias=False), "batch norm").saves_parameters == 5  # a bias comes into being
    assert one(normed((), bias=True), "bias").saves_parameters == 5
    assert one(normed((0, 2, 3), bias=True), "bias").layers == ("conv",)
    assert not pieces(normed((), bias=False), "bias")
    assert not pieces(normed((0, 2, 3), bias=False), "batch norm")


# -- coverage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("conv2d(2, 2, 1, stride=2)", (7, 8)),
        ("conv2d(2, 2, (2, 3), stride=(3, 1))", (11, 6)),
        ("conv1d(2, 2, 2, stride=5, padding=3)", (23,)),
    ],
)
def test_unseen_cells_are_those_that_the_definition_does_not_read(text: str, size: tuple[int, ...]) -> None:
    spec = ConvSpec.parse(text)
    axes = [reference.meetings(spec, axis, cells)[0] for axis, cells in enumerate(size)]
    read = {cells for meeting in itertools.product(*axes) if None not in (cells := tuple(large for _, _, large in meeting))}
    numbers = one(alone(text, *size), "skipped cells").numbers["layers"]["layer"]
    assert numbers == {"cells": np.prod(size), "read": len(read), "unseen": np.prod(size) - len(read), "read_also_by": []}


def test_other_readers_of_the_same_cells_are_named() -> None:
    making = Making(1, 4, 8, 8)
    making.conv("conv2d(4, 4, 1, stride=2)", making.x, name="shortcut")
    making.add(Pool((Axis(0, 2, 2), Axis(1, 2, 2)), "average"), (1, 4, 4, 4), making.x, name="pool")
    piece = one(making.graph(), "skipped cells")
    assert piece.layers == ("shortcut",)
    assert "which pool reads too" in piece.sentence
    assert "48 cells (75.0 %)" in piece.sentence


@pytest.mark.parametrize("text", ["conv2d(2, 2, 3, stride=2)", "conv2d(2, 2, 2, stride=2)", "conv_transpose2d(2, 2, 1, stride=2)"])
def test_layers_that_skip_nothing(text: str) -> None:
    assert not pieces(alone(text, 8, 8), "skipped cells")


@pytest.mark.parametrize("kernel", range(1, 7))
@pytest.mark.parametrize("stride", range(1, 5))
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_checkerboards_are_uneven_sums_of_the_definition(kernel: int, stride: int, dilation: int) -> None:
    spec = ConvSpec(1, 1, kernel, stride, 0, dilation, transposed=True, bias=False, ndim=1)
    sums = reference.conv(spec, np.ones((1, 1, 30), int), np.ones((1, 1, kernel), int))[0, 0]
    middle = sums[len(sums) // 2 // stride * stride :][:stride]
    assert coverage.taps_by_phase(spec.axes[0]) == tuple(middle)
    found = pieces(alone(str(spec), 30), "checkerboard")
    assert bool(found) == (len(set(middle)) > 1)
    if found:
        assert found[0].numbers["most_products"] == middle.max()
        (even,) = found[0].numbers["even_kernel"]
        assert dilation > 1 or not pieces(alone(f"conv_transpose1d(1, 1, {even}, stride={stride})", 30), "checkerboard")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("conv2d(2, 3, 3, padding=1)", (1, 1)),
        ("conv2d(2, 3, 3, padding=12, dilation=12)", (9, 14)),
        ("conv1d(2, 3, 7, padding=3)", (4,)),
        ("conv2d(2, 3, (3, 5), padding=(1, 2), stride=(1, 2))", (2, 6)),
    ],
)
def test_padding_is_counted_product_by_product(text: str, size: tuple[int, ...]) -> None:
    spec = ConvSpec.parse(text)
    axes = [reference.meetings(spec, axis, cells)[0] for axis, cells in enumerate(size)]
    met: dict[tuple[int, ...], int] = {}
    touching, outputs, products = set(), set(), 0
    for meeting in itertools.product(*axes):
        small, taps, large = zip(*meeting, strict=True)
        products += 1
        outputs.add(small)
        met.setdefault(taps, 0)
        if None in large:
            touching.add(small)
        else:
            met[taps] += 1
    numbers = one(alone(text, *size), "padding").numbers
    assert numbers["products_with_padding"] == pytest.approx(1 - sum(met.values()) / products)
    assert numbers["outputs_at_border"] == pytest.approx(len(touching) / len(outputs))
    assert numbers["dead_taps"] == sum(count == 0 for count in met.values())


def test_dead_taps_save_what_they_multiply() -> None:
    piece = one(alone("conv2d(4, 8, 3, padding=1)", 1, 1), "padding")
    assert piece.numbers["live_kernel"] == (1, 1)
    assert piece.saves_macs == 8 * 4 * 8
    assert piece.saves_parameters == 8 * 4 * 8
    assert not pieces(alone("conv2d(4, 8, 3, padding=1)", 32, 32), "padding")


def test_idle_lanes() -> None:
    making = Making(1, 16, 8, 8)
    first = making.conv("conv2d(16, 33, 3)", making.x, name="odd")
    making.conv("conv2d(33, 64, 3)", first, name="even")
    subject = fl.audit(making.graph())
    from faltung.model.auditing.advice import Subject

    (piece,) = coverage.idle_lanes(Subject(subject.graph, subject.layers, subject.totals), 16)
    assert piece.layers == ("odd",)
    assert "15 of 48 lanes" in piece.sentence
    assert piece.numbers["idle"]["odd"] == pytest.approx(15 / 48)


def test_misaligned_branches() -> None:
    making = Making(1, 4, 16, 16)
    one_way = making.conv("conv2d(4, 4, 3, stride=2, padding=1)", making.x, name="window")
    other_way = making.conv("conv2d(4, 4, 2, stride=2)", making.x, name="pair")
    making.add(Elementwise("add"), (1, 4, 8, 8), one_way, other_way, name="sum")
    piece = one(making.graph(), "misaligned branches")
    assert piece.layers == ("sum",)
    assert (piece.numbers["axes"], piece.numbers["offset"]) == ([2, 3], 0.5)
    assert "along dimension 3 alike" in piece.sentence
    straight = Making(1, 4, 16, 16)
    side = straight.conv("conv2d(4, 4, 3, padding=1)", straight.x)
    straight.add(Join(1), (1, 8, 16, 16), straight.x, side)
    assert not pieces(straight.graph(), "misaligned branches")


def test_layers_whose_input_sees_everything_already() -> None:
    making = Making(1, 8, 12, 12)
    value = making.x
    for number in range(8):
        value = making.conv("conv2d(8, 8, 3, padding=1)", value, name=f"conv{number}")
    value = making.conv("conv2d(8, 8, 1)", value, name="pointwise")
    piece = one(making.graph(), "receptive field")
    # conv5 sees 2·6 + 1 = 13 of 12 cells, so conv6 is the first that brings nothing new.
    assert piece.layers == ("conv6", "conv7")
    assert piece.numbers["fields"]["conv6"] == (13, 13)
    assert piece.numbers["macs"] == 2 * 144 * 64 * 9
    larger = Making(1, 8, 32, 32)
    value = larger.x
    for _ in range(8):
        value = larger.conv("conv2d(8, 8, 3, padding=1)", value)
    assert not pieces(larger.graph(), "receptive field")


# -- weights ---------------------------------------------------------------------------------------


def products_of(rank: int, rows: int, columns: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, columns))


def test_mixing_of_low_rank_is_found() -> None:
    numbers = products_of(5, 64, 48).reshape(64, 48, 1, 1)
    piece = one(alone("conv2d(48, 64, 1)", 8, 8, numbers=numbers), "low rank")
    assert (piece.numbers["rank"], piece.numbers["full_rank"]) == (5, 48)
    assert piece.numbers["energy"] == pytest.approx(1)
    assert piece.saves_macs == 64 * (48 * 64 - 5 * (48 + 64))


def test_depthwise_kernels_that_are_outer_products_are_found() -> None:
    rng = np.random.default_rng(1)
    numbers = np.einsum("ci,cj->cij", rng.standard_normal((16, 5)), rng.standard_normal((16, 5)))[:, None]
    piece = one(alone("conv2d(16, 16, 5, groups=16)", 8, 8, numbers=numbers), "low rank")
    assert piece.numbers["rank"] == 1
    assert piece.numbers["share_of_layer"] == pytest.approx(10 / 25)
    assert "5×1" in piece.sentence


def test_columns_and_rows_of_dense_kernels_are_found() -> None:
    matrix = products_of(6, 12 * 5, 16 * 5)
    numbers = matrix.reshape(12, 5, 16, 5).transpose(2, 0, 1, 3)
    piece = one(alone("conv2d(12, 16, 5)", 9, 9, numbers=numbers), "low rank")
    assert piece.numbers["rank"] == 6
    assert "columns of 5×1 to 6 channels" in piece.sentence
    # So many products: those of the two layers.
    assert piece.numbers["share_of_layer"] == pytest.approx(6 * (12 * 5 + 16 * 5) / (12 * 16 * 25))


def test_linear_layers_are_looked_at_too() -> None:
    making = Making(4, 64)
    making.add(Multiply(4 * 64 * 80, is_linear=True), (4, 80), making.x, name="fc", weights=[weight("w", (80, 64), products_of(3, 80, 64))])
    assert one(making.graph(), "low rank").numbers["rank"] == 3


@pytest.mark.parametrize(
    "numbers", [np.random.default_rng(2).standard_normal((64, 48, 1, 1)), np.zeros((64, 48, 1, 1)), np.full((64, 48, 1, 1), np.nan)]
)
def test_weights_without_structure_get_no_advice(numbers: np.ndarray) -> None:
    assert not pieces(alone("conv2d(48, 64, 1)", 8, 8, numbers=numbers), "low rank")


def test_low_rank_is_not_looked_for_where_it_need_not_be() -> None:
    rng = np.random.default_rng(1)
    graph = alone("conv2d(48, 64, 1)", 8, 8, numbers=(rng.normal(size=(64, 3)) @ rng.normal(size=(3, 48))).reshape(64, 48, 1, 1))
    every, others = fl.audit(graph), fl.audit(graph, low_rank=False)
    assert "low rank" in {piece.kind for piece in every.advice}
    assert others.advice == tuple(piece for piece in every.advice if piece.kind != "low rank")
    assert others.layers == every.layers


def test_the_bound_that_spares_the_spectrum_never_hides_a_low_rank() -> None:
    """Weights around the threshold, with the rank counted by NumPy."""
    rng = np.random.default_rng(3)
    for decay in np.linspace(0.3, 0.95, 14):
        basis = [np.linalg.qr(rng.standard_normal((40, 40)))[0] for _ in range(2)]
        matrix = basis[0] @ np.diag(decay ** np.arange(40)) @ basis[1]
        energies = np.linalg.svd(matrix, compute_uv=False) ** 2
        rank = int(np.searchsorted(energies.cumsum() / energies.sum(), 0.999)) + 1
        found = pieces(alone("conv2d(40, 40, 1)", 4, 4, numbers=matrix.reshape(40, 40, 1, 1)), "low rank")
        assert [piece.numbers["rank"] for piece in found] == ([rank] if rank * 80 <= 0.8 * 1600 else [])


# -- all together ----------------------------------------------------------------------------------


def test_many_pieces_of_a_kind_are_gathered() -> None:
    making = Making(1, 4, 64, 64)
    for number in range(MOST_ALIKE + 3):
        making.conv("conv_transpose2d(4, 4, 3, stride=2)", making.x, name=f"up{number}")
    found = pieces(making.graph(*[node.outputs[0] for node in making.nodes]), "checkerboard")
    assert len(found) == MOST_ALIKE + 1
    assert len(found[-1].layers) == 3
    assert {name for piece in found for name in piece.layers} == {node.name for node in making.nodes}


def test_what_was_not_looked_at_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faltung.model.auditing.advice.weights.MOST_NUMBERS", 100)
    found = fl.audit(alone("conv2d(48, 64, 1)", 8, 8, numbers=products_of(5, 64, 48).reshape(64, 48, 1, 1)))
    assert not [piece for piece in found.advice if piece.kind == "low rank"]
    assert any("too large to look for low rank in: layer" in note for note in found.notes)


def test_speed_is_claimed_only_where_it_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from faltung.torch.acceleration import measuring

    making = Making(1, 4, 8, 8)
    x = making.conv("conv2d(4, 8, 3, padding=1)", making.x, name="fast")
    x = making.conv("conv2d(8, 8, 3, padding='same_lower')", x, name="nowhere")
    x = making.conv("conv2d(8, 16, 1)", x, name="slow")
    making.conv("conv_transpose2d(16, 4, 2, stride=2)", x, name="up")
    calls = []

    def compared(before, after, *, rounds, seconds):
        shapes = before().shape, after().shape
        assert shapes[0] == shapes[1]
        assert not (before() - after()).abs().max() > 1e-4
        calls.append(shapes[0])
        return measuring.Compared(3e-3, 2e-3, 1.5) if len(calls) != 2 else measuring.Compared(2e-3, 3e-3, 0.67)

    monkeypatch.setattr(measuring, "compared", compared)
    monkeypatch.setattr("faltung.model.auditing.advice.speed._rate", lambda before: 0.0)
    assert not [piece for piece in fl.audit(making.graph()).advice if piece.kind == "faster here"]
    assert not calls
    found = fl.audit(making.graph(), measure=True)
    (piece,) = [piece for piece in found.advice if piece.kind == "faster here"]
    assert piece.layers == ("fast", "up")
    assert piece.numbers["seconds_saved"] == pytest.approx(2e-3)
    assert any("Not measured" in note and "nowhere" in note for note in found.notes)
    assert len(calls) == 3
    assert not any("busy" in note for note in found.notes)
    monkeypatch.setattr("faltung.model.auditing.advice.speed._rate", lambda before: 400.0)
    assert any("400 preemptions" in note for note in fl.audit(making.graph(), measure=True).notes)
