"""The attributes of a node with their types checked, defaults filled in, and those of the function around it looked up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from faltung.errors import ConvTypeError, shown

__all__ = ["Attributes"]

_KINDS = {
    1: "float", 2: "int", 3: "string", 4: "tensor", 5: "graph", 6: "floats", 7: "ints", 8: "strings", 9: "tensors", 10: "graphs",
    11: "sparse_tensor", 12: "sparse_tensors", 13: "type_proto", 14: "type_protos",
}  # fmt: skip
_FIELDS = {"float": "f", "int": "i", "string": "s", "tensor": "t", "graph": "g"}


MOST_ENTRIES = 4096
"""Of a list of whole numbers that is calculated with: products of more would take long."""


class Attributes:
    """Attributes by name.

    Parameters
    ----------
    protos : iterable of AttributeProto
    outer : Attributes, optional
        Of the call of the function that the node stands in.
    """

    def __init__(self, protos: Iterable[Any], outer: Attributes | None = None) -> None:
        self._protos: dict[str, Any] = {}
        for proto in protos:
            if proto.ref_attr_name:
                found = None if outer is None else outer._protos.get(proto.ref_attr_name)
                if found is not None:  # else it is not given, and has its default
                    self._protos[proto.name] = found
            else:
                self._protos[proto.name] = proto

    def __contains__(self, name: str) -> bool:
        return name in self._protos

    def with_defaults(self, protos: Iterable[Any]) -> Attributes:
        """Those that are missing here, as the function declares them."""
        both = Attributes(protos)
        both._protos |= self._protos
        return both

    def graphs(self) -> list[tuple[str, Any]]:
        """The subgraphs, by name."""
        found = []
        for name, proto in self._protos.items():
            found += [(name, proto.g)] if proto.HasField("g") else [(f"{name} {index}", graph) for index, graph in enumerate(proto.graphs)]
        return found

    def integer(self, name: str, default: int) -> int:
        """A whole number."""
        found = self._of(name, "int")
        return default if found is None else found

    def number(self, name: str, default: float) -> float:
        """A number."""
        found = self._of(name, "float")
        return default if found is None else found

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        found = self._of(name, "string")
        return default if found is None else found.decode(errors="replace")

    def ints(self, name: str, *, most: int = MOST_ENTRIES) -> tuple[int, ...] | None:
        """Whole numbers, None where they are not given; sizes, steps and axes are few."""
        found = self._of(name, "ints")
        if found is not None and len(found) > most:
            raise ConvTypeError(
                f"attribute {shown(name)} has {len(found)} entries, more than {most}.", "Arrays have at most 64 dimensions."
            )
        return None if found is None else tuple(found)

    def floats(self, name: str) -> tuple[float, ...] | None:
        """Numbers, None where they are not given."""
        found = self._of(name, "floats")
        return None if found is None else tuple(found)

    def texts(self, name: str) -> tuple[str, ...] | None:
        """Texts, None where they are not given."""
        found = self._of(name, "strings")
        return None if found is None else tuple(entry.decode(errors="replace") for entry in found)

    def tensor(self, name: str) -> Any:
        """A ``TensorProto`` or None."""
        return self._of(name, "tensor")

    def sparse(self, name: str) -> Any:
        """A ``SparseTensorProto`` or None."""
        return self._of(name, "sparse_tensor")

    def graph(self, name: str) -> Any:
        """A ``GraphProto`` or None."""
        return self._of(name, "graph")

    def _of(self, name: str, kind: str) -> Any:
        proto = self._protos.get(name)
        if proto is None:
            return None
        field = _FIELDS.get(kind, kind)
        given = _KINDS.get(proto.type) if proto.type else None
        if given is None:  # files before version 2 of the format do not say it
            is_set = len(getattr(proto, field)) > 0 if kind == field else proto.HasField(field)
            given = kind if is_set or kind == field else "none"
        if given != kind:
            raise ConvTypeError(
                f"attribute {shown(name)} is of type {given}, {kind} is needed.", "The file is damaged or was written by hand."
            )
        return getattr(proto, field)
