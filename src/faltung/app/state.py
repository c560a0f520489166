"""`State`: what the controls of the playground say, possible or not.

Owns its JSON form and the bounds of everything in it: types, lengths and magnitudes are checked before anything is
allocated. Whether it makes a convolution is `ConvSpec`'s to say. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from faltung.app.numbers import Given, read_given
from faltung.borders import PADDING_MODES
from faltung.errors import ConvSpecError, ConvTypeError, one_of, shown
from faltung.geometry import PADDING_RULES
from faltung.spec import ConvSpec

__all__ = ["MAX_AXES", "MAX_CHANNELS", "MAX_LAYERS", "MAX_SIZE", "READINGS", "Layer", "State"]

MAX_AXES = 3
MAX_LAYERS = 8
MAX_CHANNELS = 2**16
MAX_SIZE = 2**16
"""Of an input along an axis, and of every other count of cells."""

READINGS = ("auto", "gather", "scatter", "both")

Sides = tuple[tuple[int, int], ...]

_LAYER = (
    "out_channels", "kernel_size", "stride", "padding", "padding_mode", "dilation", "groups", "bias", "transposed", "output_padding",
    "flip", "weight", "bias_values",
)  # fmt: skip
_STATE = ("ndim", "in_channels", "input_size", "reading", "x", "then", *_LAYER)


@dataclass(frozen=True)
class Layer:
    """The fields of one convolution, as `ConvSpec` names them, and its numbers; None: made-up ones."""

    out_channels: int = 1
    kernel_size: tuple[int, ...] = (3, 3)
    stride: tuple[int, ...] = (1, 1)
    padding: Sides | str = ((0, 0), (0, 0))
    padding_mode: str = "zeros"
    dilation: tuple[int, ...] = (1, 1)
    groups: int = 1
    bias: bool = False
    transposed: bool = False
    output_padding: tuple[int, ...] = (0, 0)
    flip: bool = False
    weight: Given | None = None
    bias_values: Given | None = None

    def spec(self, in_channels: int) -> ConvSpec:
        """The convolution, or the `ConvSpecError` that says why there is none."""
        return ConvSpec(
            in_channels,
            self.out_channels,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            bias=self.bias,
            padding_mode=self.padding_mode,
            transposed=self.transposed,
            output_padding=self.output_padding,
            flip=self.flip,
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON has them."""
        return {
            "out_channels": self.out_channels,
            "kernel_size": list(self.kernel_size),
            "stride": list(self.stride),
            "padding": self.padding if isinstance(self.padding, str) else [list(pair) for pair in self.padding],
            "padding_mode": self.padding_mode,
            "dilation": list(self.dilation),
            "groups": self.groups,
            "bias": self.bias,
            "transposed": self.transposed,
            "output_padding": list(self.output_padding),
            "flip": self.flip,
            "weight": self.weight and self.weight.to_dict(),
            "bias_values": self.bias_values and self.bias_values.to_dict(),
        }


@dataclass(frozen=True)
class State:
    """What the controls say: an input, a convolution, and those that follow it.

    Attributes
    ----------
    ndim : int
    in_channels : int
    input_size : tuple of int
    reading : {"auto", "gather", "scatter", "both"}
        As of `faltung.scene`; "both": a scatter with a gather beside it. Of what is not transposed it says nothing.
    x : Given or None
        The numbers of the input; None: made-up ones.
    layers : tuple of Layer
        The first is that of the controls; the others are ``then`` in JSON.

    Examples
    --------
    >>> state = State.from_dict({"kernel_size": [5, 5], "padding": "same"})
    >>> print(state.specs()[0], state.input_size)
    conv2d(1, 1, (5, 5), padding='same', bias=False) (5, 5)
    """

    ndim: int = 2
    in_channels: int = 1
    input_size: tuple[int, ...] = (5, 5)
    reading: str = "auto"
    x: Given | None = None
    layers: tuple[Layer, ...] = field(default=(Layer(),))

    @property
    def first(self) -> Layer:
        """The layer of the controls."""
        return self.layers[0]

    def specs(self) -> tuple[ConvSpec, ...]:
        """The convolutions, each taking the channels that the one before gives; or the error that says why there are none."""
        channels = self.in_channels
        found = []
        for layer in self.layers:
            found.append(layer.spec(channels))
            channels = layer.out_channels
        return tuple(found)

    def with_first(self, **changes: Any) -> State:
        """The same with other fields of the first layer."""
        return replace(self, layers=(replace(self.first, **changes), *self.layers[1:]))

    def to_dict(self) -> dict[str, Any]:
        """The state as JSON has it; ``State.from_dict`` of it is equal."""
        return {
            "ndim": self.ndim,
            "in_channels": self.in_channels,
            "input_size": list(self.input_size),
            "reading": self.reading,
            "x": self.x and self.x.to_dict(),
            **self.first.to_dict(),
            "then": [layer.to_dict() for layer in self.layers[1:]],
        }

    @classmethod
    def from_dict(cls, data: object) -> State:
        """Read a state; what is left out has its default, a list of another length than `ndim` is cut or goes on with its last entry.

        Raises
        ------
        ConvSpecError, ConvShapeError, ConvTypeError
            A field is unknown, of the wrong type, or beyond the bounds of the playground.
        """
        given = _fields("state", data, _STATE)
        ndim = _integer("ndim", given.get("ndim", _axes_told(given)), 1, MAX_AXES)
        then = given.get("then") or []
        if not isinstance(then, list | tuple):
            raise ConvTypeError(f"then={shown(then)} is no list.", "Give a list of layers.")
        if len(then) >= MAX_LAYERS:
            raise ConvSpecError(f"then has {len(then)} layers, at most {MAX_LAYERS - 1} follow the first.", "Leave some out.")
        layers = [_layer("", given, ndim)]
        layers += [_layer(f"then[{number}].", _fields(f"then[{number}]", one, _LAYER), ndim) for number, one in enumerate(then)]
        return cls(
            ndim=ndim,
            in_channels=_integer("in_channels", given.get("in_channels", 1), 1, MAX_CHANNELS),
            input_size=_per_axis("input_size", given.get("input_size", 5), ndim, 1, MAX_SIZE),
            reading=one_of("reading", given.get("reading", "auto"), READINGS, ConvSpecError),
            x=read_given("x", given.get("x")),
            layers=tuple(layers),
        )


