"""The rows of a model by the modules they lie in, with what each module costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from faltung.model.auditing.rows import Layer, learned

__all__ = ["Branch", "tree_of"]

MOST_LEVELS = 24
"""Names of files may have any number of slashes; deeper modules are one."""


@dataclass(slots=True)
class Branch:
    """A module and what lies in it, in the order in which it runs.

    Attributes
    ----------
    label : str
        Its name within the module around it.
    path : str
        Its whole name; ``""`` for the model.
    children : list of Branch or Layer
    """

    label: str
    path: str
    children: list[Branch | Layer] = field(default_factory=list)

    @property
    def layers(self) -> list[Layer]:
        """All rows below it."""
        return [row for child in self.children for row in ([child] if isinstance(child, Layer) else child.layers)]

    @property
    def macs(self) -> int:
        """Of all rows below it."""
        return sum(layer.macs or 0 for layer in self.layers)

    @property
    def flops(self) -> int:
        """Of all rows below it."""
        return sum(layer.flops or 0 for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Learned numbers below it, each once."""
        return sum(weight.size for weight in learned(weight for layer in self.layers for weight in layer.weights))

    @property
    def share(self) -> float:
        """Of the model's MACs, 0 to 1."""
        return sum(layer.share for layer in self.layers)

    @property
    def activation_bytes(self) -> int:
        """Of all that is written below it."""
        return sum(layer.activation_bytes or 0 for layer in self.layers)

    def walk(self, depth: int | None = None, level: int = 0) -> Iterator[tuple[int, Branch | Layer]]:
        """Every module and row with its level, the model itself at 0; modules at `depth` are not opened."""
        yield level, self
        if depth is not None and level >= depth:
            return
        for child in self.children:
            if isinstance(child, Branch):
                yield from child.walk(depth, level + 1)
            else:
                yield level + 1, child

    def to_dict(self) -> dict[str, Any]:
        """Subtotals as data; rows by their names."""
        return {
            "path": self.path,
            "parameters": self.parameters,
            "macs": self.macs,
            "flops": self.flops,
            "activation_bytes": self.activation_bytes,
            "children": [child.name if isinstance(child, Layer) else child.to_dict() for child in self.children],
        }


def tree_of(name: str, layers: Sequence[Layer]) -> Branch:
    """The rows under the modules that their names tell of.

    Modules are told apart by dots, or, where the names of a file have slashes, by those.
    """
    separator = "/" if any("/" in layer.module for layer in layers) else "."
    root = Branch(name, "")
    known: dict[str, Branch] = {}
    for layer in layers:
        parts = [part for part in layer.module.split(separator, MOST_LEVELS) if part]
        if layer.module == layer.name:  # the module is the layer
            parts = parts[:-1]
        branch = root
        for part in parts:
            branch = _inner(branch, part, separator, known)
        branch.children.append(layer)
    return root


def _inner(branch: Branch, part: str, separator: str, known: dict[str, Branch]) -> Branch:
    path = f"{branch.path}{separator}{part}" if branch.path else part
    if path not in known:
        known[path] = Branch(part, path)
        branch.children.append(known[path])
    return known[path]
