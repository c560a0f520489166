"""Subgraphs: every branch of an `If` is read, the body of a `Loop` or `Scan` once. What that leaves out is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from faltung.errors import ConvShapeError, ConvTypeError
from faltung.model.onnx_file.calls import Call, brief
from faltung.model.onnx_file.tensors import Shape, Tensor
from faltung.model.operations import Crop, Elementwise, Lookup, Same

if TYPE_CHECKING:
    from faltung.model.onnx_file.reader import Scope

__all__ = ["OPERATORS", "read"]

OPERATORS = ("If", "Loop", "Scan")


def read(call: Call, scope: Scope) -> list[Tensor]:
    """The nodes of the subgraphs, and what the node's outputs stand for."""
    if call.op == "If":
        return _if(call, scope)
    return _loop(call, scope) if call.op == "Loop" else _scan(call, scope)


def _graph(call: Call, name: str) -> Any:
    found = call.attributes.graph(name)
    if found is None:
        raise ConvTypeError(f"{call.op} has no {name}.", "The file is damaged or incomplete: export it again.")
    return found


def _inside(call: Call, scope: Scope, name: str, arguments: dict[str, Tensor]) -> list[Tensor]:
    from faltung.model.onnx_file.reader import prefix

    site = replace(call.site, prefix=prefix(call.name, name), depth=call.site.depth + 1)
    return call.reader.subgraph(_graph(call, name), scope, site, arguments)


# -- branches --------------------------------------------------------------------------------------


def _if(call: Call, scope: Scope) -> list[Tensor]:
    condition = call.tensor(0)
    if condition.numbers is not None and condition.numbers.size == 1:
        taken, other = ("then_branch", "else_branch") if condition.numbers.item() else ("else_branch", "then_branch")
        call.note(f"its condition is always {bool(condition.numbers.item())}: {taken} is read, {other} never runs.")
        return [_named(call, index, tensor) for index, tensor in enumerate(_inside(call, scope, taken, {}))]
    read = {branch: _branch(call, scope, branch) for branch in ("then_branch", "else_branch")}
    fitting = {branch: made for branch, made in read.items() if not isinstance(made, ConvShapeError)}
    if not fitting:
        raise next(made for made in read.values() if isinstance(made, ConvShapeError))
    for branch, made in read.items():
        if isinstance(made, ConvShapeError):
            call.note(f"{branch} does not take inputs of this shape and is left out: {brief(made.problem, 200)}")
    if len(fitting) == 1:
        return [_named(call, index, tensor) for made in fitting.values() for index, tensor in enumerate(made)]
    call.note("one of then_branch and else_branch runs; the nodes of both are here, and both are counted.")
    first, second = fitting.values()
    if len(first) != len(second):
        raise ConvTypeError(f"the branches of If have {len(first)} and {len(second)} outputs.", "Export the file again.")
    results = []
    for index, (a, b) in enumerate(zip(first, second, strict=True)):
        shape = a.shape if a.shape == b.shape else None
        results.append(call.emit(Elementwise("select"), [a, b, condition], shape, a.dtype, output=index))
    return results


def _branch(call: Call, scope: Scope, name: str) -> list[Tensor] | ConvShapeError:
    """What a branch makes, or why it cannot run on the shapes of this input: then it is not the one that runs."""
    drafts, notes = len(call.reader.drafts), dict(call.reader.notes)
    try:
        return _inside(call, scope, name, {})
    except ConvShapeError as error:
        call.reader.forget(drafts, notes)
        return error


def _named(call: Call, index: int, tensor: Tensor) -> Tensor:
    """What the subgraph made, under the name that it has outside."""
    if tensor.is_constant:
        return tensor
    return call.emit(Same(), [tensor], tensor.shape, tensor.dtype, output=index)


# -- bodies ----------------------------------------------------------------------------------------


