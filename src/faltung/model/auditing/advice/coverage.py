"""Cells that a layer never reads, taps that never meet a cell, outputs that receive more than others, lanes that stay empty."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from faltung.amounts import grouped, readable_count, readable_share
from faltung.geometry import Axis
from faltung.model.auditing.advice.piece import Advice, Subject, listed
from faltung.model.graph import Node
from faltung.model.operations import Convolve, Pool

__all__ = ["borders", "checkerboards", "idle_lanes", "skipped_cells"]

LEAST_PADDING = 0.25
"""Of a layer's products. Below that borders are what every padded network has."""

LEAST_IDLE = 0.1
"""Of a vector's lanes; what is below a tenth is lost in other costs."""

MOST_CELLS = 2**24
"""Along an axis; longer ones are not walked through."""


def skipped_cells(subject: Subject) -> Iterator[Advice]:
    """Strides larger than the kernel: cells that no window reads."""
    found: list[tuple[str, str, dict[str, Any]]] = []
    for node in subject.graph.nodes:
        axes = _axes(node)
        shape = node.inputs[0].shape if node.inputs else None
        if shape is None or not any(axis.stride > axis.extent for axis in axes) or math.prod(shape) == 0:
            continue
        sizes = shape[-len(axes) :]
        if max(sizes) > MOST_CELLS:
            continue
        read = math.prod(_cells_read(axis, size) for axis, size in zip(axes, sizes, strict=True))
        cells = math.prod(sizes)
        others = [user.name for user in subject.users.get(node.inputs[0], []) if user is not node]
        kernel, stride = ("×".join(str(getattr(axis, what)) for axis in axes) for what in ("kernel", "stride"))
        beside = f", which {listed(others, 2)} read{'s' if len(others) == 1 else ''} too" if others else ""
        of = f"{'×'.join(map(str, sizes))} = {grouped(cells)}"
        text = f"{node.name} (kernel {kernel}, stride {stride}) reads {grouped(read)} of {of} cells{beside}"
        found.append((node.name, text, {"cells": cells, "read": read, "unseen": cells - read, "read_also_by": others}))
    if not found:
        return
    first = found[0][2]
    more = f"; {len(found) - 3} more" if len(found) > 3 else ""
    yield Advice(
        "skipped cells",
        tuple(name for name, *_ in found),
        f"Steps larger than the kernel pass over cells: {'; '.join(text for _, text, _ in found[:3])}{more}. Of the first, "
        f"{grouped(first['unseen'])} cells ({readable_share(first['unseen'] / first['cells'])}) are never seen here. Average pooling "
        "before it, or a kernel as large as the stride, lets all take part.",
        {"layers": {name: numbers for name, _, numbers in found}},
        "counted cell by cell; He et al., Bag of Tricks for Image Classification, 2019, §4.1 (ResNet-D)",
    )


def _cells_read(axis: Axis, size: int) -> int:
    before, _ = axis.sides(size)
    outputs = axis.output_size(size)
    seen = bytearray(size)
    for tap in range(axis.kernel):
        inside = axis.outputs_inside(tap, outputs, size, before)
        if inside:
            first = inside[0] * axis.stride + tap * axis.dilation - before
            seen[first : first + (len(inside) - 1) * axis.stride + 1 : axis.stride] = b"\x01" * len(inside)
    return sum(seen)


