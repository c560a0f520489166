"""The stub of the compiled module says what the module has: the same names, arguments and defaults."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import faltung
from faltung import _native

STUB = ast.parse(Path(faltung.__file__).with_name("_native.pyi").read_text())

Arguments = list[tuple[str, bool]]


def arguments_of(function: ast.FunctionDef) -> Arguments:
    """Names but for `self`, and whether they have a default."""
    given = function.args
    others = [*given.posonlyargs, *given.kwonlyargs, given.vararg, given.kwarg]
    assert others == [None, None], function.name
    names = [one.arg for one in given.args]
    defaults = [False] * (len(names) - len(given.defaults)) + [True] * len(given.defaults)
    return [(name, default) for name, default in zip(names, defaults, strict=True) if name != "self"]


def in_module(member: Any) -> Arguments | None:
    """The same of what the module holds; None for what is no function or property of it."""
    bound = getattr(member, "fget", member)
    if not hasattr(bound, "__nb_signature__"):
        return None
    ((signature, *_),) = bound.__nb_signature__
    signature = re.sub(r"ndarray\[[^]]*]", "object", signature)
    signature = re.sub(r"\\\d+", "None", signature).replace("def (", "def unnamed(")
    (function,) = ast.parse(signature + ": ...").body
    assert isinstance(function, ast.FunctionDef)
    return arguments_of(function)


def members(holder: Any) -> dict[str, Arguments]:
    found = {name: in_module(member) for name, member in vars(holder).items()}
    return {name: arguments for name, arguments in found.items() if arguments is not None}


def stubbed(body: list[ast.stmt]) -> dict[str, Arguments]:
    return {one.name: arguments_of(one) for one in body if isinstance(one, ast.FunctionDef)}


def test_functions() -> None:
    assert stubbed(STUB.body) == members(_native)


def test_classes() -> None:
    classes = {one.name: one for one in STUB.body if isinstance(one, ast.ClassDef)}
    found = {name: members(held) for name, held in vars(_native).items() if isinstance(held, type)}
    expected = {}
    for name, one in classes.items():
        inherited = [classes[base.id] for base in one.bases if isinstance(base, ast.Name)]
        expected[name] = {member: own for part in (*inherited, one) for member, own in stubbed(part.body).items()}
    public = {name: own for name, own in expected.items() if not name.startswith("_")}
    assert public == {name: own for name, own in found.items() if own}  # others only own memory
