"""`receptive_field`: what the positions of a layer see of a model's input, by composition and, asked for, by gradient.

Owns the question. The answer is a `field.ReceptiveField`; gradients are taken in `field_gradients`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from faltung.engine.checks import as_spec
from faltung.errors import ConvError, ConvShapeError, ConvTypeError
from faltung.model.fields.field import ReceptiveField
from faltung.model.graph import Graph, Node, Value
from faltung.model.operations import Convolve
from faltung.model.read import graph_of
from faltung.model.tracing.cropping import cropped_cells
from faltung.model.tracing.positions import Positions, positions
from faltung.normal_form import entries
from faltung.spec import ConvSpec

__all__ = ["receptive_field"]


def receptive_field(
    model: Any,
    layer: str | None = None,
    *,
    input: str | None = None,  # noqa: A002 - what it is
    input_shape: Any = None,
    measured: bool = False,
    at: Sequence[int] = (),
    image: Any = None,
) -> ReceptiveField:
    """What the positions of a layer see of a model's input.

    Size, stride and offset are composed layer by layer over all branches (Araujo, Norris & Sim, "Computing Receptive Fields of
    Convolutional Neural Networks", Distill, 2019), exactly, also through dilated, transposed, pooling and resizing layers, pixel shuffles
    and attention in windows; padding counts as if the input went on.

    Parameters
    ----------
    model : torch.nn.Module, path of an ONNX file, Graph, or list of ConvSpec
    layer : str, optional
        As ``named_modules()`` or the file names it; of a module that runs several operations the last one counts. By default the last layer
        that has positions along the input's axes.
    input : str, optional
        Name of the input to follow, of a model with several; by default one that the first convolution sees.
    input_shape : tuple of int, optional
        ``(N, C, *size)``, batch included. Of a live module and of specs it is needed unless `image` is given.
    measured : bool
        Find by gradient, too, which cells change the layer at one position, and how strongly (a live module alone).

        For the first question the weights of a copy are replaced by positive random ones, maxima of windows by means, activations by
        functions that are flat nowhere, and statistics of batch norms by 0 and 1, so that nothing cancels and no unit is dead; three draws
        are joined. For the second, the effective field (Luo, Li, Urtasun & Zemel, "Understanding the Effective Receptive Field in Deep
        Convolutional Neural Networks", 2016), the model stays as it is: the mean of the gradient's absolute value over input channels and
        random directions of the layer's channels.
    at : tuple of int
        The position to measure, negative from the end; the middle by default.
    image : array or tensor ``(N, C, *size)`` or ``(C, H, W)``, optional
        What the effective field is measured on, as the model takes it; without it, normally distributed numbers.

    Returns
    -------
    ReceptiveField

    Raises
    ------
    ConvTypeError, ConvShapeError
        There is no such layer, or the model cannot be measured.

    Examples
    --------
    >>> layers = ["conv2d(3, 8, 7, stride=2, padding=3)", "conv2d(8, 8, 3, stride=2, padding=1)", "conv2d(8, 8, 3, padding=2, dilation=2)"]
    >>> field = receptive_field(layers, input_shape=(1, 3, 64, 64))
    >>> field
    ReceptiveField of conv2 in 3 convolutions, input 1×3×64×64
      axis    input  size  stride  offset  centre
      height  64     27    4       -13     0
      width   64     27    4       -13     0
    >>> field.size, field.at(0, 8).window, field.at(0, 8).inside
    ((27, 27), ((-13, 13), (19, 45)), ((0, 13), (19, 45)))
    """
    graph = _graph(model, _shape_of(image) if input_shape is None and image is not None else input_shape)
    where = positions(graph, input)
    node, value = _layer(graph, where, layer)
    field = ReceptiveField(
        model=graph.name,
        layer=node.name if layer is None else layer,
        input_shape=where.shape,
        axes=where.axes,
        sights=where.of(value),
        positions=where.positions_of(value),
        misaligned=tuple(str(found) for found in where.misaligned_before(value, graph)),
        cropped=cropped_cells(graph, where),
    )
    if not measured:
        return field
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(model, torch.nn.Module):
        raise ConvTypeError(
            f"measured=True takes gradients of a live PyTorch module, {graph.name} is none: files are read, never run.",
            "Leave measured out; what is composed is exact.",
        )
    if len(graph.inputs) > 1:
        raise ConvTypeError(
            f"{graph.name} takes {len(graph.inputs)} inputs, measured=True runs models of one.", "Wrap the model in a module that has one."
        )
    from faltung.model.fields.gradients import measure

    place = field.place_of(at)
    names = [field.layer, *([node.module] if layer is None and _ends_module(graph, node) else [])]
    return measure(model, field, names, where.index_of(value, place), place, image)


def _ends_module(graph: Graph, node: Node) -> bool:
    """Whether what a module gives is what this node gives."""
    inside = f"{node.module}." if node.module else ""
    return [each for each in graph.nodes if f"{each.module}.".startswith(inside)][-1] is node


def _graph(model: Any, example: Any) -> Graph:
    given = [model] if isinstance(model, ConvSpec) or _is_spec(model) else None if isinstance(model, str | Graph) else entries(model)
    if given and all(isinstance(spec, ConvSpec | str) for spec in given):
        return _chain([as_spec(spec) for spec in given], example)
    return graph_of(model, example)


def _shape_of(image: Any) -> tuple[int, ...]:
    """With one sample where it has none: images have two axes beside their channels."""
    shape = tuple(getattr(image, "shape", ()))
    return (1, *shape) if len(shape) == 3 else shape


def _is_spec(model: Any) -> bool:
    """Whether a text describes a convolution and names no file."""
    if not isinstance(model, str) or not model.endswith(")"):
        return False
    try:
        ConvSpec.parse(model)
    except ConvError:
        return False
    return True


def _chain(specs: Sequence[ConvSpec], example: Any) -> Graph:
    """Convolutions one after another, as a graph."""
    given = entries(getattr(example, "shape", example))
    if not given:
        raise ConvShapeError("input_shape is not given: how many positions there are depends on it.", f"Give {_like(specs[0])}.")
    shape = tuple(given) if len(given) > specs[0].ndim + 1 else (1, *given)
    values, nodes = [Value("input", shape, "float32")], []
    for number, spec in enumerate(specs):
        shape = spec.output_shape(shape)
        values.append(Value(f"conv{number}", shape, "float32"))
        nodes.append(Node(f"conv{number}", "", Convolve(spec), str(spec), (values[-2],), (values[-1],)))
    name = f"{len(nodes)} convolutions" if len(nodes) > 1 else str(specs[0])
    return Graph(name, tuple(nodes), tuple(values[:1]), tuple(values[-1:]))


def _like(spec: ConvSpec) -> str:
    return f"input_shape=(1, {spec.in_channels}, {', '.join(['64'] * spec.ndim)})"


def _layer(graph: Graph, where: Positions, layer: str | None) -> tuple[Node, Value]:
    if not graph.nodes:
        raise ConvTypeError(f"{graph.name} computes nothing: there is no layer.", "Give a model with at least one layer.")
    if layer is not None:
        node = graph.node(layer)
        return node, node.outputs[0]
    following = [node for node in graph.nodes if any(count is not None for count in where.positions_of(node.outputs[0]))]
    node = following[-1] if following else graph.nodes[-1]
    return node, node.outputs[0]