def _loop(call: Call, scope: Scope) -> list[Tensor]:
    """Inputs: count, condition, states; the body takes the turn, the condition, the states, and returns the last two and what it lists."""
    body, given = _graph(call, "body"), call.inputs[2:]
    states = [call.computed(tensor) for tensor in given if tensor is not None]  # their numbers change
    turns, count = call.optional(0), None
    if turns is not None and turns.numbers is not None and turns.numbers.size == 1:
        count = max(int(turns.numbers.item()), 0)
    if len(body.input) != len(states) + 2 or len(body.output) < len(states) + 1:
        raise ConvTypeError(
            f"the body of Loop has {len(body.input)} inputs and {len(body.output)} outputs for {len(states)} states.",
            "Export the file again.",
        )
    turn, condition = (call.emit(Same(), [], (), dtype, output=None) for dtype in ("int64", "bool"))
    made = _body(call, scope, body, [turn, condition, *states], [2 + index for index in range(len(states))])
    if call.optional(1) is not None and made[0].numbers is None:
        count = None  # it may end before
    often = "as often as numbers say" if count is None else f"{count} times"
    call.note(f"the body of this Loop is here once and counted once; it runs {often}.")
    results = []
    for index, tensor in enumerate(made[1:]):
        if index < len(states):
            shape = tensor.shape if tensor.shape == states[index].shape else None
            results.append(call.emit(Same(), [tensor], shape, tensor.dtype, output=index))
        else:
            listed: Shape = None if tensor.shape is None or count is None else (count, *tensor.shape)
            results.append(call.emit(Lookup(), [tensor], listed, tensor.dtype, output=index))
    return results


def _scan(call: Call, scope: Scope) -> list[Tensor]:
    """Inputs: the states, then the sequences; the body takes the states and a slice of each sequence."""
    body, count = _graph(call, "body"), call.attributes.integer("num_scan_inputs", 1)
    if call.version < 9:
        raise ConvTypeError("Scan of versions before 9 is not read.", "Export the file for opset 9 or later.")
    given = [call.tensor(index) for index in range(len(call.inputs))]
    if not 0 < count <= len(given) or len(body.input) != len(given) or len(body.output) < len(given) - count:
        sizes = f"{len(body.input)} inputs and {len(body.output)} outputs"
        raise ConvTypeError(
            f"the body of Scan has {sizes}; {len(given)} arrays are given, {count} to be scanned.",
            "Export the file again.",
        )
    states, sequences = [call.computed(tensor) for tensor in given[:-count]], given[-count:]
    axes = call.attributes.ints("scan_input_axes") or (0,) * count
    slices, turns = [], None
    for sequence, axis in zip(sequences, axes, strict=True):
        if sequence.shape is None:
            slices.append(call.emit(Lookup(), [sequence], None, output=None))
            continue
        dim = call.dim(axis, len(sequence.shape))
        turns = sequence.shape[dim]
        rest = (*sequence.shape[:dim], *sequence.shape[dim + 1 :])
        slices.append(call.emit(Crop(dim, 0, drops=True), [sequence], rest, output=None))
    made = _body(call, scope, body, [*states, *slices], list(range(len(states))))
    call.note(f"the body of this Scan is here once and counted once; it runs {'for each entry' if turns is None else f'{turns} times'}.")
    places = call.attributes.ints("scan_output_axes") or (0,) * (len(made) - len(states))
    results = []
    for index, tensor in enumerate(made):
        if index < len(states):
            shape = tensor.shape if tensor.shape == states[index].shape else None
            results.append(call.emit(Same(), [tensor], shape, tensor.dtype, output=index))
            continue
        joined: Shape = None
        if tensor.shape is not None and turns is not None:
            dim = call.dim(places[index - len(states)], len(tensor.shape) + 1)
            joined = (*tensor.shape[:dim], turns, *tensor.shape[dim:])
        results.append(call.emit(Lookup(), [tensor], joined, tensor.dtype, output=index))
    return results


def _body(call: Call, scope: Scope, body: Any, arguments: list[Tensor], states: Sequence[int]) -> list[Tensor]:
    """Read the body with the first shapes of its states; where a turn changes one, once more with that shape unknown."""
    names = [given.name for given in body.input]
    drafts, notes = len(call.reader.drafts), dict(call.reader.notes)
    first = 1 if call.op == "Loop" else 0
    for _ in range(len(states) + 1):
        made = _inside(call, scope, "body", dict(zip(names, arguments, strict=True)))
        shapes = [(place, arguments[place].shape, made[first + index].shape) for index, place in enumerate(states)]
        changed = [place for place, before, after in shapes if before is not None and after != before]
        if not changed:
            return made
        call.reader.forget(drafts, notes)
        for place in changed:
            before = arguments[place]
            arguments[place] = call.emit(Same(), [before], None, before.dtype, output=None)
        drafts = len(call.reader.drafts)
    return made
