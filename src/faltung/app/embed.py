"""`explorer`: a piece of the playground that asks nobody, as one file: the page's script and a table of answers made beforehand.

Owns the page around them, which requests nothing and forbids itself to, and the bounds of the table. Standard library only, beside what
answers need.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Literal

from faltung.app.answers import answer
from faltung.app.bundle import page_script, page_style
from faltung.app.state import State
from faltung.errors import ConvError, ConvTypeError, one_of, shown
from faltung.spec import ConvSpec

__all__ = ["MOST_BYTES", "MOST_STATES", "PARTS", "Explorer", "explorer", "state_of"]

MOST_STATES = 400
"""Combinations of the values that vary."""

MOST_BYTES = 8 * 2**20
"""Of the table, as it stands in the file."""

PARTS = {"summary": ("facts", "plan"), "facts": ("facts",), "plan": ("plan",), "code": ("code",), "matrices": ("matrices",)}
"""Parts of the page that can be left out, and what of an answer they show."""

_STYLE = """
body { margin: 0; }
:root[data-theme="light"] { color-scheme: light; }
:root[data-theme="dark"] { color-scheme: dark; }
/* A frame is narrower than a window: a kernel of four channels to four is to be seen whole. */
.views-equation[data-wide] .views-kernel { max-width: 41cqw; }
.views-kernels.views-many { gap: 8px 5px; }
"""

# What a table's page cannot do, or need not know.
_LIVE = ("choices",)


@dataclass(frozen=True, eq=False)
class Explorer:
    """A piece of the playground with its answers; in a notebook it shows itself.

    Attributes
    ----------
    table : dict
        As the page reads it: ``pool`` has every part of an answer once, ``answers`` which parts make one, ``places`` which answer
        belongs to each combination of ``varying``, the last of its fields changing fastest.
    title : str
    height : int
        In pixels, of the frame in a notebook.
    theme : {"auto", "light", "dark"}
    """

    table: dict[str, Any]
    title: str
    height: int
    theme: str = "auto"

    @cached_property
    def html(self) -> str:
        """The page, which needs no other file and no network."""
        script = f"({page_script('embedded.js')}).mountEmbedded();"
        style = page_style() + _STYLE
        # "<" so that no text of the data ends its element.
        data = json.dumps(self.table, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
        sources = f"script-src {_hash(script)}; style-src {_hash(style)}; img-src data: blob:"
        policy = f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"
        forced = "" if self.theme == "auto" else f' data-theme="{self.theme}"'
        return f"""<!DOCTYPE html>
<html lang="en"{forced}>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="{"light dark" if self.theme == "auto" else self.theme}">
<title>{escape(self.title)}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<div id="faltung-embedded"{forced}></div>
<noscript><p>This picture needs JavaScript.</p></noscript>
<script type="application/json" id="faltung-data">{data}</script>
<script>{script}</script>
</body>
</html>
"""

    def save(self, path: str | Path) -> Path:
        """Write the page to a file; it opens from disk."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.html, encoding="utf-8", newline="\n")
        return path

    def _repr_html_(self) -> str:
        return (
            f'<iframe title="{escape(self.title)}" sandbox="allow-scripts" allow="clipboard-write" loading="lazy" '
            f'style="width:100%;height:{self.height}px;border:0" srcdoc="{escape(self.html)}"></iframe>'
        )


def explorer(
    state: Mapping[str, Any] | ConvSpec | str | None = None,
    vary: Mapping[str, Sequence[Any]] | None = None,
    *,
    parts: Sequence[str] = ("facts",),
    title: str = "",
    height: int = 640,
    theme: Literal["auto", "light", "dark"] = "auto",
) -> Explorer:
    """A convolution to play with, in a file or a notebook, where nobody answers questions.

    Parameters
    ----------
    state : dict, ConvSpec or str
        Fields of the playground's state, others have their defaults; or a convolution, also in words as `ConvSpec.parse` reads them.
    vary : dict of name to list
        Fields that have controls, and the values that each offers; the first that is offered is shown where `state` has none of them.
    parts : sequence of str
        Of `PARTS`, what stands beside the drawing.
    title : str
        By default the convolution.
    height : int
        In pixels, of the frame in a notebook.
    theme : {"auto", "light", "dark"}

    Raises
    ------
    ConvError
        A field or a value is none, there are more than `MOST_STATES` combinations, or their answers take more than `MOST_BYTES`.

    Examples
    --------
    >>> found = explorer({"input_size": [5, 5]}, vary={"stride": [1, 2], "padding": [0, 1]})
    >>> len(found.table["places"]), found.table["varying"]["stride"]
    (4, [[1, 1], [2, 2]])
    """
    for part in parts:
        one_of("a part", part, PARTS, ConvError)
    one_of("theme", theme, ("auto", "light", "dark"), ConvError)
    base = state_of(state)
    varying = _varying(base, vary or {})
    for name, values in varying.items():
        if base[name] not in values:
            base = base | {name: values[0]}
    table = _table(base, varying, parts)
    options = {"controls": list(varying), "parts": [*(["controls"] if varying else []), *parts]}
    return Explorer(table | {"options": options}, title or _title(base), height, theme)