def _axes_told(given: Mapping[str, Any]) -> object:
    """The number of axes where `ndim` is left out: that of the kernel."""
    kernel = given.get("kernel_size")
    return len(kernel) if isinstance(kernel, list | tuple) and kernel else 2


def _layer(where: str, given: Mapping[str, Any], ndim: int) -> Layer:
    def counts(name: str, default: int, least: int) -> tuple[int, ...]:
        return _per_axis(where + name, given.get(name, default), ndim, least, MAX_SIZE)

    return Layer(
        out_channels=_integer(f"{where}out_channels", given.get("out_channels", 1), 1, MAX_CHANNELS),
        kernel_size=counts("kernel_size", 3, 1),
        stride=counts("stride", 1, 1),
        padding=_padding(f"{where}padding", given.get("padding", 0), ndim),
        padding_mode=one_of(f"{where}padding_mode", given.get("padding_mode", "zeros"), PADDING_MODES, ConvSpecError),
        dilation=counts("dilation", 1, 1),
        groups=_integer(f"{where}groups", given.get("groups", 1), 1, MAX_CHANNELS),
        bias=_flag(f"{where}bias", given.get("bias", False)),
        transposed=_flag(f"{where}transposed", given.get("transposed", False)),
        output_padding=counts("output_padding", 0, 0),
        flip=_flag(f"{where}flip", given.get("flip", False)),
        weight=read_given(f"{where}weight", given.get("weight")),
        bias_values=_bias(f"{where}bias_values", given.get("bias_values")),
    )


# -- one field at a time -------------------------------------------------------------------------


def _fields(name: str, data: object, known: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise ConvTypeError(f"{name}={shown(data)} is a {type(data).__name__}, an object is needed.", 'Give {"kernel_size": [3, 3], …}.')
    for key in data:
        if key not in known and key != "values":  # which an answer adds
            one_of(f"a field of {name}", key, known, ConvSpecError)
    return data


def _integer(name: str, value: object, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConvTypeError(f"{name}={shown(value)} is of type {type(value).__name__}, an int is needed.", "Write a whole number.")
    if not least <= value <= most:
        raise ConvSpecError(f"{name}={shown(value)} is not between {least} and {most}.", f"Use {least if value < least else most}.")
    return value


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConvTypeError(f"{name}={shown(value)} is of type {type(value).__name__}, true or false is needed.", "Write true or false.")
    return value


def _entries(name: str, value: object, ndim: int) -> list[Any]:
    """One entry an axis, of a list or of one for all."""
    if not isinstance(value, list | tuple):
        return [value] * ndim
    if not 1 <= len(value) <= MAX_AXES:
        raise ConvSpecError(f"{name} has {len(value)} entries.", f"Give 1 to {MAX_AXES}, one an axis.")
    return [value[min(axis, len(value) - 1)] for axis in range(ndim)]


def _bias(name: str, value: object) -> Given | None:
    given = read_given(name, value)
    if given is not None and given.name is not None:
        raise ConvSpecError(f"{name} has the name {shown(given.name)}: no bias has one.", "Give its numbers, or null for made-up ones.")
    return given


def _per_axis(name: str, value: object, ndim: int, least: int, most: int) -> tuple[int, ...]:
    return tuple(_integer(f"{name}[{axis}]", entry, least, most) for axis, entry in enumerate(_entries(name, value, ndim)))


def _padding(name: str, value: object, ndim: int) -> Sides | str:
    if isinstance(value, str):
        return one_of(name, value, PADDING_RULES, ConvSpecError)
    pairs = []
    for axis, entry in enumerate(_entries(name, value, ndim)):
        pair = [entry, entry] if not isinstance(entry, list | tuple) else entry
        if len(pair) != 2:
            raise ConvSpecError(f"{name}[{axis}] has {len(pair)} entries.", "A side pair is [before, after].")
        before, after = (_integer(f"{name}[{axis}]", side, -MAX_SIZE, MAX_SIZE) for side in pair)
        pairs.append((before, after))
    return tuple(pairs)
