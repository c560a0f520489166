"""The mutants of a module: its text with one small mistake, for each place where mutmut's operators make one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider
from mutmut.mutation.mutators import mutation_operators

__all__ = ["Mutant", "mutants_of"]


@dataclass(frozen=True)
class Mutant:
    """A module with one mistake.

    Attributes
    ----------
    module : str
        Its name, ``faltung.geometry``.
    function : str
        The function or method with the mistake; of one outside of functions, the class or "".
    inside : bool
        Whether the mistake is in a function, so that importing the module is the same.
    lines, body : range
        Lines of the innermost statement with the mistake, and of the function.
    change : str
        That statement on one line, what changed in brackets: ⟦before → after⟧. A second one that reads the same is numbered.
    text : str
        The whole module.
    """

    module: str
    function: str
    inside: bool
    lines: range
    body: range
    change: str
    text: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from the others, whatever line it stands on."""
        return self.module, self.function, self.change


def mutants_of(module: str, source: str) -> Iterator[Mutant]:
    """Every mutant of `source`; two that read the same are one."""
    wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=True)
    positions, parents = wrapper.resolve(PositionProvider), wrapper.resolve(ParentNodeProvider)
    tree, lines, seen = wrapper.module, source.splitlines(keepends=True), {source}
    shown: Counter[tuple[str, str]] = Counter()
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))

    def offsets(node: cst.CSTNode) -> tuple[int, int]:
        place = positions[node]
        return starts[place.start.line - 1] + place.start.column, starts[place.end.line - 1] + place.end.column

    for node in _nodes(tree):
        for mutated in _mutations(node):
            begin, end = offsets(node)
            old, new = source[begin:end], tree.code_for_node(mutated)
            text = source[:begin] + new + source[end:]
            if text in seen or not _compiles(text):
                continue
            seen.add(text)
            around = list(_around(node, parents))
            statement = next((one for one in around if isinstance(one, cst.BaseSmallStatement | cst.BaseCompoundStatement)), node)
            inner = next((one for one in around if isinstance(one, cst.FunctionDef)), None)
            names = [one.name.value for one in reversed(around) if isinstance(one, cst.FunctionDef | cst.ClassDef)]
            first = min(positions[statement].start.line, positions[node].start.line)  # decorators stand before their statement
            last = positions[node].end.line if isinstance(statement, cst.BaseCompoundStatement) else positions[statement].end.line
            function, change = ".".join(names), _shown(source[starts[first - 1] : begin], old, new, source[end : starts[last]])
            shown[function, change] += 1
            place = positions[inner] if inner is not None else positions[statement]
            yield Mutant(
                module=module,
                function=function,
                inside=inner is not None and not _is_decoration(around),
                lines=range(first, last + 1),
                body=range(place.start.line, place.end.line + 1),
                change=change if shown[function, change] == 1 else f"{change} ({shown[function, change]})",
                text=text,
            )


def _nodes(tree: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """What may be mutated: no types, no imports, nothing that only type checkers and `import *` read."""
    if isinstance(tree, cst.Annotation | cst.Import | cst.ImportFrom):
        return
    if (
        isinstance(tree, cst.Assign)
        and isinstance(tree.targets[0].target, cst.Name)
        and tree.targets[0].target.value in ("__all__", "Padding", "Sides")
    ):
        return
    if isinstance(tree, cst.If) and isinstance(tree.test, cst.Name) and tree.test.value == "TYPE_CHECKING":
        return
    yield tree
    for child in tree.children:
        yield from _nodes(child)


def _mutations(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            yield from operator(node)
    if isinstance(node, cst.If | cst.While | cst.CompIf):  # mutmut knows the ternary alone
        for name in ("False", "True"):
            yield node.with_changes(test=cst.Name(name))


def _around(node: cst.CSTNode, parents: dict[cst.CSTNode, cst.CSTNode]) -> Iterator[cst.CSTNode]:
    one: cst.CSTNode | None = node
    while one is not None:
        yield one
        one = parents.get(one)


def _is_decoration(around: list[cst.CSTNode]) -> bool:
    return any(isinstance(one, cst.Decorator) for one in around)


def _compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def _shown(head: str, old: str, new: str, tail: str) -> str:
    """The statement on one line, with what changed in brackets, cut to what differs."""
    words, others = re.findall(r"\w+|\s+|.", old), re.findall(r"\w+|\s+|.", new)
    same = _common(words, others)
    end = _common(words[same:][::-1], others[same:][::-1])
    changed = f"⟦{''.join(words[same : len(words) - end])} → {''.join(others[same : len(others) - end])}⟧"
    text = " ".join(f"{head}{''.join(words[:same])}{changed}{''.join(words[len(words) - end :])}{tail}".split())
    place = text.index("⟦")
    return text if len(text) <= 160 else f"{'…' if place > 60 else ''}{text[max(place - 60, 0) :][:160]}…"


def _common(one: list[str], other: list[str]) -> int:
    """How many entries at their beginning are the same."""
    return next((index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
