"""Each message "run pip install 'faltung[EXTRA]'" is true: with that extra, and nothing else, the module it is about can be imported.

Runs in an environment with the extra that is named as argument.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import faltung


def asked_for(extra: str) -> Iterator[str]:
    """Modules named in calls of `optional` with this extra, as far as they are written out."""
    for file in Path(faltung.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "optional"):
                continue
            named = {one.arg: one.value.value for one in node.keywords if isinstance(one.value, ast.Constant)}
            first = node.args[0]
            if named.get("extra") == extra and isinstance(first, ast.Constant):
                yield str(first.value)


modules = sorted(set(asked_for(sys.argv[1])) - {"not_there.at_all"})
for module in modules:
    importlib.import_module(module)
print("modules that messages name:", ", ".join(modules) or "none")
