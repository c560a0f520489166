"""Which single changes of an impossible state make it possible.

They are found by trying: every control is moved from where it stands to its nearest value at which the state is
possible. No formula tells which that is, so none can disagree with the one that refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from faltung.app.checking import check
from faltung.app.state import MAX_CHANNELS, MAX_SIZE, State
from faltung.app.together import Control, changed_together, put
from faltung.app.trying import Test, around, budgeted, nearest
from faltung.errors import ConvError

__all__ = ["Change", "of_channels", "of_input", "remedies", "remedy"]

MOST = 8
MOST_TRIES = 1200
"""Of states, a few tenths of a second at the very most."""


def remedies(state: State, is_good: Test | None = None) -> list[dict[str, Any]]:
    """Changes of one control that make `state` possible, the likeliest first; where none does, one of several at once.

    Parameters
    ----------
    state : State
    is_good : callable, optional
        What is wanted of the changed state; without it, that `check` finds nothing wrong.

    Returns
    -------
    list of {"label", "state"}

    >>> impossible = State.from_dict({"in_channels": 4, "out_channels": 6, "groups": 3})
    >>> [remedy["label"] for remedy in remedies(impossible)]
    ['groups 2 instead of 3', '3 input channels instead of 4']
    """
    is_good = is_good or is_possible
    tried = budgeted(is_good, MOST_TRIES)
    found = [remedy(label, changed) for label, changed in _single_changes(state, tried)]
    if found:
        return found[:MOST]
    together = changed_together(state, budgeted(is_good, MOST_TRIES))
    if together is None:
        return []
    changed, controls = together
    return [remedy(_all_of([_said(state, changed, control) for control in controls]), changed)]


def is_possible(state: State) -> bool:
    """Whether `check` finds nothing wrong."""
    try:
        check(state)
    except ConvError:
        return False
    return True


def remedy(label: str, state: State) -> dict[str, Any]:
    """As the page shows it."""
    return {"label": label, "state": state.to_dict()}


Change = tuple[str, State]


def _single_changes(state: State, is_good: Test) -> Iterator[Change]:
    numbers = sorted(range(len(state.layers)), key=lambda number: number != _first_wrong(state))
    for number in numbers:
        yield from of_channels(state, number, is_good)
        yield from _of_window(state, number, is_good)
    yield from of_input(state, is_good)
    for number in numbers:
        yield from _of_kind(state, number, is_good)
    if state.x is not None:
        yield from _first_of(state, (None, "x"), [None], is_good)


def _first_wrong(state: State) -> int:
    """The first layer with which the layers up to it are impossible."""
    tops = range(len(state.layers))
    return next((number for number in tops if not is_possible(replace(state, layers=state.layers[: number + 1]))), 0)


def _moved(state: State, control: Control, is_good: Test, *, up_first: bool = False) -> Iterator[Change]:
    """A control of several entries at its nearest good value."""
    number, name = control
    current = getattr(state if number is None else state.layers[number], name)
    moved = nearest(current, _LEAST.get(name, -MAX_SIZE), lambda entries: is_good(put(state, control, entries)), up_first=up_first)
    if moved is not None:
        changed = put(state, control, moved)
        yield _said(state, changed, control), changed


def _first_of(state: State, control: Control, values: Iterable[Any], is_good: Test) -> Iterator[Change]:
    """A control at the first of these values that is good."""
    for value in values:
        changed = put(state, control, value)
        if is_good(changed):
            yield _said(state, changed, control), changed
            return


def of_channels(state: State, number: int, is_good: Test) -> Iterator[Change]:
    """Other groups, or other channels of the input or of a layer."""
    layer = state.layers[number]
    yield from _first_of(state, (number, "groups"), around(layer.groups, 1, MAX_CHANNELS), is_good)
    if number == 0:
        yield from _first_of(state, (None, "in_channels"), around(state.in_channels, 1, MAX_CHANNELS), is_good)
    yield from _first_of(state, (number, "out_channels"), around(layer.out_channels, 1, MAX_CHANNELS), is_good)


def of_input(state: State, is_good: Test) -> Iterator[Change]:
    """Another input size."""
    return _moved(state, (None, "input_size"), is_good, up_first=True)


def _of_window(state: State, number: int, is_good: Test) -> Iterator[Change]:
    layer = state.layers[number]
    yield from _moved(state, (number, "output_padding"), is_good)
    yield from _moved(state, (number, "stride"), is_good)
    if isinstance(layer.padding, str):
        others = [rule for rule in _RULES if rule != layer.padding]
        yield from _first_of(state, (number, "padding"), others, is_good)
    else:
        yield from _moved(state, (number, "padding"), is_good, up_first=not layer.transposed)
    yield from _moved(state, (number, "dilation"), is_good)
    yield from _moved(state, (number, "kernel_size"), is_good)


def _of_kind(state: State, number: int, is_good: Test) -> Iterator[Change]:
    layer = state.layers[number]
    yield from _first_of(state, (number, "transposed"), [not layer.transposed], is_good)
    if layer.weight is not None:
        yield from _first_of(state, (number, "weight"), [None], is_good)


_RULES = ("same", "same_upper", "full", "causal", "same_lower", "valid")
_LEAST = {"stride": 1, "output_padding": 0, "dilation": 1, "kernel_size": 1, "input_size": 1}


# -- in words ------------------------------------------------------------------------------------


def _said(state: State, changed: State, control: Control) -> str:
    """What became of a control, as a button says it.

    >>> _said(State(), put(State(), (0, "stride"), (2, 2)), (0, "stride"))
    'stride 2 instead of 1'
    """
    number, name = control
    was, now = (getattr(one if number is None else one.layers[number], name) for one in (state, changed))
    where = f" in layer {(number or 0) + 1}" if number is not None and len(state.layers) > 1 else ""
    if name == "transposed":
        return f"{'a transposed' if now else 'an ordinary'} convolution instead{where}"
    if name in ("x", "weight"):
        return f"made-up {'numbers' if name == 'x' else 'weights'} instead of {was.name or 'those given'}{where}"
    if name in ("in_channels", "out_channels"):
        return f"{now} {'in' if name == 'in_channels' else 'out'}put channel{'s' * (now != 1)} instead of {was}{where}"
    if name == "input_size":
        return f"an input of {_sizes(now)} instead of {_sizes(was)} cells"
    if name == "padding":
        return f"padding {_padding(now)} instead of {_padding(was)}{where}"
    if name == "kernel_size":
        return f"kernel {_sizes(now)} instead of {_sizes(was)}{where}"
    words = name.replace("_", " ")
    return f"{words} {_steps(now)} instead of {_steps(was)}{where}"


def _sizes(entries: tuple[int, ...]) -> str:
    return "×".join(map(str, entries))


def _steps(entries: int | tuple[int, ...]) -> str:
    """One number where all axes are alike."""
    if isinstance(entries, int):
        return str(entries)
    return str(entries[0]) if len(set(entries)) == 1 else _sizes(entries)


def _padding(padding: Any) -> str:
    """A rule, or sides: one number where all are alike."""
    if isinstance(padding, str):
        return f"“{padding}”"
    if len({side for pair in padding for side in pair}) == 1:
        return str(padding[0][0])
    if all(before == after for before, after in padding):
        return "×".join(str(before) for before, _ in padding)
    return ", ".join(f"{before} before and {after} after" for before, after in padding)


def _all_of(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
