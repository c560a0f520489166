"""The page's modules as one script: for notebooks, which load one file, and for pages that open from disk, where browsers load none.

Each module becomes a function called once, in the order of their imports, so that names need not differ between modules. What can be
joined is checked: imports and exports of one simple form, no circles. Standard library only.
"""

from __future__ import annotations

import graphlib
import posixpath
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from faltung.errors import ConvError, shown

__all__ = ["PAGE", "joined", "page_modules", "page_script", "page_style", "without_comments"]

PAGE = Path(__file__).resolve().parent / "page"
STYLES = ("style.css", "views.css")

_IMPORT = re.compile(r'^import\s*\{([^{}]*)\}\s*from\s*"([^"\n]+)";[ \t]*$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) ?([A-Za-z_$][\w$]*))", re.MULTILINE)
_OTHER = re.compile(r"^(?:import|export)\b.*|^.*\b(?:import\s*\(|import\.meta|await import)\b.*", re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*(?:/\*[^*]*\*+(?:[^/*][^*]*\*+)*/|//[^\n]*)[ \t]*\n", re.MULTILINE)
_NAME = re.compile(r"([A-Za-z_$][\w$]*)(?:\s+as\s+([A-Za-z_$][\w$]*))?")

_REMEDY = 'Write import { a, b } from "./x.js"; and export function, class or const, each at the beginning of a line.'


class BundleError(ConvError):
    """Modules that cannot be joined."""


def joined(modules: Mapping[str, str], entry: str) -> str:
    r"""One script of the modules that `entry` needs, itself last: an expression whose value is an object of its exports.

    Parameters
    ----------
    modules : mapping from paths to sources
    entry : str
        A path.

    Raises
    ------
    BundleError
        A module is missing, imports in a circle, imports what is not exported, or uses another form than those above.

    >>> print(joined({"a.js": "export const one = 1;", "b.js": 'import { one } from "./a.js";\nexport const two = one + one;'}, "b.js"))
    (() => {
    "use strict";
    const a_js = (() => {
    const one = 1;
    return { one };
    })();
    return (() => {
    const { one } = a_js;
    const two = one + one;
    return { two };
    })();
    })()
    """
    parts, exported, order = _walked(modules, entry)
    _check_names(modules, exported)
    lines = [f"const {_variable(path)} = {parts[path]};" for path in order[:-1]]
    return "\n".join(["(() => {", '"use strict";', *lines, f"return {parts[entry]};", "})()"])


def without_comments(source: str) -> str:
    r"""A module without the comments that have lines of their own: a fifth of what a browser would be sent.

    >>> without_comments("/** What\n * it does. */\nconst one = 1; // stays\n// goes\nconst two = 2;\n")
    'const one = 1; // stays\nconst two = 2;\n'
    """
    return _COMMENT.sub("", source)


def _walked(modules: Mapping[str, str], entry: str) -> tuple[dict[str, str], dict[str, list[str]], list[str]]:
    """Of all modules that `entry` needs: each as a function, what each exports, and an order in which they can run, `entry` last."""
    needed: dict[str, list[str]] = {}
    exported: dict[str, list[str]] = {}
    parts: dict[str, str] = {}
    waiting = [entry]
    while waiting:
        path = waiting.pop()
        if path not in needed:
            parts[path], needed[path], exported[path] = _function(path, modules)
            waiting += needed[path]
    try:
        return parts, exported, list(graphlib.TopologicalSorter(needed).static_order())
    except graphlib.CycleError as error:
        raise BundleError(f"modules import each other: {' ← '.join(error.args[1])}.", "Move what both need into a third.") from None


def _function(path: str, modules: Mapping[str, str]) -> tuple[str, list[str], list[str]]:
    """A module as a function called once, the modules that it needs, and what it exports."""
    if path not in modules:
        raise BundleError(f"there is no module {shown(path)}.", f"There are {', '.join(sorted(modules))}.")
    source = without_comments(modules[path])
    needed: list[str] = []

    def taken(found: re.Match[str]) -> str:
        other = _resolved(path, found[2])
        needed.append(other)
        return f"const {{ {', '.join(f'{name}: {own}' if own else name for name, own in _names(path, found[1]))} }} = {_variable(other)};"

    source = _IMPORT.sub(taken, source)
    exports = _EXPORT.findall(source)
    source = _EXPORT.sub("", source)
    other = _OTHER.search(source)
    if other:
        raise BundleError(f"{path} cannot be joined with others: {shown(other[0].strip())}.", _REMEDY)
    ends = f"return {{ {', '.join(exports)} }};\n" if exports else ""
    return f"(() => {{\n{source.strip()}\n{ends}}})()", needed, exports


def _resolved(path: str, name: str) -> str:
    if not name.startswith(("./", "../")) or not name.endswith(".js"):
        raise BundleError(f"{path} imports from {shown(name)}, which is no path of a module beside it.", _REMEDY)
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), name))


def _names(path: str, inside: str) -> list[tuple[str, str]]:
    found = [_NAME.fullmatch(part.strip()) for part in inside.split(",") if part.strip()]
    if not all(found):
        raise BundleError(f"{path} imports {{{shown(inside)}}}, which are no names.", _REMEDY)
    return [(match[1], match[2] or "") for match in found if match]


def _check_names(modules: Mapping[str, str], exported: Mapping[str, Sequence[str]]) -> None:
    for path in exported:
        for inside, name in _IMPORT.findall(without_comments(modules[path])):
            other = _resolved(path, name)
            for wanted, _ in _names(path, inside):
                if wanted not in exported[other]:
                    raise BundleError(
                        f"{path} imports {wanted}, which {other} does not export.", f"It exports {', '.join(exported[other])}."
                    )


def _variable(path: str) -> str:
    """A module's name inside of the script; different for different paths.

    >>> _variable("views/a-b.js")
    'views$2f$a$2d$b_js'
    """
    return re.sub(r"[^\w]", lambda found: f"${ord(found[0]):x}$", path.removesuffix(".js")) + "_js"


# -- of the page ---------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def page_script(entry: str) -> str:
    """The page's module `entry` and all that it needs, as `joined` makes one of them."""
    return joined(_modules(), entry)


def page_modules(entry: str) -> list[str]:
    """The paths of the page's module `entry` and of all that it needs, in an order in which they can run."""
    return _walked(_modules(), entry)[2]


def _modules() -> dict[str, str]:
    return {file.relative_to(PAGE).as_posix(): file.read_text(encoding="utf-8") for file in PAGE.rglob("*.js")}


@lru_cache(maxsize=1)
def page_style() -> str:
    """The page's style sheets, one after the other."""
    return "\n".join((PAGE / name).read_text(encoding="utf-8") for name in STYLES)
