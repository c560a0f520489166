"""Several changes at once, for states in which no single one helps: as few as do, and as small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from faltung.app.state import State
from faltung.app.trying import Test, nearest

__all__ = ["changed_together", "put"]

Control = tuple[int | None, str]
"""The number of a layer, None of the state itself, and the field."""

_LEAST = {"stride": 1, "dilation": 1, "kernel_size": 1, "output_padding": 0, "input_size": 1}


def put(state: State, control: Control, value: Any) -> State:
    """The state with another value of a control."""
    number, name = control
    if number is None:
        return replace(state, **{name: value})
    layers = list(state.layers)
    layers[number] = replace(layers[number], **{name: value})
    return replace(state, layers=tuple(layers))


def changed_together(state: State, is_good: Test) -> tuple[State, list[Control]] | None:
    """A state that is good and the controls in which it differs; None where even controls at rest do not help.

    Controls are put to rest one after the other until it is good; those that need not rest are given back, and the others
    brought as near to where they stood as they can.
    """
    changed: list[Control] = []
    found = state
    for control, rest in _at_rest(state):
        if _value(found, control) != rest:
            found = put(found, control, rest)
            changed.append(control)
            if is_good(found):
                break
    else:
        return None
    for control in tuple(changed):
        back = put(found, control, _value(state, control))
        if is_good(back):
            found = back
            changed.remove(control)
    for control in changed:
        found = _nearer(state, found, control, is_good)
    return found, changed


def _nearer(state: State, found: State, control: Control, is_good: Test) -> State:
    least = _LEAST.get(control[1])
    if least is None:
        return found
    moved = nearest(_value(state, control), least, lambda value: is_good(put(found, control, value)))
    return found if moved is None else put(found, control, moved)


def _value(state: State, control: Control) -> Any:
    number, name = control
    return getattr(state if number is None else state.layers[number], name)


def _at_rest(state: State) -> Iterator[tuple[Control, Any]]:
    """Every control with a value at which it refuses nothing."""
    ones, zeros = (1,) * state.ndim, (0,) * state.ndim
    rests = {
        "groups": 1,
        "output_padding": zeros,
        "weight": None,
        "stride": ones,
        "dilation": ones,
        "padding": ((0, 0),) * state.ndim,
        "kernel_size": ones,
        "transposed": False,
    }
    yield (None, "x"), None
    for name, rest in rests.items():
        for number in range(len(state.layers)):
            yield (number, name), rest
    yield (None, "input_size"), tuple(min(size, 5) for size in state.input_size)
    yield (None, "in_channels"), 1
    for number in range(len(state.layers)):
        yield (number, "out_channels"), 1
