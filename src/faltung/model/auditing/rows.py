"""A row for each operation of a model, and their sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any

from faltung.model.auditing.counting import Uncounted, cost_of, numbers_of
from faltung.model.auditing.kinds import family_of, kinds_of
from faltung.model.auditing.live_memory import is_view, peak_memory
from faltung.model.auditing.places import Place
from faltung.model.graph import Graph, Node, Value, Weight
from faltung.model.operations import Convolve, Unknown
from faltung.spec import ConvSpec

__all__ = ["Layer", "Totals", "learned", "rows_of", "totals_of"]

Shape = tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Layer:
    """What one operation costs and sees.

    Attributes
    ----------
    name, module : str
        As in `Node`.
    operation : str
        What the framework calls it.
    kind : str
        The catalogue's words: ``"depthwise, strided"``, ``"max pooling, strided"``, ``"add"``.
    family : str
        ``"convolution"``, ``"matrix product"``, ``"pooling"``, ``"elementwise"`` …
    spec : ConvSpec or None
        Of a convolution.
    input_shapes, output_shapes : tuple of (tuple of int or None)
        Batch included; None where the numbers decide.
    parameters : int
        Learned numbers that it uses, those included that it shares with others.
    macs, flops : int or None
        One run, batch included; None where it is not counted.
    share : float
        Of the model's MACs, 0 to 1.
    activation_bytes : int or None
        Of what it writes; 0 where it only looks at its input in another way.
    weight_bytes : int
        Of its weights, statistics and constants included.
    intensity : float or None
        FLOPs for each byte of inputs, outputs and weights, each moved once.
    place : Place
        Its place over the model's input.
    weights : tuple of Weight
    """

    name: str
    module: str
    operation: str
    kind: str
    family: str
    spec: ConvSpec | None
    input_shapes: tuple[Shape, ...]
    output_shapes: tuple[Shape, ...]
    parameters: int
    macs: int | None
    flops: int | None
    share: float
    activation_bytes: int | None
    weight_bytes: int
    intensity: float | None
    place: Place = field(repr=False)
    weights: tuple[Weight, ...] = field(repr=False)

    @property
    def receptive_field(self) -> tuple[int, ...]:
        """Cells of the model's input between which one output can look, per axis."""
        return self.place.receptive_field

    @property
    def stride(self) -> tuple[Fraction, ...]:
        """Cells of the model's input from one output to the next, per axis."""
        return self.place.stride

    @property
    def offset(self) -> tuple[int, ...]:
        """The first cell of the model's input that output 0 sees, per axis."""
        return self.place.offset

    @property
    def equivariance(self) -> str:
        """Which shifts of the model's input shift this output, by theory."""
        return self.place.equivariance

    @property
    def matters(self) -> bool:
        """It has MACs, or parameters that do not merely scale what is normalised, or its cost is not known."""
        return bool(self.macs) or self.family == "unknown" or (self.parameters > 0 and self.family != "normalisation")

    def to_dict(self) -> dict[str, Any]:
        """As data, for JSON."""
        plain = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name not in ("spec", "place", "weights")}
        return {
            **plain,
            "spec": None if self.spec is None else str(self.spec),
            "receptive_field": self.receptive_field,
            "stride": tuple(step.numerator if step.denominator == 1 else str(step) for step in self.stride),
            "offset": self.offset,
            "shifts": self.place.shifts,
            "equivariance": self.equivariance,
        }


@dataclass(frozen=True, slots=True)
class Totals:
    """The whole model, one run.

    Attributes
    ----------
    parameters : int
        Learned numbers, each once however often it is used; those that nothing uses included.
    unused_parameters : int
        Those of them that nothing uses.
    macs, flops : int
        Of all that is counted.
    activation_bytes : int
        Of everything that is written.
    peak_bytes : int
        Of the arrays that are alive at once, each freed after its last use, without the weights.
    peak_at : str
        The layer at which they are.
    weight_bytes : int
        Of all weights, each once.
    unknown_sizes : int
        Arrays whose size depends on the numbers; they are in no sum.
    """

    parameters: int
    unused_parameters: int
    macs: int
    flops: int
    activation_bytes: int
    peak_bytes: int
    peak_at: str
    weight_bytes: int
    unknown_sizes: int


def rows_of(graph: Graph, places: Mapping[Node, Place]) -> tuple[tuple[Layer, ...], tuple[Uncounted, ...]]:
    """A row for each node, and what is not counted."""
    costs = [cost_of(node) for node in graph.nodes]
    all_macs = sum(cost.macs for cost in costs)
    layers, uncounted = [], []
    for node, cost in zip(graph.nodes, costs, strict=True):
        counts = cost.how == "counted"
        written = _bytes(node.outputs)
        weight_bytes = sum(weight.bytes for weight in dict.fromkeys(node.weights))
        read = _bytes(dict.fromkeys(node.inputs))
        moved = None if written is None or read is None else read + written + weight_bytes
        operation = node.operation
        layers.append(
            Layer(
                name=node.name,
                module=node.module,
                operation=node.source,
                kind=", ".join(kinds_of(operation)),
                family=family_of(operation),
                spec=operation.spec if isinstance(operation, Convolve) else None,
                input_shapes=tuple(value.shape for value in node.inputs),
                output_shapes=tuple(value.shape for value in node.outputs),
                parameters=sum(weight.size for weight in learned(node.weights)),
                macs=cost.macs if counts else None,
                flops=cost.flops if counts else None,
                share=cost.macs / all_macs if all_macs else 0.0,
                activation_bytes=0 if is_view(node) else written,
                weight_bytes=weight_bytes,
                intensity=cost.flops / moved if counts and moved else None,
                place=places.get(node, Place()),
                weights=node.weights,
            )
        )
        if cost.how == "uncounted":
            uncounted.append(Uncounted(node.name, node.source, numbers_of(node), cost.reason, isinstance(operation, Unknown | Convolve)))
    return tuple(layers), tuple(uncounted)


def totals_of(graph: Graph, layers: Iterable[Layer]) -> Totals:
    """The sums; a weight that several layers share is in them once."""
    layers = tuple(layers)
    weights = graph.weights()
    peak = peak_memory(graph)
    return Totals(
        parameters=sum(weight.size for weight in learned(weights)),
        unused_parameters=sum(weight.size for weight in learned(graph.unused)),
        macs=sum(layer.macs or 0 for layer in layers),
        flops=sum(layer.flops or 0 for layer in layers),
        activation_bytes=sum(layer.activation_bytes or 0 for layer in layers),
        peak_bytes=peak.bytes,
        peak_at=peak.at,
        weight_bytes=sum(weight.bytes for weight in weights),
        unknown_sizes=peak.unknown,
    )


def learned(weights: Iterable[Weight]) -> list[Weight]:
    """Those that training changes, each once."""
    return [weight for weight in dict.fromkeys(weights) if weight.is_learned]


def _bytes(values: Iterable[Value]) -> int | None:
    sizes = [value.bytes for value in values]
    return None if any(size is None for size in sizes) else sum(size for size in sizes if size is not None)