def checkerboards(subject: Subject) -> Iterator[Advice]:
    """Transposed kernels that overlap unevenly: the taps that arrive at each phase of the stride."""
    for node, layer in subject.convolutions:
        spec = layer.spec
        if spec is None or not spec.transposed:
            continue
        overlaps = [taps_by_phase(axis) for axis in spec.axes]
        if all(len(set(counts)) == 1 for counts in overlaps):
            continue
        counted = ", ".join("/".join(map(str, counts)) for counts in overlaps)
        most, least = (math.prod(choose(counts) for counts in overlaps) for choose in (max, min))
        fitting = tuple(-(-axis.kernel // axis.stride) * axis.stride for axis in spec.axes)
        yield Advice(
            "checkerboard",
            (node.name,),
            f"{node.name}: a transposed kernel of {'×'.join(map(str, spec.kernel_size))} with stride {'×'.join(map(str, spec.stride))} "
            f"overlaps unevenly: along the axes {counted} taps arrive at the phases of the stride, so outputs beside one another are sums "
            f"of {least} to {most} products per channel. A kernel of {'×'.join(map(str, fitting))}, or resizing and convolving, is even.",
            {"taps_by_phase": overlaps, "most_products": most, "least_products": least, "even_kernel": fitting},
            "Odena, Dumoulin & Olah, Deconvolution and Checkerboard Artifacts, Distill, 2016",
        )


def taps_by_phase(axis: Axis) -> tuple[int, ...]:
    """How many taps arrive at each residue of the output position, away from the borders.

    >>> taps_by_phase(Axis(0, kernel=3, stride=2, transposed=True))
    (2, 1)
    """
    counts = [0] * axis.stride
    for phase in axis.phases(axis.stride, 0):
        counts[phase.first] = phase.taps
    return tuple(counts)


# -- borders ---------------------------------------------------------------------------------------


def borders(subject: Subject) -> Iterator[Advice]:
    """Products with padding, and taps that meet nothing else."""
    for node, layer in subject.convolutions:
        spec = layer.spec
        if spec is None or spec.transposed or spec.padding_mode != "zeros":
            continue
        sizes = (node.inputs[0].shape or ())[-spec.ndim :]
        inside = [_products_inside(axis, size) for axis, size in zip(spec.axes, sizes, strict=True)]
        outputs = [axis.output_size(size) for axis, size in zip(spec.axes, sizes, strict=True)]
        all_products = math.prod(outputs) * math.prod(spec.kernel_size)
        with_cells = math.prod(sum(counts) for counts in inside)
        padding = 1 - with_cells / all_products
        live = tuple(sum(1 for count in counts if count) for counts in inside)
        dead = math.prod(spec.kernel_size) - math.prod(live)
        if not dead and padding < LEAST_PADDING:
            continue
        touched = 1 - math.prod(_untouched(axis, size) / count for axis, size, count in zip(spec.axes, sizes, outputs, strict=True))
        wasted = (layer.macs or 0) * dead // math.prod(spec.kernel_size)
        head = (
            f"{node.name} on {'×'.join(map(str, sizes))} cells: {readable_share(padding)} of its products multiply padding, and the "
            f"windows of {readable_share(touched)} of its outputs meet it."
        )
        tail = (
            f" {dead} of its {math.prod(spec.kernel_size)} taps never meet anything else: on inputs of this size a kernel of "
            f"{'×'.join(map(str, live))} computes the same with {readable_count(wasted)} MACs less."
            if dead
            else " Its results depend on the border almost everywhere; a larger input, or a smaller dilation or kernel, would change that."
        )
        yield Advice(
            "padding",
            (node.name,),
            head + tail,
            {"products_with_padding": padding, "outputs_at_border": touched, "dead_taps": dead, "live_kernel": live},
            "counted tap by tap; Chen et al., Rethinking Atrous Convolution, 2017, §3.3, on taps that fall into padding",
            saves_macs=wasted,
            saves_parameters=dead * math.prod(spec.weight_shape[:2]),
        )


def _products_inside(axis: Axis, size: int) -> list[int]:
    """Of each tap the outputs for which it meets a cell."""
    before, _ = axis.sides(size)
    outputs = axis.output_size(size)
    return [len(axis.outputs_inside(tap, outputs, size, before)) for tap in range(axis.kernel)]


def _untouched(axis: Axis, size: int) -> int:
    """Outputs for which every tap meets a cell: the first and the last do."""
    before, _ = axis.sides(size)
    outputs = axis.output_size(size)
    first, last = (axis.outputs_inside(tap, outputs, size, before) for tap in (0, axis.kernel - 1))
    return len(range(max(first.start, last.start), min(first.stop, last.stop)))


# -- lanes -----------------------------------------------------------------------------------------


def idle_lanes(subject: Subject, lanes: int) -> Iterator[Advice]:
    """Output channels that do not fill this machine's vectors."""
    found = []
    for node, layer in subject.convolutions:
        spec = layer.spec
        if spec is None or spec.groups > 1 or layer.share < 0.01:
            continue
        vectors = -(-spec.out_channels // lanes)
        idle = 1 - spec.out_channels / (vectors * lanes)
        if idle >= LEAST_IDLE:
            found.append((node.name, spec.out_channels, idle, layer.share))
    if not found:
        return
    found.sort(key=lambda row: -row[2] * row[3])
    first = found[0]
    vectors = -(-first[1] // lanes)
    yield Advice(
        "vector width",
        tuple(name for name, *_ in found),
        f"{listed([f'{name} ({channels} channels)' for name, channels, *_ in found])}: output channels are no multiple of {lanes}, the "
        f"float32 numbers in a vector of this machine. In kernels that hold channels in lanes, {vectors * lanes - first[1]} of "
        f"{vectors * lanes} lanes ({readable_share(first[2])}) stay empty for {first[0]}; {vectors * lanes} channels would take as long.",
        {"lanes": lanes, "idle": {name: idle for name, _, idle, _ in found}, "channels": {row[0]: row[1] for row in found}},
        "the instruction set that Faltung chose on this machine",
    )


def _axes(node: Node) -> Sequence[Axis]:
    match node.operation:
        case Convolve(spec):
            return () if spec.transposed else spec.axes
        case Pool(axes):
            return axes
    return ()
