"""Text to spec and back: ``conv2d(3, 64, (7, 7), stride=(2, 2))``.

`parse_fields` reads constructors and reprs into `ConvSpec` arguments through Python's grammar, never by
evaluating them; `format_spec` writes the shortest text that reads back equal. Knows the spelling, not the
meaning: checking values is `ConvSpec`'s.
"""

from __future__ import annotations

import ast
import difflib
import re
from typing import TYPE_CHECKING, Any

from faltung.errors import ConvSpecError, shown

if TYPE_CHECKING:
    from faltung.spec import ConvSpec

__all__ = ["format_spec", "parse_fields"]

MAX_TEXT = 10_000

_CONV = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias", "padding_mode")
_CONV_TRANSPOSE = (
    "in_channels", "out_channels", "kernel_size", "stride", "padding", "output_padding", "groups", "bias", "dilation", "padding_mode",
)  # fmt: skip
_SPEC = (*_CONV, "transposed", "output_padding", "flip", "ndim")
_IGNORED = ("device", "dtype")
"""PyTorch constructor arguments that say where a layer lives, not what it computes."""

_BARE = ("padding", "padding_mode")
"""PyTorch's reprs write these texts without quotes: ``padding=same``."""

_UNLIKE = {
    "Lazy": ": a lazy layer does not know its in_channels",
    "Conv1D": ": Keras' arguments begin with the filters, not with in_channels",
    "Conv2D": ": Keras' arguments begin with the filters, not with in_channels",
    "Conv3D": ": Keras' arguments begin with the filters, not with in_channels",
}
"""Constructors whose arguments mean something else: reading them would be a silent mistake."""

_NAME = re.compile(r"[Cc]onv(?:(?P<before>[0-9]+)d)?(?P<transposed>_?[Tt]ranspose)?(?:(?P<after>[0-9]+)d)?")
_WARNED_OF = re.compile(r"\\(?!\r?\n)|(?<![\w.])(?>[\w.]*?(?<!\w)\d)[\w.]*?(?:and|else|for|i[fns]|or|not)")
"""Where Python's tokenizer may warn, as if the text were the caller's program. What silences warnings does so in all threads.

Of each run of letters, digits and points only the first number is looked at: from every one of them, long texts would take seconds.
"""

_EXAMPLE = "Write for example conv2d(3, 64, 7, stride=2, padding=3) or nn.Conv2d(3, 64, kernel_size=(7, 7))."