def _title(base: Mapping[str, Any]) -> str:
    try:
        return str(State.from_dict(base).specs()[0])
    except ConvError:  # the page says why
        return "A convolution that cannot be"


def state_of(state: Mapping[str, Any] | ConvSpec | str | None) -> dict[str, Any]:
    """A whole state of what was given: some of its fields, or a convolution."""
    if isinstance(state, Mapping) or state is None:
        return State.from_dict(dict(state or {})).to_dict()
    from faltung.app.reading import read_text

    return read_text(str(state)).to_dict()


def _varying(base: Mapping[str, Any], vary: Any) -> dict[str, list[Any]]:
    """The values offered, each as the state has it."""
    if not isinstance(vary, Mapping):
        raise ConvTypeError(f"vary={shown(vary)} is no dict.", 'Give {"stride": [1, 2, 3]}.')
    found: dict[str, list[Any]] = {}
    for name, values in vary.items():
        one_of("a field of vary", name, base, ConvError)
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise ConvTypeError(f"vary[{name!r}]={shown(values)} offers nothing.", f'Give a list, such as {{"{name}": [1, 2]}}.')
        whole = [State.from_dict({**base, name: value}).to_dict()[name] for value in values]
        found[name] = [value for place, value in enumerate(whole) if value not in whole[:place]]
    count = math.prod(map(len, found.values()))
    if count > MOST_STATES:
        arithmetic = " * ".join(str(len(values)) for values in found.values())
        raise ConvError(f"vary offers {arithmetic} = {count} combinations, more than {MOST_STATES}.", "Offer fewer values.")
    return found


def _table(base: Mapping[str, Any], varying: Mapping[str, list[Any]], parts: Sequence[str]) -> dict[str, Any]:
    hidden = {name for names in PARTS.values() for name in names}.union(_LIVE).difference(*(PARTS[part] for part in parts))
    pool: dict[str, int] = {}
    answers: dict[tuple[tuple[str, int], ...], int] = {}
    places = []
    size = 0
    for values in itertools.product(*varying.values()):
        state = {**base, **dict(zip(varying, values, strict=True))}
        found = answer("show", {"state": state})
        if "state" not in found:
            raise ConvError(found["problem"]["message"], found["problem"]["hint"])
        if found.get("problem"):
            remedies = [one for one in found["problem"]["remedies"] if _is_offered(one["state"], base, varying)]
            found["problem"] = found["problem"] | {"remedies": remedies}
        entry = []
        for name, value in found.items():
            text = json.dumps(_emptied(value) if name in hidden else value, ensure_ascii=False, separators=(",", ":"))
            if text not in pool:
                size += len(text.encode())
                pool[text] = len(pool)
            entry.append((name, pool[text]))
        places.append(answers.setdefault(tuple(entry), len(answers)))
        if size > MOST_BYTES:
            raise ConvError(
                f"the answers take more than {MOST_BYTES // 2**20} MiB after {len(places)} combinations.",
                "Offer fewer values, or show a smaller input, fewer channels, or fewer parts.",
            )
    return {
        "varying": dict(varying),
        "base": dict(base),
        "pool": [json.loads(text) for text in pool],
        "answers": [dict(entry) for entry in answers],
        "places": places,
    }


def _emptied(value: Any) -> Any:
    return [] if isinstance(value, list) else None


def _is_offered(state: Mapping[str, Any], base: Mapping[str, Any], varying: Mapping[str, list[Any]]) -> bool:
    """Whether the table has an answer for it."""
    return all(state[name] in varying[name] if name in varying else state[name] == value for name, value in base.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
