"""Which single changes of an impossible state make it possible.

They are found by trying: every control is moved from where it stands to its nearest value at which the state is
possible. No formula tells which that is, so none can disagree with the one that refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from faltung.app.checking import check
from faltung.app.state import MAX_CHANNELS, MAX_SIZE, Layer, State
from faltung.errors import ConvError

__all__ = ["Change", "of_channels", "of_input", "remedies", "remedy"]

MOST = 8
NEAR = 24
"""Steps that are tried one by one on either side; beyond them they double."""

Test = Callable[[State], bool]


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
    found = [remedy(label, changed) for label, changed in _single_changes(state, is_good)]
    return found[:MOST] or [remedy(label, changed) for label, changed in _several_changes(state, is_good)]


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
    for number in range(len(state.layers)):
        yield from of_channels(state, number, is_good)
        yield from _of_window(state, number, is_good)
    yield from of_input(state, is_good)
    for number in range(len(state.layers)):
        yield from _of_kind(state, number, is_good)


def _put(state: State, number: int, **changes: Any) -> State:
    layers = list(state.layers)
    layers[number] = replace(layers[number], **changes)
    return replace(state, layers=tuple(layers))


def _where(state: State, number: int) -> str:
    return f" in layer {number + 1}" if len(state.layers) > 1 else ""


# -- channels ------------------------------------------------------------------------------------


def of_channels(state: State, number: int, is_good: Test) -> Iterator[Change]:
    """Other groups, or other channels of the input or of a layer."""
    layer, where = state.layers[number], _where(state, number)
    for groups in _around(layer.groups, 1, min(layer.groups + NEAR, MAX_CHANNELS)):
        changed = _put(state, number, groups=groups)
        if is_good(changed):
            yield f"groups {groups} instead of {layer.groups}{where}", changed
            break
    if number == 0:
        for channels in _around(state.in_channels, 1, MAX_CHANNELS):
            changed = replace(state, in_channels=channels)
            if is_good(changed):
                yield f"{_counted(channels, 'input channel')} instead of {state.in_channels}", changed
                break
    for channels in _around(layer.out_channels, 1, MAX_CHANNELS):
        changed = _put(state, number, out_channels=channels)
        if is_good(changed):
            yield f"{_counted(channels, 'output channel')} instead of {layer.out_channels}{where}", changed
            break


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'s' * (count != 1)}"


# -- the window ----------------------------------------------------------------------------------

_WORDS = {"stride": "stride", "output_padding": "output padding", "dilation": "dilation", "kernel_size": "kernel"}
_RULES = ("same", "same_upper", "full", "causal", "same_lower", "valid")
_LEAST = {"stride": 1, "output_padding": 0, "dilation": 1, "kernel_size": 1}


def _of_window(state: State, number: int, is_good: Test) -> Iterator[Change]:
    layer, where = state.layers[number], _where(state, number)
    for name in ("output_padding", "stride"):
        yield from _of_axes(state, number, name, is_good)
    if isinstance(layer.padding, str):
        for rule in _RULES:
            changed = _put(state, number, padding=rule)
            if rule != layer.padding and is_good(changed):
                yield f"padding “{rule}” instead of “{layer.padding}”{where}", changed
                break
    else:
        moved = _nearest(layer.padding, -MAX_SIZE, lambda sides: is_good(_put(state, number, padding=sides)), up_first=not layer.transposed)
        if moved is not None:
            yield f"padding {_sides(moved)} instead of {_sides(layer.padding)}{where}", _put(state, number, padding=moved)
    for name in ("dilation", "kernel_size"):
        yield from _of_axes(state, number, name, is_good)


def _of_axes(state: State, number: int, name: str, is_good: Test) -> Iterator[Change]:
    current = getattr(state.layers[number], name)
    moved = _nearest(current, _LEAST[name], lambda entries: is_good(_put(state, number, **{name: entries})), up_first=False)
    if moved is not None:
        label = f"{_WORDS[name]} {_sizes(moved, name)} instead of {_sizes(current, name)}{_where(state, number)}"
        yield label, _put(state, number, **{name: moved})


def _sizes(entries: tuple[int, ...], name: str) -> str:
    if name not in ("kernel_size", "input_size") and len(set(entries)) == 1:
        return str(entries[0])
    return "×".join(map(str, entries))


def _sides(pairs: tuple[tuple[int, int], ...]) -> str:
    """Padding as it is said: one number where all sides are alike."""
    if len({side for pair in pairs for side in pair}) == 1:
        return str(pairs[0][0])
    if all(before == after for before, after in pairs):
        return "×".join(str(before) for before, _ in pairs)
    return ", ".join(f"{before} before and {after} after" for before, after in pairs)


# -- the input, and the kind ---------------------------------------------------------------------


def of_input(state: State, is_good: Test) -> Iterator[Change]:
    """Another input size."""
    moved = _nearest(state.input_size, 1, lambda size: is_good(replace(state, input_size=size)), up_first=True)
    if moved is not None:
        label = f"an input of {_sizes(moved, 'input_size')} instead of {_sizes(state.input_size, 'input_size')} cells"
        yield label, replace(state, input_size=moved)


def _of_kind(state: State, number: int, is_good: Test) -> Iterator[Change]:
    layer, where = state.layers[number], _where(state, number)
    changed = _put(state, number, transposed=not layer.transposed)
    if is_good(changed):
        yield f"{'an ordinary' if layer.transposed else 'a transposed'} convolution instead{where}", changed
    if layer.weight is not None:
        changed = _put(state, number, weight=None)
        if is_good(changed):
            yield f"made-up weights instead of {layer.weight.name or 'those given'}{where}", changed


# -- several at once -----------------------------------------------------------------------------


def _several_changes(state: State, is_good: Test) -> Iterator[Change]:
    """Controls put to rest one after the other, until nothing is wrong any more."""
    words: list[str] = []
    for number in range(len(state.layers)):
        for name, rest in _at_rest(state.layers[number]).items():
            if getattr(state.layers[number], name) == rest:
                continue
            state = _put(state, number, **{name: rest})
            words.append(_REST[name])
            if is_good(state):
                yield _all_of(words), state
                return
            for label, changed in _single_changes(state, is_good):
                yield _all_of([*words, label]), changed
                return
    if is_good(state):
        yield _all_of(words), state


_REST = {
    "groups": "one group",
    "output_padding": "no output padding",
    "stride": "stride 1",
    "dilation": "dilation 1",
    "padding": "no padding",
    "weight": "made-up weights",
    "kernel_size": "a kernel of one cell",
}


def _at_rest(layer: Layer) -> dict[str, Any]:
    """Values at which a control refuses nothing."""
    axes = len(layer.kernel_size)
    ones, zeros = (1,) * axes, (0,) * axes
    return {
        "groups": 1,
        "output_padding": zeros,
        "stride": ones,
        "dilation": ones,
        "padding": ((0, 0),) * axes,
        "weight": None,
        "kernel_size": ones,
    }


def _all_of(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


# -- trying --------------------------------------------------------------------------------------


def _distances() -> Iterator[int]:
    yield from range(1, NEAR + 1)
    distance = 2 * NEAR
    while distance <= MAX_SIZE:
        yield distance
        distance *= 2


def _around(value: int, least: int, most: int) -> Iterator[int]:
    """Other values, the nearest first."""
    for distance in _distances():
        for other in (value - distance, value + distance):
            if least <= other <= most:
                yield other
    if value > least:
        yield least


def _nearest(current: Any, least: int, is_good: Callable[[Any], bool], *, up_first: bool) -> Any:
    """`current`, per axis or per side, moved along all axes as little as makes it good; axes that need no move stay.

    None where no move of this control does.
    """
    for distance in _distances():
        for step in (distance, -distance) if up_first else (-distance, distance):
            moved = _by(current, step, least)
            if moved != current and is_good(moved):
                return _kept(current, _closer(current, step, least, is_good), is_good)
    return None


def _closer(current: Any, step: int, least: int, is_good: Callable[[Any], bool]) -> Any:
    """Where steps were doubled: the shortest between the last that was tried and this one."""
    sign, far = (1, step) if step > 0 else (-1, -step)
    near = far - 1 if far <= NEAR else max(far // 2, NEAR)
    while far - near > 1:
        middle = (far + near) // 2
        near, far = (near, middle) if is_good(_by(current, sign * middle, least)) else (middle, far)
    return _by(current, sign * far, least)


def _by(current: Any, step: int, least: int) -> Any:
    return tuple(_moved(entry, step, least) for entry in current)


def _moved(entry: Any, step: int, least: int) -> Any:
    if isinstance(entry, tuple):
        return tuple(_moved(side, step, least) for side in entry)
    return min(max(entry + step, least), MAX_SIZE)


def _kept(current: Any, moved: Any, is_good: Callable[[Any], bool]) -> Any:
    for axis in range(len(current)):
        back: Iterable[Any] = (*moved[:axis], current[axis], *moved[axis + 1 :])
        if is_good(back):
            moved = back
    return moved
