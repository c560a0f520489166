"""What the receptive fields say: layers that see more than there is, branches that look from different places."""

from __future__ import annotations

import math
from collections.abc import Iterator

from faltung.amounts import readable_count, readable_share
from faltung.model.auditing.advice.piece import Advice, Subject, listed
from faltung.model.tracing.following import Misalignment

__all__ = ["misaligned", "past_the_borders"]

LEAST_SHARE = 0.05
"""Of the model's MACs or parameters: a last layer or two that see past the borders are what every classifier has."""


def past_the_borders(subject: Subject) -> Iterator[Advice]:
    """Spatial convolutions whose input already sees the whole of the model's input along every axis."""
    found = []
    size = subject.places.size
    for node, layer in subject.convolutions:
        before = subject.makers.get(node.inputs[0])
        place = None if before is None else subject.places.of.get(before)
        if layer.spec is None or math.prod(layer.spec.kernel_size) == 1 or place is None or not place.stride:
            continue
        if all(field > cells for field, cells in zip(place.receptive_field, size, strict=True)):
            found.append((layer, place.receptive_field))
    macs, parameters = sum(layer.macs or 0 for layer, _ in found), sum(layer.parameters for layer, _ in found)
    if max(subject.share(macs), parameters / max(subject.totals.parameters, 1)) < LEAST_SHARE:
        return
    first, field = found[0]
    names = [layer.name for layer, _ in found]
    kernels = "its kernel brings" if len(names) == 1 else "their kernels bring"
    shown, whole = ("×".join(map(str, sizes)) for sizes in (field, size))
    yield Advice(
        "receptive field",
        tuple(names),
        f"{listed(names, 3)}: what {'it takes' if len(names) == 1 else 'they take'} as input sees more than the model is given, from "
        f"{first.name} on {shown} of {whole} cells, so that in the middle {kernels} "
        f"in padding and no new cells. That is {readable_count(macs)} MACs ({readable_share(subject.share(macs))}) and "
        f"{readable_count(parameters)} parameters; a larger input, or fewer strides and layers, would use them.",
        {"macs": macs, "parameters": parameters, "fields": {layer.name: sizes for layer, sizes in found}, "input_size": size},
        "Richter, Byttner, Krumnack, Wiedenroth, Schallner & Shenk, (Input) Size Matters for CNN Classifiers, ICANN 2021",
    )


def misaligned(subject: Subject) -> Iterator[Advice]:
    """Branches that meet though their positions lie over different places of the input."""
    together: dict[tuple[object, ...], list[Misalignment]] = {}
    for found in subject.places.misaligned:
        together.setdefault((found.node, found.branches, found.offset, found.strides), []).append(found)
    for alike in together.values():
        found = alike[0]
        others = "".join(f", and along dimension {other.axis} alike" for other in alike[1:])
        yield Advice(
            "misaligned branches",
            (found.node,),
            f"{str(found).rstrip('.')}{others}. Pad or crop one of them so that both look from the same places, unless the shift is meant.",
            {"axes": [one.axis for one in alike], "offset": float(found.offset), "strides": [float(stride) for stride in found.strides]},
            "positions followed through both branches; Araujo, Norris & Sim, Distill, 2019, on alignment",
        )
