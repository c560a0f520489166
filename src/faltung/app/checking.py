"""Whether a state makes a convolution: its specs, the sizes on the way, names, kernels that have a size of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass

from faltung.app.named import kernel_of_size
from faltung.app.numbers import INPUTS
from faltung.app.state import State
from faltung.errors import ConvShapeError, ConvSpecError, one_of
from faltung.spec import ConvSpec

__all__ = ["MAX_CELLS_COUNTED", "Checked", "check"]

MAX_CELLS_COUNTED = 2**40
"""Cells of an array, and products, of which the playground still tells facts; it allocates none of them."""


@dataclass(frozen=True)
class Checked:
    """What a possible state comes to.

    Attributes
    ----------
    specs : tuple of ConvSpec
    sizes : tuple of tuple of int
        Of the input and after each layer.
    """

    specs: tuple[ConvSpec, ...]
    sizes: tuple[tuple[int, ...], ...]


def check(state: State) -> Checked:
    """The specs and sizes of a state, or the error that says why it is impossible.

    Raises
    ------
    ConvSpecError, ConvShapeError
        As of `ConvSpec` and its sizes; or arrays beyond `MAX_CELLS_COUNTED`.

    >>> check(State.from_dict({"stride": 2, "input_size": 7})).sizes
    ((7, 7), (3, 3))
    """
    if state.x is not None and state.x.name is not None:
        one_of("x.named", state.x.name, INPUTS, ConvSpecError)
    specs = state.specs()
    sizes = [state.input_size]
    _check_count("input", state.in_channels, state.input_size)
    for spec, layer in zip(specs, state.layers, strict=True):
        sizes.append(spec.output_size(sizes[-1]))
        _check_count("output", spec.out_channels, sizes[-1])
        if layer.weight is not None and layer.weight.name is not None:
            kernel_of_size(layer.weight.name, spec.kernel_size)
    return Checked(specs, tuple(sizes))


def _check_count(what: str, channels: int, size: tuple[int, ...]) -> None:
    count = channels * math.prod(size)
    if count > MAX_CELLS_COUNTED:
        raise ConvShapeError(
            f"the {what} has {channels} * {'*'.join(map(str, size))} = {count} cells, more than {MAX_CELLS_COUNTED} = 2**40.",
            "Use a smaller input, or fewer channels.",
        )
