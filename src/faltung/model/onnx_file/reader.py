"""From a graph of messages to nodes: names looked up, nodes in an order in which they can run, functions put in where they are called."""

from __future__ import annotations

import difflib
import graphlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from faltung.errors import ConvError, ConvTypeError, shown
from faltung.model.graph import Value
from faltung.model.onnx_file import constants, control
from faltung.model.onnx_file.attributes import Attributes
from faltung.model.onnx_file.calls import Call, Draft, NoShapeError, Site, brief
from faltung.model.onnx_file.operators import OPERATORS
from faltung.model.onnx_file.operators.unknown import left_open, not_known
from faltung.model.onnx_file.tensors import Array, Shape, Stored, Tensor, checked_shape, dtype_name, from_proto
from faltung.model.operations import Same

__all__ = ["MOST_NESTED", "MOST_NODES", "Reader", "Scope", "where"]

MOST_NODES = 100_000
"""Nodes read, those of functions each time they are called."""

MOST_NESTED = 24
"""Subgraphs and functions within one another."""

MOST_LETTERS = 800
"""Of a message."""

MOST_PREFIX = 1000
"""Letters of the names before a name."""

_BROKEN = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError, MemoryError)
"""What calculating with the numbers of a broken file raises."""


class Scope:
    """The names of a graph, and those of the graphs around it."""

    def __init__(self, outer: Scope | None = None) -> None:
        self.outer = outer
        self.tensors: dict[str, Tensor] = {}
        self.absent: set[str] = set()
        self.used: set[str] = set()

    def put(self, name: str, tensor: Tensor) -> None:
        """Give a name its meaning; each has one."""
        if name in self.tensors:
            raise ConvTypeError(
                f"the name {shown(name)} is given to two arrays.", "Every array needs a name of its own: export the file again."
            )
        self.tensors[name] = tensor

    def find(self, name: str) -> Tensor | None:
        """What a name stands for, here or outside."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.tensors:
                scope.used.add(name)
                return scope.tensors[name]
            scope = scope.outer
        return None

    def lacks(self, name: str) -> bool:
        """Whether it is an input of a function that the call leaves out."""
        return name in self.absent or (self.outer is not None and name not in self.tensors and self.outer.lacks(name))

    def names(self) -> Iterator[str]:
        """All names, the nearest first."""
        scope: Scope | None = self
        while scope is not None:
            yield from scope.tensors
            scope = scope.outer


class Reader:
    """Reads graphs of one model; collects nodes and notes."""

    def __init__(self, model: Any, to_array: Callable[[Any], Array]) -> None:
        self.drafts: list[Draft] = []
        self.notes: dict[str, None] = {}
        self.declared: dict[str, tuple[Shape, str]] = {}
        self.external = 0
        self.read_nodes = 0
        self._names: dict[str, int] = {}
        self._to_array = to_array
        self.functions: dict[tuple[str, str, str], Any] = {}
        for function in model.functions:
            key = (_domain(function.domain), function.name, getattr(function, "overload", ""))
            if key in self.functions:
                raise ConvTypeError(f"the function {shown(function.name)} is in the file twice.", "Export the file again.")
            self.functions[key] = function

    # -- what is collected -------------------------------------------------------------------------

    def add(self, draft: Draft) -> None:
        """The next node."""
        self.drafts.append(draft)

    def note(self, text: str) -> None:
        """What the report says about the whole, each once."""
        self.notes[text] = None

    def forget(self, drafts: int, notes: dict[str, None]) -> None:
        """Take back what was read since there were so many nodes and these notes."""
        for draft in self.drafts[drafts:]:
            self._names.pop(draft.name, None)
        del self.drafts[drafts:]
        self.notes = dict(notes)

    def unique(self, name: str) -> str:
        """`name`, with a number behind it from the second time on."""
        count = self._names.get(name, 0) + 1
        self._names[name] = count
        if count == 1:
            return name
        while (numbered := f"{name} ({count})") in self._names:
            count += 1
        self._names[name] = count
        self._names[numbered] = 1
        return numbered

    def constant(self, proto: Any, name: str) -> Tensor:
        """An array of the file."""
        found = from_proto(proto, name, self._to_array)
        if proto.data_location == 1:
            self.external += 1
        return found

    def constant_output(self, name: str, tensor: Tensor) -> Value:
        """A value for a constant that the model returns."""
        value = Value(name, tensor.shape, tensor.dtype)
        self.add(Draft(self.unique(name), Same(), "Constant", (), (value,), dict.fromkeys(tensor.stored, False)))
        return value

    # -- graphs ------------------------------------------------------------------------------------

    def initializers(self, graph: Any, scope: Scope, prefix: str) -> None:
        """Put the arrays of a graph into its scope."""
        for proto in graph.initializer:
            tensor = self.constant(proto, prefix + proto.name)
            if not proto.name:
                raise ConvTypeError("a tensor of the file has no name.", "Export the file again.")
            scope.put(proto.name, tensor)
        for sparse in graph.sparse_initializer:
            name = sparse.values.name
            dtype = dtype_name(sparse.values.data_type)
            shape = checked_shape(sparse.dims, f"the sparse tensor {shown(name)}")
            scope.put(name, Tensor(shape, dtype, stored=(Stored(prefix + name, shape, dtype, None),)))

    def subgraph(self, graph: Any, outer: Scope, site: Site, arguments: dict[str, Tensor]) -> list[Tensor]:
        """Read a graph inside a node; what its outputs stand for."""
        if site.depth > MOST_NESTED:
            raise ConvTypeError(
                f"graphs are nested more than {MOST_NESTED} deep.", "No network needs that: the file was made to break readers."
            )
        scope = Scope(outer)
        self.initializers(graph, scope, site.prefix)
        for name, tensor in arguments.items():
            scope.put(name, tensor)
        self.run(graph.node, scope, site)
        return [self.found(scope, output.name, "the graph") for output in graph.output]

    def found(self, scope: Scope, name: str, who: str) -> Tensor:
        """What a name stands for, or an error that says who asks for it."""
        tensor = scope.find(name)
        if tensor is None:
            like = difflib.get_close_matches(name[:200], [known for _, known in zip(range(2000), scope.names(), strict=False)], n=1)
            raise ConvTypeError(
                f"{who} takes {shown(name)}, which nothing in the file makes.",
                f"There is {shown(like[0])}; the file is incomplete." if like else "The file is incomplete: export it again.",
            )
        return tensor

    def run(self, protos: Any, scope: Scope, site: Site) -> None:
        """Read nodes in an order in which they can run."""
        self.read_nodes += len(protos)
        if self.read_nodes > MOST_NODES:
            raise ConvTypeError(
                f"the model has more than {MOST_NODES} nodes, those of functions counted at every call.",
                "Networks have some thousand; a file like this one was made to exhaust memory, or is no network.",
            )
        for index in _order(protos):
            proto = protos[index]
            name = site.prefix + (proto.name or f"{proto.op_type}_{index}")
            try:
                self._node(proto, name, scope, site)
            except ConvError as error:
                if getattr(error, "is_placed", False):
                    raise
                raise _placed(error, where(name, proto)) from None
            except _BROKEN as error:
                problem = f"{where(name, proto)}: cannot be read ({type(error).__name__}: {shown(str(error), 120)})."
                raise _marked(ConvTypeError(problem, "The file is damaged or breaks the rules of ONNX: onnx.checker tells more.")) from None

    def _node(self, proto: Any, name: str, scope: Scope, site: Site) -> None:
        domain = _domain(proto.domain)
        attributes = Attributes(proto.attribute, site.outer)
        inputs = [None if not given or scope.lacks(given) else self.found(scope, given, "it") for given in proto.input]
        function = self.functions.get((domain, proto.op_type, getattr(proto, "overload", "")))
        if function is not None:
            results: list[Tensor | None] = list(self._inlined(function, name, inputs, attributes, site))
        else:
            version = site.opsets.get(domain, 1)
            call = Call(self, site, proto, name, proto.op_type, domain, version, inputs, attributes, list(proto.output))
            results = self._results(call, scope)
        for given, tensor in zip(proto.output, results, strict=False):
            if given and tensor is not None:
                scope.put(given, tensor)
        for given in proto.output[len(results) :]:
            if given:
                raise ConvTypeError(
                    f"{shown(proto.op_type)} has no output {shown(given)}: it makes {len(results)}.", "The file is damaged."
                )

    def _results(self, call: Call, scope: Scope) -> list[Tensor | None]:
        known = constants.known(call)
        if known is not None:
            return list(known)
        if call.op in control.OPERATORS and not call.domain:
            return list(control.read(call, scope))
        operator = OPERATORS.get((call.domain, call.op))
        if operator is None:
            return list(not_known(call))
        before, notes = len(self.drafts), self.notes
        try:
            results = list(operator(call))
        except NoShapeError as missing:
            self.forget(before, notes)
            return list(left_open(call, missing.reason))
        present = [tensor for tensor in call.inputs if tensor is not None]
        if call.op in constants.VIEWS and all(tensor.is_constant for tensor in present) and results[0] is not None:
            self.forget(before, notes)  # nothing is computed: the weights themselves, seen otherwise
            stored = tuple(array for tensor in (present if call.op == "DequantizeLinear" else present[:1]) for array in tensor.stored)
            return [Tensor(results[0].shape, results[0].dtype, stored=stored, is_view=True)]
        return results

    def _inlined(
        self, function: Any, name: str, inputs: list[Tensor | None], attributes: Attributes, site: Site
    ) -> Iterator[Tensor | None]:
        key = f"{function.domain}.{function.name}.{getattr(function, 'overload', '')}"
        if key in site.functions:
            raise ConvTypeError(
                f"the function {shown(function.name)} calls itself.", "ONNX has no recursion: the file was made to break readers."
            )
        if site.depth >= MOST_NESTED:
            raise ConvTypeError(f"functions are nested more than {MOST_NESTED} deep.", "No network needs that.")
        if len(inputs) > len(function.input):
            raise ConvTypeError(
                f"it gives {len(inputs)} inputs to {shown(function.name)}, which takes {len(function.input)}.", "Export it again."
            )
        inner = Scope()
        for formal, tensor in zip(function.input, inputs, strict=False):
            if tensor is not None:
                inner.put(formal, tensor)
        inner.absent = set(function.input) - set(inner.tensors)
        opsets = {_domain(entry.domain): entry.version for entry in function.opset_import} or site.opsets
        bound = attributes.with_defaults(function.attribute_proto)
        inside = Site(prefix(name), opsets, bound, (*site.functions, key), site.depth + 1)
        self.run(function.node, inner, inside)
        for output in function.output:
            yield self.found(inner, output, f"the function {shown(function.name)}")


def prefix(name: str, part: str = "") -> str:
    """What stands before the names of nodes inside a node; long names are cut, as they would be repeated in all of them."""
    before = f"{name}/{part}/" if part else f"{name}/"
    half = MOST_PREFIX // 2
    return before if len(before) <= MOST_PREFIX else f"{before[:half]}…{before[-half:]}"


def where(name: str, proto: Any) -> str:
    """How an error names a node."""
    return f"node {shown(name)} ({brief(proto.op_type)})"


def _placed(error: ConvError, place: str) -> ConvError:
    return _marked(type(error)(_cut(f"{place}: {error.problem}"), _cut(error.remedy)))


def _cut(text: str) -> str:
    """A message that shows arrays of the file, of a length that can be read."""
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}…"


def _marked(error: ConvError) -> ConvError:
    error.is_placed = True  # type: ignore[attr-defined]
    return error


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _order(protos: Any) -> Iterable[int]:
    """Positions of nodes, those first whose results others take; the file's order where it is one."""
    makers: dict[str, int] = {}
    for index, proto in enumerate(protos):
        for name in proto.output:
            if name and makers.setdefault(name, index) != index:
                other = protos[makers[name]]
                raise ConvTypeError(
                    f"two nodes make {shown(name)}: {where(other.name, other)} and {where(proto.name, proto)}.",
                    "Every array needs a name of its own: export the file again.",
                )
    needs = [{makers[name] for name in _taken(proto) if name in makers} for proto in protos]
    if all(max(before, default=-1) < index for index, before in enumerate(needs)):
        return range(len(needs))
    try:
        return list(graphlib.TopologicalSorter(dict(enumerate(needs))).static_order())
    except graphlib.CycleError as error:
        names = [shown(protos[index].name or protos[index].op_type, 30) for index in error.args[1][:5]]
        raise ConvTypeError(
            f"the graph is a circle: {' → '.join(names)}{' → …' if len(error.args[1]) > 5 else ''}.",
            "No order of its nodes can run: export it again.",
        ) from None


def _taken(proto: Any) -> set[str]:
    """Names that a node takes, those that its subgraphs take from outside included."""
    taken = set(proto.input)
    for attribute in proto.attribute:
        for graph in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
            inner = set[str]().union(*(_taken(node) for node in graph.node)) if len(graph.node) else set()
            inner |= {output.name for output in graph.output}
            inner -= {name for node in graph.node for name in node.output} | {given.name for given in graph.input}
            taken |= inner - {tensor.name for tensor in graph.initializer}
    taken.discard("")
    return taken
