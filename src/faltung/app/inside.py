"""Where in an ONNX file a convolution stands, and the file with it in the main graph, so that a run tells what goes into it.

Functions are put in where they are called, and of an `If` the branch that is taken; of a `Loop` the first turn is listed. Owns these
changes of a copy of the file; names are those of `model.onnx_file.reader`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ConvError, shown
from faltung.model.onnx_file.reader import MOST_NESTED, MOST_NODES, prefix

if TYPE_CHECKING:
    from faltung.model.onnx_run import OnnxNetwork

__all__ = ["Place", "Reached", "places_of", "reached"]

Array = NDArray[Any]

BRANCHES = ("then_branch", "else_branch")


@dataclass(frozen=True)
class Place:
    """The way to a node.

    Attributes
    ----------
    steps : tuple of (int, str)
        From the main graph on: which node, and what inside it: "function", or the attribute that holds a graph.
    index : int
        Of the node, in the graph that the way ends in.
    """

    steps: tuple[tuple[int, str], ...]
    index: int

    @property
    def closed(self) -> str:
        """Why what lies there cannot be had from a run; "" where it can."""
        kinds = [kind for _, kind in self.steps]
        if "scan" in kinds:
            return "It lies in the body of a Scan."
        return "It lies inside the body of a loop, further in." if "body" in kinds[:-1] else ""


def places_of(model: Any, operations: Sequence[str]) -> dict[str, Place | None]:
    """Nodes of these operations inside functions, branches and bodies by the names that the audit has; None of a name that several have."""
    functions = _functions(model)
    found: dict[str, Place | None] = {}
    count = 0

    def visit(nodes: Any, before: str, steps: tuple[tuple[int, str], ...]) -> None:
        nonlocal count
        count += len(nodes)
        if count > MOST_NODES or len(steps) > MOST_NESTED:
            return
        for index, node in enumerate(nodes):
            name = before + (node.name or f"{node.op_type}_{index}")
            function = functions.get(_key(node))
            if function is not None:
                visit(function.node, prefix(name), (*steps, (index, "function")))
                continue
            for attribute in node.attribute if node.op_type in ("If", "Loop", "Scan") else ():
                if attribute.HasField("g"):
                    kind = "scan" if node.op_type == "Scan" else attribute.name
                    visit(attribute.g.node, prefix(name, attribute.name), (*steps, (index, kind)))
            if node.op_type in operations and steps:
                found[name] = None if name in found else Place(steps, index)

    visit(model.graph.node, "", ())
    return found


@dataclass(frozen=True)
class Reached:
    """A node that a run can be asked about.

    Attributes
    ----------
    network : OnnxNetwork
        With the node in its main graph, or in the body of one of its loops.
    node : NodeProto
    loop : int or None
        That loop, among the nodes of the main graph.
    told : list of str
        What holds of it, as sentences.
    """

    network: OnnxNetwork
    node: Any
    loop: int | None = None
    told: list[str] = field(default_factory=list)

    @property
    def graphs(self) -> list[Any]:
        """The graphs whose constants the node can see, the nearest last."""
        main = self.network.proto.graph
        return [main] if self.loop is None else [main, _graph(main.node[self.loop], "body")]

    def run(self, x: Any, names: Sequence[str]) -> list[Array]:
        """Arrays of a run by name; of those inside a loop what they are in its first turn."""
        if self.loop is None:
            return self.network.run(x, names)
        listed, outside = self._listing(names)
        found = listed.run(x, [outside.get(name, name) for name in names])
        if any(name in outside and not len(array) for name, array in zip(names, found, strict=True)):
            raise ConvError("the loop that the layer lies in makes no turn on this input.", "Choose another picture, or made-up numbers.")
        return [array[0] if name in outside else array for name, array in zip(names, found, strict=True)]

    def _listing(self, names: Sequence[str]) -> tuple[OnnxNetwork, dict[str, str]]:
        """The network with what the body knows by these names listed turn by turn, and the names of the lists."""
        proto = _copy(self.network.proto)
        node = proto.graph.node[self.loop]
        body = _graph(node, "body")
        inside = {given.name for given in body.input} | {name for one in body.node for name in one.output}
        taken = _names(proto.graph)
        outside = {}
        node.output.extend([""] * (len(body.output) - 1 - len(node.output)))  # outputs that nobody takes may be left out
        for name in dict.fromkeys(names):
            if name in inside:
                outside[name] = _free(f"{name}/listed", taken)
                inner = _free(f"{name}/turn", taken)
                _identity(body.node.add(), name, inner)
                body.output.add().name = inner
                node.output.append(outside[name])
        return _network(self.network, proto), outside


def reached(network: OnnxNetwork, place: Place, value_of: Callable[[OnnxNetwork, str], Array | None]) -> Reached:
    """Bring a node into the main graph of a copy of its file.

    Parameters
    ----------
    network : OnnxNetwork
    place : Place
    value_of : callable
        What an array of a network holds in the run that is asked about, None where there is no run.

    Raises
    ------
    ConvError
        The run does not come to the node, or it cannot be brought out.
    """
    proto = _copy(network.proto)
    functions = _functions(proto)
    told: list[str] = []
    at = 0
    loop = None
    for step, (index, kind) in enumerate(place.steps):
        at += index
        node = proto.graph.node[at]
        if kind == "function":
            _put_in(proto, at, *_called(proto, node, functions[_key(node)]))
        elif kind in BRANCHES:
            told += _check_taken(_network(network, proto), node, kind, value_of)
            _put_in(proto, at, *_branch(proto, node, kind))
        else:
            assert step == len(place.steps) - 1
            loop = at
            told.append("It lies in the body of a loop: its input is that of the first turn.")
    changed = _network(network, proto)
    main = changed.proto.graph
    if loop is None:
        return Reached(changed, main.node[at + place.index], None, told)
    return Reached(changed, _graph(main.node[loop], "body").node[place.index], loop, told)


# -- changes of a file ---------------------------------------------------------------------------


def _check_taken(network: OnnxNetwork, node: Any, branch: str, value_of: Callable[[OnnxNetwork, str], Array | None]) -> list[str]:
    """Whether an `If` takes a branch in the run; what there is to say."""
    name = shown(node.name or node.output[0])
    value = value_of(network, node.input[0])
    if value is None:
        return [f"It lies in the {branch} of {name}: whether that runs depends on what goes in."]
    is_true = bool(np.asarray(value).reshape(-1)[0])
    if is_true != (branch == "then_branch"):
        raise ConvError(
            f"it lies in the {branch} of {name}, which does not run on this picture: its condition is {'true' if is_true else 'false'}.",
            "Choose another picture, or made-up numbers: its weights are real.",
        )
    return [f"It lies in the {branch} of {name}, which runs on this picture."]


def _branch(proto: Any, node: Any, branch: str) -> tuple[list[Any], list[Any]]:
    """The nodes of a branch with names of their own, which give the outputs of the `If`; and its arrays."""
    graph = _graph(node, branch)
    names = _fresh(proto, graph, f"{node.name or node.output[0]}/{branch}/")
    nodes = [_renamed(one, names) for one in graph.node]
    arrays = []
    for tensor in graph.initializer:
        arrays.append(type(tensor)())
        arrays[-1].CopyFrom(tensor)
        arrays[-1].name = names[tensor.name]
    return [*nodes, *_outputs(nodes, [names.get(one.name, one.name) for one in graph.output], node.output)], arrays


def _called(proto: Any, node: Any, function: Any) -> tuple[list[Any], list[Any]]:
    """The nodes of a function with the names and attributes of its call."""
    versions = {entry.domain: entry for entry in proto.opset_import}
    for entry in function.opset_import:
        if entry.domain not in versions:
            proto.opset_import.add().CopyFrom(entry)
        elif entry.version != versions[entry.domain].version:
            raise ConvError(
                f"the function {shown(function.name)} is written for version {entry.version} of the operators, the file for "
                f"{versions[entry.domain].version}.",
                "Export the file with its functions put in: onnx.inliner does it.",
            )
    names = _fresh(proto, function, f"{node.name or node.output[0]}/")
    names.update(dict.fromkeys(function.input, ""))
    names.update(zip(function.input, node.input, strict=False))
    given = {attribute.name: attribute for attribute in (*function.attribute_proto, *node.attribute)}
    nodes = [_renamed(one, names, given) for one in function.node]
    return [*nodes, *_outputs(nodes, [names[name] for name in function.output], node.output)], []


def _outputs(nodes: Sequence[Any], made: Iterable[str], wanted: Iterable[str]) -> list[Any]:
    """Nodes that give what was made inside the names that it has outside."""
    found = []
    for inner, outer in zip(made, wanted, strict=False):
        if outer:
            found.append(type(nodes[0])())
            _identity(found[-1], inner, outer)
    return found


def _put_in(proto: Any, at: int, nodes: list[Any], arrays: list[Any]) -> None:
    """Nodes and arrays for a node of the main graph."""
    before, after = list(proto.graph.node[:at]), list(proto.graph.node[at + 1 :])
    kept = [_copy(node) for node in (*before, *nodes, *after)]
    del proto.graph.node[:]
    proto.graph.node.extend(kept)
    proto.graph.initializer.extend(arrays)


def _renamed(node: Any, names: Mapping[str, str], given: Mapping[str, Any] | None = None) -> Any:
    """A copy with other names, and with the attributes that a function takes from its call."""
    made = _copy(node)
    for places in (made.input, made.output):
        places[:] = [names.get(name, name) for name in places]
    del made.attribute[:]
    for attribute in node.attribute:
        own = attribute
        if attribute.ref_attr_name:
            if given is None or attribute.ref_attr_name not in given:
                continue  # left out by the call: the operator's default
            own = given[attribute.ref_attr_name]
        made.attribute.add().CopyFrom(own)
        made.attribute[-1].name = attribute.name
        for graph in _graphs(made.attribute[-1]):
            _rename_graph(graph, names, given)
    return made


def _rename_graph(graph: Any, names: Mapping[str, str], given: Mapping[str, Any] | None) -> None:
    own = _made(graph) | {value.name for value in graph.input}
    outer = {name: other for name, other in names.items() if name not in own}
    nodes = [_renamed(node, outer, given) for node in graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    for output in graph.output:
        output.name = outer.get(output.name, output.name)


def _fresh(proto: Any, inner: Any, before: str) -> dict[str, str]:
    """New names for all that a graph or a function makes."""
    taken = _names(proto.graph)
    return {name: _free(before + name, taken) for name in sorted(_made(inner))}


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _identity(node: Any, given: str, made: str) -> None:
    node.op_type = "Identity"
    node.input.append(given)
    node.output.append(made)


# -- what is in a file ---------------------------------------------------------------------------


def _made(inner: Any) -> set[str]:
    """Names that a graph or a function gives."""
    made = {name for node in inner.node for name in node.output if name}
    return made | {tensor.name for tensor in getattr(inner, "initializer", ())}


def _names(graph: Any) -> set[str]:
    """Every name of a graph and of those inside it."""
    found: set[str] = set()
    waiting = [graph]
    while waiting:
        here = waiting.pop()
        found |= _made(here) | {value.name for value in here.input} | {name for node in here.node for name in node.input}
        waiting += [inner for node in here.node for attribute in node.attribute for inner in _graphs(attribute)]
    return found


def _graphs(attribute: Any) -> list[Any]:
    return [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]


def _graph(node: Any, name: str) -> Any:
    return next(attribute.g for attribute in node.attribute if attribute.name == name)


def _functions(model: Any) -> dict[tuple[str, str, str], Any]:
    return {(_domain(one.domain), one.name, getattr(one, "overload", "")): one for one in model.functions}


def _key(node: Any) -> tuple[str, str, str]:
    return _domain(node.domain), node.op_type, getattr(node, "overload", "")


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _copy(proto: Any) -> Any:
    made = type(proto)()
    made.CopyFrom(proto)
    return made


def _network(like: OnnxNetwork, proto: Any) -> OnnxNetwork:
    from faltung.model.onnx_run import OnnxNetwork

    return OnnxNetwork(like.path, proto.SerializeToString())
