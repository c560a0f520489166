"""What the weights themselves show: kernels that are numerically of low rank."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faltung.amounts import readable_count, readable_share
from faltung.model.auditing.advice.piece import Advice, Subject
from faltung.model.auditing.rows import Layer
from faltung.model.graph import Node
from faltung.model.operations import Convolve, Multiply
from faltung.spec import ConvSpec

__all__ = ["low_rank"]

ENERGY = 0.999
"""Of the sum of squares that has to remain: the weights then change by sqrt(1 - 0.999) = 3.2 % of their norm, which trained networks bear
without new training (Denton et al., 2014, §4)."""

LEAST_SAVED = 0.2
"""Of the layer's MACs: two layers in the place of one cost a pass over memory more."""

LEAST_LAYER = 0.01
"""Of the model's MACs."""

MOST_SIDE, MOST_NUMBERS = 2048, 2**24
"""Of the smaller side of a matrix whose spectrum is computed, and of all of it: seconds, and 128 MiB."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Split:
    """A weight as a matrix that a product of two could stand for.

    Attributes
    ----------
    way : str
        What the two layers would be.
    matrices : array
        (..., rows, columns): one, or one for each channel.
    share : callable
        Of the layer's products that remain at a rank.
    """

    way: str
    matrices: Array
    share: Callable[[int], float]


def low_rank(subject: Subject, skipped: list[str]) -> Iterator[Advice]:
    """Weights whose singular values fall off fast enough that two cheaper layers hold nearly all of them.

    Names of layers that were too large to look at are put into `skipped`.
    """
    for node, layer in subject.rows.items():
        if layer.share < LEAST_LAYER or not node.weights or node.weights[0].read is None:
            continue
        if node.weights[0].size > MOST_NUMBERS:
            skipped.append(node.name)
            continue
        weight = np.asarray(node.weights[0].read())
        if weight.dtype.kind != "f" or not np.isfinite(weight).all():
            continue
        best: tuple[float, Split, int, float] | None = None
        for split in _splits(node, np.asarray(weight, np.float64)):
            rank = _enough(split, skipped, node.name)
            if rank is not None and split.share(rank[0]) <= 1 - LEAST_SAVED and (best is None or split.share(rank[0]) < best[0]):
                best = (split.share(rank[0]), split, *rank)
        if best is not None:
            yield _advice(subject, layer, *best)


def _advice(subject: Subject, layer: Layer, share: float, split: Split, rank: int, energy: float) -> Advice:
    saved = round((layer.macs or 0) * (1 - share))
    full = min(split.matrices.shape[-2:])
    way, now = split.way.format(rank=rank), layer.macs or 0
    error = 100 * math.sqrt(max(1 - energy, 0))
    return Advice(
        "low rank",
        (layer.name,),
        f"{layer.name}: rank {rank} of {full} holds {100 * energy:.2f} % of its weight's energy (an error of {error:.2g} % of its norm). "
        f"As {way} it would take {readable_count(now - saved)} MACs and not {readable_count(now)}: "
        f"{readable_share(subject.share(saved))} of the model less.",
        {"rank": rank, "full_rank": full, "energy": energy, "way": way, "share_of_layer": share},
        "Jaderberg, Vedaldi & Zisserman, Speeding up CNNs with low rank expansions, 2014; singular values of this model's own weights",
        saves_macs=saved,
    )


def _splits(node: Node, weight: Array) -> Iterator[Split]:
    """The ways in which the layer could be two."""
    operation = node.operation
    if isinstance(operation, Multiply) and operation.is_linear and weight.ndim == 2:
        yield _mixing(weight)
    elif isinstance(operation, Convolve) and not operation.spec.transposed:
        spec = operation.spec
        if spec.weight_shape != weight.shape:
            return
        if spec.groups == 1 and min(spec.in_channels, spec.out_channels) > 1:
            yield _mixing(weight.reshape(spec.out_channels, -1))
        if spec.ndim == 2 and min(spec.kernel_size) > 1:
            yield from _by_axes(spec, weight)


def _mixing(matrix: Array) -> Split:
    """To fewer channels and up again."""
    rows, columns = matrix.shape
    return Split("a layer to {rank} channels and a pointwise one behind it", matrix, _remaining(rows, columns))


def _remaining(rows: int, columns: int) -> Callable[[int], float]:
    """Of a matrix' products those of two factors."""
    return lambda rank: rank * (rows + columns) / (rows * columns)


def _by_axes(spec: ConvSpec, weight: Array) -> Iterator[Split]:
    high, wide = spec.kernel_size
    if "depthwise" in spec.kinds:
        yield Split(f"a column of {high}×1 and a row of 1×{wide}", weight.reshape(-1, high, wide), _remaining(high, wide))
    elif spec.groups == 1:
        # From every (input channel, row) to every (output channel, column).
        matrix = weight.transpose(1, 2, 0, 3).reshape(spec.in_channels * high, spec.out_channels * wide)
        yield Split(f"columns of {high}×1 to {{rank}} channels and rows of 1×{wide}", matrix, _remaining(*matrix.shape))


def _enough(split: Split, skipped: list[str], name: str) -> tuple[int, float] | None:
    """The smallest rank that keeps `ENERGY`, and what it keeps; None where that saves nothing."""
    matrices = split.matrices
    if matrices.shape[-2] > matrices.shape[-1]:
        matrices = np.swapaxes(matrices, -1, -2)
    side = matrices.shape[-2]
    if side > MOST_SIDE:
        skipped.append(name)
        return None
    gram = matrices @ np.swapaxes(matrices, -1, -2)
    energy = float(np.trace(gram, axis1=-2, axis2=-1).sum())
    if energy == 0:
        return None
    useful = max((rank for rank in range(1, side + 1) if split.share(rank) <= 1 - LEAST_SAVED), default=0)
    # By Cauchy and Schwarz the r largest energies of a matrix sum to at most sqrt(r · Σ energies²), which needs no spectrum.
    if np.sqrt(useful * np.square(gram).sum(axis=(-2, -1))).sum() < ENERGY * energy:
        return None
    spectrum = np.linalg.eigvalsh(gram)[..., ::-1].reshape(-1, side).clip(0).sum(axis=0).cumsum() / energy
    rank = int(np.searchsorted(spectrum, ENERGY)) + 1
    return (rank, min(float(spectrum[rank - 1]), 1.0)) if rank <= useful else None