def parse_fields(text: str) -> dict[str, Any]:
    """The `ConvSpec` arguments that `text` spells.

    Parameters
    ----------
    text : str
        A call such as ``conv2d(3, 64, 7, padding=3)``, ``nn.Conv2d(3, 64, kernel_size=(7, 7))``,
        ``torch.nn.ConvTranspose1d(…)`` or ``ConvSpec(…)``, with literal arguments.

    Raises
    ------
    ConvSpecError
        The text is no such call.

    Examples
    --------
    >>> parse_fields("nn.Conv1d(4, 8, kernel_size=(3,), bias=False)")
    {'ndim': 1, 'transposed': False, 'in_channels': 4, 'out_channels': 8, 'kernel_size': (3,), 'bias': False}
    """
    if not isinstance(text, str):
        raise ConvSpecError(f"a spec is read from text, not from {type(text).__name__}.", _EXAMPLE)
    if len(text) > MAX_TEXT:
        raise ConvSpecError(f"the spec's text has {len(text)} characters, more than {MAX_TEXT}.", _EXAMPLE)
    if not text.strip():
        raise ConvSpecError("the spec's text is empty.", _EXAMPLE)
    quoted = shown(text, limit=80)
    if _WARNED_OF.search(text):
        raise ConvSpecError(f"cannot read {quoted} as a spec: it has a backslash, or a number that runs into a word.", _EXAMPLE)
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except (RecursionError, MemoryError):
        raise ConvSpecError(f"cannot read {quoted} as a spec: it is nested too deeply.", _EXAMPLE) from None
    except (SyntaxError, ValueError) as error:
        reason = (getattr(error, "msg", None) or str(error)).rstrip(".")
        end = "" if reason.endswith("?") else "."
        raise ConvSpecError(f"cannot read {quoted} as a spec: {reason}{end}", _EXAMPLE) from None
    if not isinstance(call, ast.Call):
        raise ConvSpecError(f"cannot read {quoted} as a spec: it is not a call.", _EXAMPLE)
    called = _called_name(call, quoted)
    fields, positions = _read_name(called, quoted)
    if len(call.args) > len(positions):
        raise ConvSpecError(
            f"{quoted} has {len(call.args)} positional arguments, at most {len(positions)} are known.", f"In order: {', '.join(positions)}."
        )
    given: dict[str, Any] = {}
    for name, node in zip(positions, call.args, strict=False):
        given[name] = _literal(name, node)
    for keyword in call.keywords:
        if keyword.arg in _IGNORED:
            continue
        if keyword.arg is None:
            raise ConvSpecError(f"{quoted} has a ** argument, which only running it could read.", "Write the arguments out.")
        name = keyword.arg
        if name not in _SPEC:
            near = difflib.get_close_matches(name, _SPEC, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise ConvSpecError(f"{called} has no argument {shown(name)}.", f"{hint}Known: {', '.join(_SPEC)}.")
        if name in given:
            raise ConvSpecError(f"{name} is given twice in {quoted}.", "Keep one of the two.")
        given[name] = _literal(name, keyword.value)
    for name in ("transposed", "ndim"):
        if name in fields and given.get(name, fields[name]) not in (fields[name], None):
            raise ConvSpecError(
                f"{name}={shown(given[name])} contradicts the name in {quoted}.", f"The name means {name}={fields[name]!r}."
            )
    missing = [name for name in ("in_channels", "out_channels", "kernel_size") if name not in given]
    if missing:
        raise ConvSpecError(f"{quoted} lacks {', '.join(missing)}.", _EXAMPLE)
    return {**fields, **given, **fields}


def _called_name(call: ast.Call, quoted: str) -> str:
    """The last part of the called name: ``Conv2d`` of ``torch.nn.Conv2d``."""
    node: ast.expr = call.func
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    raise ConvSpecError(f"cannot read {quoted} as a spec: what is called has no plain name.", _EXAMPLE)


def _read_name(name: str, quoted: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Fields that the name fixes, and the order of its positional arguments."""
    if name == "ConvSpec":
        return {}, _SPEC
    match = _NAME.fullmatch(name)
    axes = match and (match["before"] or match["after"])
    if match is None or axes is None or (match["before"] and match["after"]) or len(axes) > 2:
        reason = next((why for start, why in _UNLIKE.items() if name.startswith(start)), "")
        raise ConvSpecError(f"{shown(name)} in {quoted} is no convolution that can be read{reason}.", _EXAMPLE)
    transposed = match["transposed"] is not None
    return {"ndim": int(axes), "transposed": transposed}, _CONV_TRANSPOSE if transposed else _CONV


def _literal(name: str, node: ast.expr) -> Any:
    if isinstance(node, ast.Name) and name in _BARE:
        return node.id
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise ConvSpecError(f"{name}={_source(node)} is not a literal.", "Write numbers, tuples, strings, True or False.") from None


def _source(node: ast.expr) -> str:
    """The text of an argument, for a message."""
    try:
        text = ast.unparse(node)
    except (ValueError, RecursionError):  # an int of thousands of digits, or nesting
        return "…"
    return text if len(text) <= 60 else text[:60] + "…"


def format_spec(spec: ConvSpec) -> str:
    """The shortest call that `parse_fields` reads back as `spec`; defaults are left out.

    >>> from faltung.spec import ConvSpec
    >>> format_spec(ConvSpec(3, 64, 7, stride=2, padding=3, bias=False, ndim=2))
    'conv2d(3, 64, (7, 7), stride=(2, 2), padding=(3, 3), bias=False)'
    """
    ones, zeros = (1,) * spec.ndim, (0,) * spec.ndim
    padding = spec.padding
    if not isinstance(padding, str) and all(before == after for before, after in padding):
        padding = tuple(before for before, _ in padding)  # type: ignore[misc]
    parts = [str(spec.in_channels), str(spec.out_channels), str(spec.kernel_size)]
    parts += [
        f"{name}={value!r}"
        for name, value, default in (
            ("stride", spec.stride, ones),
            ("padding", padding, zeros),
            ("output_padding", spec.output_padding, zeros),
            ("dilation", spec.dilation, ones),
            ("groups", spec.groups, 1),
            ("bias", spec.bias, True),
            ("padding_mode", spec.padding_mode, "zeros"),
            ("flip", spec.flip, False),
        )
        if value != default
    ]
    return f"conv{'_transpose' if spec.transposed else ''}{spec.ndim}d({', '.join(parts)})"
