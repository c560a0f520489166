"""`read_onnx`: an ONNX file as a `Graph`. The file is read and never executed, and files beside it are not opened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from faltung.errors import ConvTypeError, shown
from faltung.extras import optional
from faltung.model.graph import Graph, Value
from faltung.model.onnx_file.calls import Site
from faltung.model.onnx_file.inputs import Given, Signature, declared_of, settle
from faltung.model.onnx_file.protobuf import OnnxFileError, read_model
from faltung.model.onnx_file.reader import Reader, Scope
from faltung.model.onnx_file.tensors import Tensor

__all__ = ["OnnxFileError", "graph_of_proto", "read_onnx"]

MOST_NOTES = 40


def read_onnx(path: str | os.PathLike[str], input_shape: Given = None) -> Graph:
    """Read an ONNX file: its nodes, shapes and weights.

    Weights are initialisers or ``Constant`` nodes; functions of the file are put in where they are called; every branch of an ``If`` is
    read, the body of a ``Loop`` or ``Scan`` once; arithmetic on shapes is done here and is no part of the graph. What is not known is in
    the graph as `Unknown`, and `Graph.notes` says what was assumed.

    Parameters
    ----------
    path : str or path
    input_shape : tuple of int, or dict of name to tuple, optional
        ``(N, C, …)`` of the first input, or of inputs by name (a list of tuples: of the first ones). For sizes that the file leaves open;
        an open batch is 1 where it is not given.

    Returns
    -------
    Graph

    Raises
    ------
    OnnxFileError
        No ONNX file, a damaged one, or one that passes the limits on fields, depth and nodes. A `ConvTypeError`.
    ConvShapeError
        Shapes contradict each other, or sizes are left open.
    ConvTypeError
        The graph breaks the rules of ONNX: a circle, a name given twice or by nothing.
    MissingExtraError
        onnx is not installed.

    Notes
    -----
    A weight is taken as learned where an operator uses it as one: weights and biases of convolutions, products, normalisations and
    recurrent layers, and arrays of several floats that are added or multiplied. ONNX does not say it. The numbers of quantised weights are
    read as they are stored, without their scale. Weights in other files have shapes and no numbers.
    """
    if not isinstance(path, str | os.PathLike):
        raise ConvTypeError(f"path={shown(path)} is no path.", "Give the path of an ONNX file.")
    return graph_of_proto(read_model(Path(path)), Path(path).name, input_shape)


def graph_of_proto(model: Any, name: str, input_shape: Given = None) -> Graph:
    """A decoded ``ModelProto`` as a graph called `name`; the rest as of `read_onnx`."""
    onnx = optional("onnx", extra="onnx", purpose="reading an ONNX file")
    if not (model.graph.node or model.graph.output):
        raise OnnxFileError(f"{shown(name)} has an empty graph.", "Export the model again.")
    reader = Reader(model, onnx.numpy_helper.to_array)
    scope = Scope()
    signatures = _signatures(model, reader, scope)
    shapes, sizes = settle(signatures, input_shape, reader.note)
    values = []
    for signature in signatures:
        value = Value(signature.name, shapes[signature.name], signature.dtype)
        scope.put(signature.name, Tensor(value.shape, value.dtype, value))
        values.append(value)
    reader.declared = declared_of([*model.graph.value_info, *model.graph.output], sizes)
    stored = dict(scope.tensors)
    reader.run(model.graph.node, scope, Site("", _opsets(model, onnx, name)))
    outputs = [_output(reader, scope, proto.name) for proto in model.graph.output]
    _tell_external(reader)
    drafts = reader.drafts
    for draft in drafts:
        for array, is_learned in draft.stored.items():
            array.is_learned |= is_learned
    unused = tuple(
        array.weight() for label, tensor in stored.items() if tensor.is_constant and label not in scope.used for array in tensor.stored
    )
    notes = list(reader.notes)
    if len(notes) > MOST_NOTES:
        notes = [*notes[:MOST_NOTES], f"{len(notes) - MOST_NOTES} more notes of this kind."]
    return Graph(name, tuple(draft.node() for draft in drafts), tuple(values), tuple(outputs), unused, tuple(notes))


def _signatures(model: Any, reader: Reader, scope: Scope) -> list[Signature]:
    """The inputs that are no weights; in old files these are listed too."""
    reader.initializers(model.graph, scope, "")
    found: dict[str, Signature] = {}
    for proto in model.graph.input:
        if proto.name in found:
            raise ConvTypeError(
                f"two inputs have the name {shown(proto.name)}.", "Every array needs a name of its own: export the file again."
            )
        if proto.name not in scope.tensors:
            found[proto.name] = Signature(proto)
    return list(found.values())


def _opsets(model: Any, onnx: Any, name: str) -> dict[str, int]:
    opsets = {"" if entry.domain == "ai.onnx" else entry.domain: entry.version for entry in model.opset_import}
    newest = onnx.defs.onnx_opset_version()
    if opsets.setdefault("", 1) > newest:
        raise OnnxFileError(
            f"{shown(name)} uses version {opsets['']} of the operators; the installed onnx {onnx.__version__} knows them up to {newest}.",
            f"Run pip install -U onnx, or export with opset_version={newest}.",
        )
    return opsets


def _output(reader: Reader, scope: Scope, name: str) -> Value:
    """An output of the model; one that is a constant is made by a node without inputs."""
    tensor = reader.found(scope, name, "the list of the model's outputs")
    if tensor.value is not None:
        return tensor.value
    return reader.constant_output(name, tensor)


def _tell_external(reader: Reader) -> None:
    if reader.external:
        reader.note(f"{reader.external} weights are in other files, which are not opened: their shapes are known, their numbers are not.")
