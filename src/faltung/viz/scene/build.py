"""`scene`: a convolution as plain data, from which every picture of it is drawn.

Owns the way from a spec, its windows and its values to the parts of a `Scene`. Standard library only.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

from faltung.engine.checks import as_spec, check_bias, check_weight
from faltung.errors import ConvShapeError, ConvSpecError, ConvTypeError, one_of
from faltung.spec import ConvSpec
from faltung.viz.numbers import Number
from faltung.viz.scene.model import Grid, Kernel, Scene, Stage
from faltung.viz.scene.places import places_under, shown_ranges
from faltung.viz.scene.values import Block, example_input, example_weight, read
from faltung.viz.scene.walk import MAX_TERMS, check_terms, walk
from faltung.viz.windows import Index, Windows

__all__ = ["MAX_CELLS", "MAX_TERMS", "check_shown", "scene", "stage_name"]

MAX_CELLS = 4096
"""Cells of one grid, over its channels and with its border, that a scene shows."""

Reading = Literal["auto", "gather", "scatter"]


def scene(
    spec: ConvSpec | str | Sequence[ConvSpec | str],
    input_size: int | Sequence[int] | None = None,
    x: object = None,
    weight: object = None,
    bias: object = None,
    *,
    reading: Reading = "auto",
    title: str | None = None,
) -> Scene:
    """A convolution as the one description that its pictures are drawn from: grids, cells, windows, steps, products.

    Parameters
    ----------
    spec : ConvSpec, str or sequence of them
        Several make a scene of as many stages, the output of each being the input of the next: depthwise and pointwise, columns and
        rows, the layers of a network.
    input_size : int or tuple of int, optional
        Spatial. Needed without `x`.
    x : array (in, *i) or (1, in, *i), optional
        One sample, as an array or nested lists. Without it small numbers are made up.
    weight : array of ``spec.weight_shape``, optional
        Of several specs a sequence of arrays.
    bias : array (out,), optional
        Of several specs a sequence of arrays or None.
    reading : {"auto", "gather", "scatter"}
        How a transposed convolution is read: as a scatter, in which each input stamps the kernel onto the output and overlaps add
        (auto), or as a gather over the zero-inserted input. Others are always gathered.
    title : str, optional

    Returns
    -------
    Scene
        ``to_dict()`` and ``to_json()`` give it as JSON, described by the schema that `faltung.viz.scene.schema` returns.

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError
        Spec, sizes and arrays do not fit each other; or the scene is too large to show: more than 4096 cells in a grid or 65536
        products in a stage.

    Notes
    -----
    Sums are exact for integers, whatever their size, and correctly rounded for floats.

    Examples
    --------
    >>> shown = scene("conv2d(1, 1, 3, stride=2, padding=1)", (5, 5))
    >>> shown.stages[0].arithmetic
    ('floor((5 + 1 + 1 - 1*(3-1) - 1) / 2) + 1 = 3', 'floor((5 + 1 + 1 - 1*(3-1) - 1) / 2) + 1 = 3')
    >>> step = scene("conv1d(1, 1, 3)", x=[[1, 2, 3, 4]], weight=[[[1, 10, 100]]]).stages[0].steps[1]
    >>> [(term.input, term.weight) for term in step.terms], [(write.cell, write.value) for write in step.writes]
    ([(2, 1), (3, 10), (4, 100)], [((1,), 432)])
    """
    is_single = not isinstance(spec, list | tuple)
    specs = [as_spec(one) for one in (spec if isinstance(spec, list | tuple) else [spec])]
    if not specs:
        raise ConvSpecError("spec is an empty sequence.", "Give at least one convolution.")
    weights = _one_each("weight", weight, len(specs), is_single)
    biases = _one_each("bias", bias, len(specs), is_single)
    block = _input(specs[0], input_size, x)
    stages: list[Stage] = []
    for number, (one, given, offsets) in enumerate(zip(specs, weights, biases, strict=True)):
        if number and one.in_channels != stages[-1].output.channels:
            raise ConvSpecError(
                f"stage {number} takes {one.in_channels} channels, stage {number - 1} gives {stages[-1].output.channels}.",
                f"Use in_channels={stages[-1].output.channels} in {one}.",
            )
        if number and one.ndim != specs[0].ndim:
            raise ConvSpecError(f"stage {number} has {one.ndim} spatial axes, stage 0 has {specs[0].ndim}.", "Give all stages the same.")
        built = _Builder(one, block, given, offsets, one_of("reading", reading, ("auto", "gather", "scatter"), ConvSpecError))
        stages.append(built.stage())
        block = built.result
    return Scene(_title(specs) if title is None else title, tuple(stages))


def _one_each(name: str, value: object, count: int, is_single: bool) -> list[object]:
    if value is None:
        return [None] * count
    if is_single:
        return [value]
    if not isinstance(value, list | tuple) or len(value) != count:
        given = f"{len(value)} of them" if isinstance(value, list | tuple) else f"a {type(value).__name__}"
        raise ConvTypeError(
            f"{name} is {given}, {count} specs take a sequence of {count}.", "Give one array a stage, or None for made-up numbers."
        )
    return list(value)


def _input(spec: ConvSpec, input_size: int | Sequence[int] | None, x: object) -> Block:
    if x is None:
        if input_size is None:
            raise ConvTypeError(
                "neither input_size nor x is given.", "Give input_size=(5, 5), or an array of (in_channels, *input_size) as x."
            )
        size = spec.checked_size("input_size", input_size)
        _check_cells("input", spec.in_channels, size)
        return example_input(spec.in_channels, size)
    block = read("x", x, MAX_CELLS)
    batch, size = spec.split_shape(block.shape)
    if batch not in ((), (1,)):
        raise ConvShapeError(f"x of shape {block.shape} holds {batch[0]} samples, a scene shows one.", "Give x[0].")
    if input_size is not None and spec.checked_size("input_size", input_size) != size:
        raise ConvShapeError(f"input_size={input_size} is given, x of shape {block.shape} has {size}.", "Leave input_size out.")
    return Block((spec.in_channels, *size), block.flat)


class _Builder:
    """One stage."""

    def __init__(self, spec: ConvSpec, x: Block, weight: object, bias: object, reading: str) -> None:
        if reading == "scatter" and not spec.transposed:
            raise ConvSpecError(f"reading='scatter' is one of transposed convolutions; {spec} is none.", "Use reading='auto'.")
        self.spec = spec
        self.reading = "scatter" if spec.transposed and reading != "gather" else "gather"
        size = x.shape[1:]
        if 0 in size:
            raise ConvShapeError(f"an input of size {size} has no cells: there is nothing to show.", "Give every axis at least 1 cell.")
        self.windows = Windows(spec, size)
        _check_stage(spec, self.windows, self.reading)
        self.weight = example_weight(spec.weight_shape) if weight is None else read("weight", weight, MAX_TERMS)
        check_weight(spec, self.weight)
        self.bias = None if bias is None else read("bias", bias, MAX_CELLS)
        check_bias(spec, self.bias)
        self.x = list(x.rows(math.prod(size)))
        places = places_under(self.windows, self.reading)
        offsets = None if self.bias is None else self.bias.flat
        self.walk = walk(self.windows, places, self.x, self.weight.flat, offsets)
        self.places = places

    @property
    def result(self) -> Block:
        """The output."""
        return Block((self.spec.out_channels, *self.windows.output_size), tuple(itertools.chain.from_iterable(self.walk.result)))

    def stage(self) -> Stage:
        spec, windows = self.spec, self.windows
        cells = math.prod(windows.output_size)
        starts: Sequence[Number | None] = (None,) * spec.out_channels
        if self.reading == "scatter":
            starts = (0,) * spec.out_channels if self.bias is None else self.bias.flat
        return Stage(
            name=stage_name(spec),
            spec=str(spec),
            kinds=tuple(sorted(spec.kinds)),
            reading=self.reading,
            padding_mode=spec.padding_mode,
            is_transposed=spec.transposed,
            arithmetic=tuple(axis.output_sum(size) for axis, size in zip(spec.axes, windows.input_size, strict=True)),
            input=self._grid("input", spec.in_channels, windows.input_size, tuple(self.x)),
            output=self._grid("output", spec.out_channels, windows.output_size, tuple((start,) * cells for start in starts)),
            kernel=self._kernel(),
            walk=self.walk,
        )

    def _grid(self, name: str, channels: int, size: Index, values: tuple[tuple[Number | None, ...], ...]) -> Grid:
        per_group = channels // self.spec.groups
        if (name == "output") == (self.reading == "scatter"):
            first, last, origins, sources = self.places.first, self.places.last, self.places.origins, self.places.sources
            reached = set(itertools.chain.from_iterable(self.walk.windows))
            used = tuple(place in reached for place in range(len(sources)))
        else:
            first, last, sources = (0,) * len(size), tuple(extent - 1 for extent in size), tuple(range(math.prod(size)))
            origins, used = (name,) * len(sources), (True,) * len(sources)
        return Grid(
            name=name,
            channels=channels,
            groups=tuple(channel // per_group for channel in range(channels)),
            size=size,
            first=first,
            last=last,
            origins=origins,
            sources=sources,
            used=used,
            values=values,
        )

    def _kernel(self) -> Kernel:
        shape = self.weight.shape
        per_group = shape[0] // self.spec.groups
        taps = list(self.weight.rows(math.prod(shape[2:])))
        return Kernel(
            shape=shape,
            groups=tuple(first // per_group for first in range(shape[0])),
            dilation=self.spec.dilation,
            values=tuple(tuple(taps[first * shape[1] + second] for second in range(shape[1])) for first in range(shape[0])),
            bias=None if self.bias is None else self.bias.flat,
        )


def check_shown(specs: Sequence[ConvSpec], input_size: Sequence[int], reading: Reading = "auto") -> None:
    """Refuse what is too large for a scene, before anything of it is made.

    Raises
    ------
    ConvShapeError

    >>> check_shown([ConvSpec.parse("conv2d(1, 1, 3)")], (500, 500))
    Traceback (most recent call last):
    faltung.errors.ConvShapeError: the input has 1 channel * 500*500 = 250000 cells, more than 4096, the most that a scene shows.
      Show the same layer on a smaller input and with fewer channels, such as input_size=(8, 8).
    """
    size = tuple(input_size)
    for spec in specs:
        windows = Windows(spec, size)
        _check_stage(spec, windows, "scatter" if spec.transposed and reading != "gather" else "gather")
        size = windows.output_size


def _check_stage(spec: ConvSpec, windows: Windows, reading: str) -> None:
    _check_cells("input", spec.in_channels, windows.input_size)
    _check_cells("output", spec.out_channels, windows.output_size)
    side, channels = ("output", spec.out_channels) if reading == "scatter" else ("input", spec.in_channels)
    _check_cells(f"{side} with its border", channels, [len(along) for along in shown_ranges(windows.axes, reading)])
    places = windows.input_size if reading == "scatter" else windows.output_size
    weights = spec.out_channels * (spec.in_channels // spec.groups) * math.prod(spec.kernel_size)
    check_terms(math.prod(places) * weights, f"{'*'.join(map(str, places))} windows * {weights} weights")


def stage_name(spec: ConvSpec) -> str:
    """Its kinds as they are said.

    >>> stage_name(ConvSpec.parse("conv2d(4, 4, 3, groups=4, dilation=2)"))
    'depthwise dilated convolution'
    """
    said = [kind for kind in _SAID if kind in spec.kinds]
    return " ".join([*(said or ["standard"]), "convolution"])


_SAID = ("circular", "causal", "depthwise", "grouped", "pointwise", "dilated", "strided", "transposed")


def _title(specs: Sequence[ConvSpec]) -> str:
    names = [stage_name(spec) for spec in specs]
    if len(specs) == 2 and "depthwise" in specs[0].kinds and specs[1].kinds >= {"pointwise"}:
        return "depthwise separable convolution"
    return ", then ".join(names)


def _check_cells(what: str, channels: int, size: Sequence[int]) -> None:
    count = channels * math.prod(size)
    if count > MAX_CELLS:
        arithmetic = f"{channels} channel{'s' * (channels != 1)} * {'*'.join(map(str, size))}"
        raise ConvShapeError(
            f"the {what} has {arithmetic} = {count} cells, more than {MAX_CELLS}, the most that a scene shows.",
            "Show the same layer on a smaller input and with fewer channels, such as input_size=(8, 8).",
        )
