"""States that are possible but too large for a scene: the same layer in small, found by trying."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from faltung.app.remedies import Change, of_channels, of_input, remedy
from faltung.app.state import Layer, State
from faltung.errors import ConvError

__all__ = ["smaller"]

_MOST = (4, 3, 2, 1)
"""Channels, or channels of a group, that are tried."""

_WINDOWS = (3, 2, 1)
"""Places of the window along each axis that are tried."""


def smaller(state: State, is_good: Callable[[State], bool]) -> list[dict[str, Any]]:
    """Ways to make a large state small enough, as remedies: the whole layer in small, then fewer channels or cells alone.

    >>> stem = State.from_dict({"in_channels": 3, "out_channels": 64, "kernel_size": 7, "stride": 2, "padding": 3, "input_size": 224})
    >>> smaller(stem, lambda state: state.first.out_channels < 9)[0]["label"]
    'the same in small: 3 channels in, 4 out, an input of 11×11 cells'
    """
    changes = [*_in_small(state, is_good), *_alone(state, is_good)]
    return [remedy(label, changed) for label, changed in changes]


def _in_small(state: State, is_good: Callable[[State], bool]) -> Iterator[Change]:
    for most in _MOST:
        fewer = _with_fewer_channels(state, most)
        for windows in _WINDOWS:
            changed = replace(fewer, input_size=_small_size(fewer, windows))
            if changed != state and is_good(changed):
                channels = f"{changed.in_channels} channel{'s' * (changed.in_channels > 1)} in, {changed.layers[-1].out_channels} out"
                size = "×".join(map(str, changed.input_size))
                yield f"the same in small: {channels}, an input of {size} cells", changed
                return


def _with_fewer_channels(state: State, most: int) -> State:
    """At most so many channels a group and groups, whatever the layers are."""
    first = state.first
    is_depthwise = first.groups == state.in_channels
    groups = min(first.groups, most if is_depthwise else 2)
    # Of groups a few channels each, so that a group is still seen to have several.
    each = min(state.in_channels // first.groups, most if first.groups == 1 else 2)
    layers: list[Layer] = []
    channels, was = groups * each, state.in_channels
    for layer in state.layers:
        own = min(layer.groups, channels) if layer.groups == was else min(layer.groups, 2)
        own = own if channels % own == 0 else 1
        out = own * min(max(layer.out_channels // layer.groups, 1), most if layer.groups == 1 else 2)
        layers.append(replace(layer, groups=own, out_channels=out))
        channels, was = out, layer.out_channels
    return replace(state, in_channels=groups * each, layers=tuple(layers))


def _small_size(state: State, windows: int) -> tuple[int, ...]:
    """An input for about so many places of the first window, no larger than it is."""
    try:
        spec = state.specs()[0]
    except ConvError:
        return state.input_size
    if spec.transposed:
        return tuple(min(size, windows) for size in state.input_size)
    spans = zip(state.input_size, spec.effective_kernel_size, spec.stride, strict=True)
    return tuple(min(size, extent + (windows - 1) * stride) for size, extent, stride in spans)


def _alone(state: State, is_good: Callable[[State], bool]) -> Iterator[Change]:
    yield from of_input(state, is_good)
    for number in range(len(state.layers)):
        yield from of_channels(state, number, is_good)
