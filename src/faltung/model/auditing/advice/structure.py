"""Cheaper layers in the place of dense ones, and layers that could be one."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from faltung.amounts import grouped, readable_bytes, readable_count, readable_share
from faltung.model.auditing.advice.piece import Advice, Subject, listed
from faltung.model.graph import Node
from faltung.model.operations import Convolve, Normalise
from faltung.spec import ConvSpec

__all__ = ["batch_norms", "biases", "depthwise_separable", "pairs"]

LEAST_SHARE = 0.05
"""Of the model's MACs. Replaced layers have to be trained again, which a twentieth does not pay for."""

LEAST_LAYER = 0.01
"""A layer below a hundredth of the model's MACs is not named among those to be replaced."""

LEAST_CHANNELS = 8
"""Of the input: a stem looks at the few channels of a picture with all its kernels, and MobileNets keep theirs dense too."""

GROUPS = 4
"""The example of a grouped layer: 3/4 are saved, as in ResNeXt-like and ShuffleNet-like designs of few groups."""


def depthwise_separable(subject: Subject) -> Iterator[Advice]:
    """Dense spatial layers as a depthwise one and a pointwise one; as grouped ones."""
    rows = [(node, layer) for node, layer in subject.convolutions if _is_dense_spatial(layer.spec) and layer.share >= LEAST_LAYER]
    saved = {layer.name: _saved(layer.spec, layer.macs or 0) for _, layer in rows if layer.spec}
    total = sum(saved.values())
    if subject.share(total) < LEAST_SHARE:
        return
    names = tuple(sorted(saved, key=lambda name: -saved[name]))
    first = next(layer for _, layer in rows if layer.name == names[0])
    spec = first.spec
    assert spec is not None
    area, dense, apart = math.prod(spec.kernel_size), math.prod(spec.weight_shape), _separable_weights(spec)
    of_all = sum(layer.macs or 0 for _, layer in rows)
    in_groups = [layer.macs or 0 for _, layer in rows if _divides(layer.spec)]
    grouped_saving = sum(macs - macs // GROUPS for macs in in_groups)
    kernel = "·".join(map(str, spec.kernel_size))
    window = "×".join(map(str, spec.kernel_size))
    per_place = f"{kernel}·{spec.in_channels} + {spec.in_channels}·{spec.out_channels} = {grouped(apart)}"
    fewer = sum(math.prod(layer.spec.weight_shape) - _separable_weights(layer.spec) for _, layer in rows if layer.spec)
    these = f"these {len(rows)} dense convolutions" if len(rows) > 1 else "this dense convolution"
    kept = _kept_by_rank_one(next(node for node, layer in rows if layer is first), spec)
    sentence = (
        f"As depthwise separable layers {these} would take {readable_count(of_all - total)} MACs and not {readable_count(of_all)}, "
        f"{readable_share(subject.share(total))} of the model less. "
        f"{first.name}: {kernel}·{spec.in_channels}·{spec.out_channels} = {grouped(dense)} products at a place become {per_place}. "
        f"The price: all {spec.out_channels} outputs then see an input channel through one {window} kernel, each with a factor of its own "
        f"(rank 1), where now they have up to {min(area, spec.out_channels)} independent ones."
    )
    if kept is not None:
        sentence += f" Of the weights that it has now, that would keep {readable_share(kept)} of their energy at best."
    if grouped_saving:
        sentence += (
            f" With groups={GROUPS} {readable_share(subject.share(grouped_saving))} would be saved and each output would see a quarter "
            "of the channels."
        )
    numbers = {
        "macs_now": of_all,
        "macs_then": of_all - total,
        "share_saved": subject.share(total),
        "saved_by_layer": {name: saved[name] for name in names},
        "macs_with_groups": of_all - grouped_saving,
        "groups": GROUPS,
        "most_rank_now": min(area, spec.out_channels),
        "energy_kept": kept,
    }
    source = "Howard et al., MobileNets, 2017, §3.1: k²·C_in·C_out against k²·C_in + C_in·C_out"
    yield Advice("depthwise separable", names, sentence, numbers, source, saves_macs=total, saves_parameters=fewer)


def _is_dense_spatial(spec: ConvSpec | None) -> bool:
    if spec is None or spec.groups > 1 or spec.transposed:
        return False
    return spec.in_channels >= LEAST_CHANNELS and spec.out_channels > 1 and math.prod(spec.kernel_size) > 1


def _separable_weights(spec: ConvSpec) -> int:
    return math.prod(spec.kernel_size) * spec.in_channels + spec.in_channels * spec.out_channels


def _saved(spec: ConvSpec, macs: int) -> int:
    """At all places at which the dense one multiplies."""
    dense = math.prod(spec.weight_shape)
    return macs // dense * (dense - _separable_weights(spec))


def _kept_by_rank_one(node: Node, spec: ConvSpec) -> float | None:
    """The part of the weight's energy that one kernel for each input channel can hold; None where the numbers are not there."""
    if not node.weights or node.weights[0].read is None or node.weights[0].shape != spec.weight_shape:
        return None
    weight = np.asarray(node.weights[0].read())
    if weight.dtype.kind != "f" or not np.isfinite(weight).all():
        return None
    kernels = weight.reshape(spec.out_channels, spec.in_channels, -1).astype(np.float64).transpose(1, 2, 0)
    energies = np.linalg.eigvalsh(kernels @ kernels.swapaxes(1, 2))
    whole = float(energies.sum())
    return float(energies[:, -1].sum()) / whole if whole > 0 else None


def _divides(spec: ConvSpec | None) -> bool:
    return spec is not None and spec.in_channels % GROUPS == 0 and spec.out_channels % GROUPS == 0


# -- neighbours ------------------------------------------------------------------------------------


def pairs(subject: Subject) -> Iterator[Advice]:
    """A convolution and a pointwise one behind it with nothing nonlinear between, where one of both together is cheaper."""
    taken: set[Node] = set()  # of a longer chain each layer is in one pair
    for node, layer in subject.convolutions:
        between: list[Node] = []
        after = subject.only_user(node)
        while after is not None and _is_folded_norm(after):
            between.append(after)
            after = subject.only_user(after)
        if node in taken or after is None or not isinstance(after.operation, Convolve):
            continue
        first, second = layer.spec, after.operation.spec
        row = subject.rows[after]
        if first is None or not _can_be_one(first, second) or not row.macs or not layer.macs:
            continue
        both = layer.macs + row.macs
        weights = math.prod((first.in_channels, second.out_channels, *first.kernel_size))
        # At the places of the first: its weights with the second's output channels.
        one = layer.macs // math.prod(first.weight_shape) * weights
        if one >= both:
            continue
        taken.add(after)
        saved = both - one
        through = f" (through {listed([between_node.name for between_node in between])})" if between else ""
        yield Advice(
            "linear pair",
            (node.name, after.name),
            f"Between {node.name} and {after.name}{through} nothing is nonlinear, so both are one convolution of "
            f"{first.in_channels} to {second.out_channels} channels: {readable_count(one)} MACs and not "
            f"{readable_count(layer.macs)} + {readable_count(row.macs)}. faltung.identities.compose computes its weight.",
            {"macs_now": both, "macs_then": one, "middle_channels": first.out_channels},
            "a composition of linear maps is linear",
            saves_macs=saved,
            saves_parameters=max(first.parameters + second.parameters - weights, 0),
        )


def _can_be_one(first: ConvSpec, second: ConvSpec) -> bool:
    pointwise = "pointwise" in second.kinds and not {"strided", "transposed"} & second.kinds
    pads = not isinstance(second.padding, str) and any(map(any, second.padding))
    return pointwise and not pads and first.groups == second.groups == 1 and not first.transposed


def _is_folded_norm(node: Node) -> bool:
    return isinstance(node.operation, Normalise) and not node.operation.dims and "batch" in node.operation.name


def batch_norms(subject: Subject) -> Iterator[Advice]:
    """Batch norms behind convolutions that nothing else takes, which their weights can hold."""
    found = []
    for node, _ in subject.convolutions:
        after = subject.only_user(node)
        if after is not None and _is_folded_norm(after):
            found.append((node, after))
    if not found:
        return
    fewer = sum(sum(weight.size for weight in norm.weights if weight.is_learned) for _, norm in found)
    specs = [spec for node, _ in found if (spec := subject.rows[node].spec) is not None]
    added = sum(spec.out_channels for spec in specs if not spec.bias)
    moved = sum((norm.inputs[0].bytes or 0) + (norm.outputs[0].bytes or 0) for _, norm in found)
    names = [norm.name for _, norm in found]
    yield Advice(
        "batch norm",
        tuple(names),
        f"For inference, {len(found)} batch norm{'s' if len(found) > 1 else ''} ({listed(names, 3)}) can be folded into the convolution "
        f"before: weight·γ/√(σ² + ε), bias β − μ·γ/√(σ² + ε), exact up to rounding. That is {readable_bytes(moved)} less to read and write "
        f"and {grouped(fewer - added)} parameters fewer. faltung.identities.fold_batchnorm does it.",
        {"folded": len(found), "moved_bytes": moved, "parameters_removed": fewer, "biases_added": added},
        "Jacob et al., Quantization and Training of Neural Networks …, 2018, §3.2",
        saves_parameters=max(fewer - added, 0),
        saves_bytes=moved,
    )


def biases(subject: Subject) -> Iterator[Advice]:
    """Biases in front of a batch norm, whose mean takes them out again."""
    found = []
    for node, layer in subject.convolutions:
        after = subject.only_user(node)
        if layer.spec is not None and layer.spec.bias and after is not None:
            operation = after.operation
            if isinstance(operation, Normalise) and "batch" in operation.name:
                found.append((node.name, layer.spec.out_channels))
    if not found:
        return
    names, channels = [name for name, _ in found], sum(count for _, count in found)
    yield Advice(
        "bias",
        tuple(names),
        f"{listed(names)}: {grouped(channels)} biases stand right before a batch norm. In training its mean takes them out again and their "
        "gradient is zero; bias=False trains the same network.",
        {"biases": channels},
        "Ioffe & Szegedy, Batch Normalization, 2015, §3.2",
        saves_parameters=channels,
    )
