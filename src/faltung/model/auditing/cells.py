"""The columns of an audit's tables: what stands in each, for the screen, for Markdown and for a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from faltung.amounts import grouped, readable_bytes, readable_count, readable_share
from faltung.spec import ConvSpec

if TYPE_CHECKING:
    from faltung.model.auditing.audit import Audit
    from faltung.model.auditing.counting import Uncounted
    from faltung.model.auditing.rows import Layer

__all__ = ["COLUMNS", "Column", "Sum", "amount", "facts", "inputs_of", "shape_text", "tame", "uncounted_by_operation", "window_of"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes
    ----------
    head, title : str
        In the table, and what it means in full.
    text : callable
        What stands in a row.
    value : callable, optional
        What a row is sorted by; without it the text.
    is_number : bool
    width : int
        Of the terminal from which on it is shown.
    """

    head: str
    title: str
    text: Callable[[Layer], str]
    value: Callable[[Layer], float] | None = None
    is_number: bool = True
    width: int = 0


def tame(text: str) -> str:
    r"""A name from a file as a terminal may show it: signs that steer it are replaced.

    >>> tame("conv\x1b[2J")
    'conv�[2J'
    """
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def amount(value: int | None, text: Callable[[int], str] = readable_count) -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None else text(value)


def shape_text(shapes: Sequence[tuple[int, ...] | None]) -> str:
    """Shapes of what a layer takes or makes; a question mark where the numbers decide.

    >>> shape_text([(1, 64, 56, 56), None])
    '1×64×56×56, ?'
    """
    return ", ".join("?" if shape is None else "×".join(map(str, shape)) or "scalar" for shape in shapes)


def window_of(spec: ConvSpec | None) -> str:
    """Kernel, stride and dilation, as far as they are not 1.

    >>> window_of(ConvSpec(3, 8, 3, stride=2, ndim=2)), window_of(ConvSpec(3, 8, 3, dilation=2, ndim=1))
    ('3×3 /2', '3 d2')
    """
    if spec is None:
        return ""
    text = "×".join(map(str, spec.kernel_size))
    for sign, sizes in ((" /", spec.stride), (" d", spec.dilation)):
        if any(size != 1 for size in sizes):
            text += sign + ("×".join(map(str, sizes)) if len(set(sizes)) > 1 else str(sizes[0]))
    return text


def inputs_of(audit: Audit) -> str:
    """Names, shapes and types of the inputs."""
    return ", ".join(f"{tame(name)} {shape_text([shape])} {dtype}" for name, shape, dtype in audit.inputs) or "none"


def _axes(values: Sequence[int | Fraction]) -> str:
    """One number where all axes agree."""
    return "" if not values else str(values[0]) if len(set(values)) == 1 else "×".join(map(str, values))


COLUMNS = (
    Column("layer", "name", lambda layer: tame(layer.name), is_number=False),
    Column("kind", "what it is", lambda layer: tame(layer.kind), is_number=False),
    Column("window", "kernel /stride, d dilation", lambda layer: window_of(layer.spec), is_number=False, width=100),
    Column("input", "shapes of what it takes", lambda layer: shape_text(layer.input_shapes), is_number=False, width=160),
    Column("output", "shapes of what it makes", lambda layer: shape_text(layer.output_shapes), is_number=False),
    Column("parameters", "learned numbers", lambda layer: readable_count(layer.parameters) if layer.parameters else "",
           lambda layer: layer.parameters),
    Column("MACs", "multiply-accumulates", lambda layer: amount(layer.macs), lambda layer: layer.macs or 0),
    Column("FLOPs", "two for each MAC, one for each bias addition", lambda layer: amount(layer.flops), lambda layer: layer.flops or 0,
           width=180),
    Column("share", "of the model's MACs", lambda layer: readable_share(layer.share) if layer.macs else "", lambda layer: layer.share),
    Column("writes", "bytes of its output", lambda layer: amount(layer.activation_bytes, readable_bytes),
           lambda layer: layer.activation_bytes or 0, width=115),
    Column("weights", "bytes of its weights", lambda layer: readable_bytes(layer.weight_bytes) if layer.weight_bytes else "",
           lambda layer: layer.weight_bytes, width=190),
    Column("FLOP/byte", "for each byte of inputs, outputs and weights", lambda layer: f"{layer.intensity:.3g}" if layer.intensity else "",
           lambda layer: layer.intensity or 0, width=140),
    Column("field", "receptive field on the model's input, in cells", lambda layer: _axes(layer.receptive_field),
           lambda layer: max(layer.receptive_field, default=0), width=120),
    Column("step", "cells of the model's input from one output to the next", lambda layer: _axes(layer.stride),
           lambda layer: float(max(layer.stride, default=0)), width=120),
    Column("offset", "first cell of the model's input that output 0 sees", lambda layer: _axes(layer.offset),
           lambda layer: min(layer.offset, default=0), width=150),
    Column("shifts", "which shifts of the model's input shift the output by how much, away from the borders",
           lambda layer: layer.equivariance, is_number=False, width=200),
)  # fmt: skip


def facts(audit: Audit) -> list[tuple[str, str, str]]:
    """Of the sums a label, the number, and what there is to say about it."""
    totals = audit.totals
    unused = f"{grouped(totals.unused_parameters)} of them unused" if totals.unused_parameters else ""
    batch = next((shape[0] for _, shape, _ in audit.inputs if shape), 1)
    run = f"one run, batch of {batch}"
    return [
        ("parameters", grouped(totals.parameters), unused),
        ("MACs", grouped(totals.macs), run),
        ("FLOPs", grouped(totals.flops), "2 for each MAC, 1 for each bias addition"),
        ("weights", readable_bytes(totals.weight_bytes), "parameters, statistics and constants"),
        ("activations", readable_bytes(totals.activation_bytes), "all that is written in one run"),
        ("alive at once", readable_bytes(totals.peak_bytes), f"at most, at {tame(totals.peak_at)}" if totals.peak_at else ""),
    ]


@dataclass(frozen=True, slots=True)
class Sum:
    """Uncounted operations of one sort."""

    operation: str
    times: int
    numbers: int | None
    reason: str
    is_unknown: bool
    names: tuple[str, ...]


def uncounted_by_operation(uncounted: Sequence[Uncounted]) -> list[Sum]:
    """What was not counted, by operation and reason; what is not known at all first, then those that make the most numbers."""
    groups: dict[tuple[bool, str, str], list[Uncounted]] = {}
    for entry in uncounted:
        groups.setdefault((entry.is_unknown, entry.operation, entry.reason), []).append(entry)
    sums = []
    for (is_unknown, operation, reason), entries in groups.items():
        numbers = [entry.numbers for entry in entries]
        known = None if None in numbers else sum(number for number in numbers if number is not None)
        sums.append(Sum(tame(operation), len(entries), known, tame(reason), is_unknown, tuple(tame(entry.name) for entry in entries)))
    return sorted(sums, key=lambda row: (not row.is_unknown, -(row.numbers or 0)))
