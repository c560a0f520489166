"""An uploaded ONNX file: its audit, as rows of words for the page.

The file is read from its bytes and never from a path; what lies in other files is not opened. All text of a file is cut to a length
that can be shown, and stays text.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from faltung.amounts import grouped, readable_bytes, readable_count
from faltung.app.inside import Place, places_of
from faltung.app.quantised import ROLES
from faltung.app.uploads import uploaded
from faltung.errors import ConvError, ConvTypeError, shown

if TYPE_CHECKING:
    from faltung.model.auditing.audit import Audit
    from faltung.model.auditing.rows import Layer
    from faltung.model.graph import Graph
    from faltung.model.onnx_run import OnnxNetwork

__all__ = ["RANGES", "Opened", "answer_model", "opened"]

MOST_ROWS = 1500
MOST_LETTERS = 200
MOST_NAME = 1000
"""Of a layer by whose name it can be asked for."""
KEPT = 2

LEFT_OUT = "Weights were not searched for low rank here, which takes longest: faltung audit and fl.audit do it."

RANGES: dict[str, tuple[str, float | tuple[float, ...], float | tuple[float, ...]]] = {
    "0…1": ("from 0, black, to 1, white", 0.0, 1.0),
    "-1…1": ("from −1 to 1", 0.5, 0.5),
    "0…255": ("from 0 to 255", 0.0, 1 / 255),
    "imagenet": ("ImageNet's means and deviations", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""What numbers a network was trained on, which no file says: a title, what is taken from colours from 0 to 1, what they are divided by."""


@dataclass(frozen=True)
class Opened:
    """A file that was read."""

    network: OnnxNetwork
    graph: Graph
    audit: Audit
    notes: tuple[str, ...] = ()

    @cached_property
    def places(self) -> dict[str, Place | None]:
        """Of the convolutions inside functions, branches and loops."""
        return places_of(self.network.proto, tuple(ROLES))


_OPENED: OrderedDict[tuple[str, str, str], Opened] = OrderedDict()


def opened(body: Mapping[str, Any]) -> Opened:
    """The file of a question: ``upload``, and where given its ``name`` and the shape of its ``input``.

    Raises
    ------
    ConvError
        There is no such upload, it is no ONNX file, or one that breaks its rules.
    """
    upload, name, shape = body.get("upload"), _text(body, "name"), _text(body, "input")
    key = (str(upload), name, shape)
    if key not in _OPENED:
        _OPENED[key] = _read(uploaded(upload), name or "the file", _shape(shape))
        while len(_OPENED) > KEPT:
            _OPENED.popitem(last=False)
    _OPENED.move_to_end(key)
    return _OPENED[key]


def _read(data: bytes, name: str, shape: tuple[int, ...] | None) -> Opened:
    from faltung.model.auditing.audit import audit
    from faltung.model.from_onnx import graph_of_proto
    from faltung.model.onnx_file.inputs import OpenSizesError
    from faltung.model.onnx_run import OnnxNetwork

    network = OnnxNetwork(name, data)
    notes: tuple[str, ...] = ()
    try:
        graph = graph_of_proto(network.proto, name, shape)
    except OpenSizesError as error:
        if shape is not None:
            raise
        graph = graph_of_proto(network.proto, name, error.likely)
        taken = ", ".join("×".join(map(str, sizes)) for sizes in error.likely.values())
        notes = (f"The file leaves the size of its input open: all this is for {taken}. Give the shape that you want.",)
    return Opened(network, graph, audit(graph, low_rank=False), notes)


def _shape(text: str) -> tuple[int, ...] | None:
    """``1x3x224x224``."""
    if not text:
        return None
    if not re.fullmatch(r"\d{1,5}([x×,]\d{1,5}){0,7}", text.replace(" ", "")):
        raise ConvError(f"input={shown(text)} is no shape.", "Write whole numbers with x between, batch first: 1x3x224x224.")
    return tuple(int(size) for size in re.split("[x×,]", text.replace(" ", "")))


def _text(body: Mapping[str, Any], name: str) -> str:
    text = body.get(name)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise ConvTypeError(f"{name}={shown(text)} is no text.", "Leave it out, or give text.")
    return _short(text)


# -- the audit -----------------------------------------------------------------------------------


def answer_model(body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to ``model``."""
    from faltung.app.layer_state import why_closed

    found = opened(body)
    audit = found.audit
    closed = {layer.name: why_closed(found, layer) for layer in audit.layers if layer.spec is not None}
    rows = [layer for layer in audit.layers if layer.matters or layer.name in closed]
    return {
        "name": _short(audit.name),
        "inputs": [{"name": _short(name), "shape": shape and list(shape), "dtype": dtype} for name, shape, dtype in audit.inputs],
        "totals": _totals(audit),
        "layers": [_row(layer, closed.get(layer.name, "It is no convolution.")) for layer in rows[:MOST_ROWS]],
        "more": len(audit.layers) - len(rows[:MOST_ROWS]),
        "uncounted": [
            {"name": _short(one.name), "operation": _short(one.operation), "reason": one.reason} for one in audit.uncounted[:MOST_ROWS]
        ],
        "advice": [
            {"kind": one.kind, "sentence": _short(one.sentence, 1200), "layers": [_short(name) for name in one.layers]}
            for one in audit.advice[:200]
        ],
        "notes": [*found.notes, *(_short(note, 400) for note in audit.notes), LEFT_OUT],
        "ranges": [{"name": name, "title": title} for name, (title, _, _) in RANGES.items()],
    }


def _totals(audit: Audit) -> list[dict[str, str]]:
    totals = audit.totals
    rows = [
        (
            "parameters",
            grouped(totals.parameters),
            f"{grouped(totals.unused_parameters)} of them unused" if totals.unused_parameters else "",
        ),
        ("MACs", grouped(totals.macs), "one run, batch of " + _batch(audit)),
        ("FLOPs", grouped(totals.flops), "2 for each MAC, 1 for each bias addition"),
        ("weights", readable_bytes(totals.weight_bytes), "parameters, statistics and constants"),
        ("activations", readable_bytes(totals.activation_bytes), "all that is written in one run"),
        ("alive at once", readable_bytes(totals.peak_bytes), f"at most, at {_short(totals.peak_at, 60)}" if totals.peak_at else ""),
    ]
    return [{"name": name, "value": value, "sum": words} for name, value, words in rows]


def _batch(audit: Audit) -> str:
    shape = audit.inputs[0][1] if audit.inputs else None
    return str(shape[0]) if shape else "1"


def _row(layer: Layer, closed: str) -> dict[str, Any]:
    return {
        "name": layer.name[:MOST_NAME],
        "kind": layer.kind,
        "operation": _short(layer.operation),
        "spec": "" if layer.spec is None else str(layer.spec),
        "input": _size(layer.input_shapes),
        "output": _size(layer.output_shapes),
        "parameters": readable_count(layer.parameters) if layer.parameters else "",
        "macs": readable_count(layer.macs) if layer.macs else "",
        "share": layer.share,
        "receptive_field": " × ".join(map(str, layer.receptive_field)),
        "opens": not closed,
        "why": closed,
    }


def _size(shapes: tuple[tuple[int, ...] | None, ...]) -> str:
    """The first array's shape without its batch."""
    shape = shapes[0] if shapes else None
    return "" if shape is None else " × ".join(map(str, shape[1:] or shape))


def _short(text: str, most: int = MOST_LETTERS) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
