"""A state as code to copy: NumPy with Faltung and the numbers that are shown, and the layers of the frameworks."""

from __future__ import annotations

from typing import Any

from faltung.app.checking import Checked
from faltung.app.numbers import nested
from faltung.frameworks import to_every
from faltung.spec import ConvSpec
from faltung.viz.scene.values import Block

__all__ = ["code_of"]

MAX_LITERAL = 4096
"""Numbers that are still written out; larger arrays are drawn at random in the code."""

WIDTH = 80
"""Characters of a line, where arrays need not be longer."""


def code_of(checked: Checked, x: Block | None, weights: list[Block | None], biases: list[Block | None]) -> list[dict[str, str]]:
    """The same as code for each framework, ``{"framework", "text"}``; what it cannot express says so in a comment."""
    found = [{"framework": "NumPy", "text": _with_faltung(checked, x, weights, biases)}]
    several = len(checked.specs) > 1
    heads = [f"# layer {number}: {spec}\n" if several else "" for number, spec in enumerate(checked.specs, start=1)]
    by_layer = [to_every(spec) for spec in checked.specs]
    for name in by_layer[0]:
        text = "\n\n\n".join(head + texts[name] for head, texts in zip(heads, by_layer, strict=True))
        found.append({"framework": name, "text": text})
    return found


# -- NumPy ---------------------------------------------------------------------------------------


def _with_faltung(checked: Checked, x: Block | None, weights: list[Block | None], biases: list[Block | None]) -> str:
    lines = ["import numpy as np", "", "import faltung as fl", ""]
    blocks = [x, *weights, *biases]
    if any(block is not None and len(block.flat) > MAX_LITERAL for block in blocks) or x is None or None in weights:
        x, weights, biases = None, [None] * len(weights), [None] * len(biases)
        lines.append("rng = np.random.default_rng(0)")
    lines.append(_array("x", x, (checked.specs[0].in_channels, *checked.sizes[0])))
    given = "x"
    for number, spec in enumerate(checked.specs, start=1):
        tail = str(number) if len(checked.specs) > 1 else ""
        lines.append(_array(f"weight{tail}", weights[number - 1], spec.weight_shape))
        arguments = [given, f"weight{tail}"]
        if spec.bias:
            lines.append(_array(f"bias{tail}", biases[number - 1], (spec.out_channels,)))
            arguments.append(f"bias{tail}")
        lines.append(f"y{tail} = {_call(spec, arguments)}")
        given = f"y{tail}"
    return "\n".join([*lines, f"print({given})", ""])


def _array(name: str, block: Block | None, shape: tuple[int, ...]) -> str:
    if block is None:
        return f"{name} = rng.standard_normal({shape}, dtype=np.float32)"
    head = f"{name} = np.array("
    written = str(nested(block))
    return f"{head}{written if len(head) + len(written) < WIDTH else _lines(nested(block), len(head))})"


def _lines(level: Any, indent: int) -> str:
    """A nested list with a line for each row, as NumPy prints arrays.

    >>> print(_lines([[1, 2], [3, 4]], 0))
    [[1, 2],
     [3, 4]]
    """
    if not isinstance(level[0], list):
        return str(level)
    return f"[{(',' + chr(10) + ' ' * (indent + 1)).join(_lines(entry, indent + 1) for entry in level)}]"


def _call(spec: ConvSpec, arguments: list[str]) -> str:
    """The function of that many axes with what differs from its defaults; `fl.conv` where a field is unknown to it."""
    if spec.transposed and (spec.padding_mode != "zeros" or spec.flip):
        return f'fl.conv("{spec}", {", ".join(arguments)})'
    ones, zeros = (1,) * spec.ndim, (0,) * spec.ndim
    padding: Any = spec.padding
    if not isinstance(padding, str) and all(before == after for before, after in padding):
        padding = tuple(before for before, _ in padding)
    options = [
        ("stride", spec.stride, ones),
        ("padding", padding, zeros),
        ("output_padding", spec.output_padding, zeros),
        ("dilation", spec.dilation, ones),
        ("groups", spec.groups, 1),
        ("padding_mode", spec.padding_mode, "zeros"),
        ("flip", spec.flip, False),
    ]
    written = [f"{name}={_short(value)}" for name, value, default in options if value != default]
    return f"fl.conv{'_transpose' if spec.transposed else ''}{spec.ndim}d({', '.join([*arguments, *written])})"


def _short(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple) and len(set(value)) == 1 and not isinstance(value[0], tuple):
        return str(value[0])
    return str(value)
