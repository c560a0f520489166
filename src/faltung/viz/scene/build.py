"""`scene`: a convolution as plain data, from which every picture of it is drawn.

Owns the way from a spec, its windows and its values to the parts of a `Scene`. Standard library only.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from faltung.engine.checks import as_spec, check_bias, check_weight
from faltung.errors import ConvShapeError, ConvSpecError, ConvTypeError, one_of
from faltung.spec import ConvSpec
from faltung.taps import AxisTaps, home
from faltung.viz.numbers import Number, sum_of
from faltung.viz.scene.model import Cell, Grid, Kernel, Scene, Stage, Step, Tap, Term, Write, flat_index
from faltung.viz.scene.values import Block, example_input, example_weight, read
from faltung.viz.windows import ORIGINS, Contact, Index, Windows

__all__ = ["MAX_CELLS", "MAX_TERMS", "check_shown", "scene", "stage_name"]

MAX_CELLS = 4096
"""Cells of one grid, over its channels and with its border, that a scene shows."""

MAX_TERMS = 2**16
"""Products of one stage that a scene lists."""

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
        cells = math.prod(size)
        self.x = list(x.rows(cells))
        self.taps = list(self.weight.rows(math.prod(spec.kernel_size)))
        blank = [None] if self.bias is None else list(self.bias.flat)
        blanks: list[Number | None] = [0 if value is None and self.reading == "scatter" else value for value in blank]
        starts = blanks * (spec.out_channels if len(blanks) == 1 else 1)
        if self.reading == "gather":
            starts = [None] * spec.out_channels
        self.y: list[list[Number | None]] = [[start] * math.prod(self.windows.output_size) for start in starts]

    @property
    def result(self) -> Block:
        """The output, once the stage is built."""
        values = tuple(0 if value is None else value for channel in self.y for value in channel)
        return Block((self.spec.out_channels, *self.windows.output_size), values)

    def stage(self) -> Stage:
        spec, windows = self.spec, self.windows
        starts = tuple(map(tuple, self.y))
        steps = tuple(self._scattered() if self.reading == "scatter" else self._gathered())
        used = {tap.position for step in steps for tap in step.window}
        on_output = self.reading == "scatter"
        return Stage(
            name=stage_name(spec),
            spec=str(spec),
            kinds=tuple(sorted(spec.kinds)),
            reading=self.reading,
            padding_mode=spec.padding_mode,
            is_transposed=spec.transposed,
            arithmetic=tuple(axis.output_sum(size) for axis, size in zip(spec.axes, windows.input_size, strict=True)),
            input=self._grid("input", spec.in_channels, windows.input_size, tuple(self.x), None if on_output else used),
            output=self._grid("output", spec.out_channels, windows.output_size, starts, used if on_output else None),
            kernel=self._kernel(),
            steps=steps,
        )

    # -- steps -----------------------------------------------------------------------------------

    def _gathered(self) -> Iterator[Step]:
        spec, windows = self.spec, self.windows
        count = 0
        for place in _places(windows.output_size):
            contacts = list(windows.gather(place) if spec.transposed else windows.of_output(place))
            count += len(contacts) * spec.out_channels * (spec.in_channels // spec.groups)
            _check_terms(count, f"{count}")
            terms = tuple(self._terms(contacts))
            at = flat_index(place, windows.output_size)
            writes = []
            for channel, sums in itertools.groupby(terms, key=lambda term: term.output_channel):
                total = sum_of([term.product for term in sums] + ([] if self.bias is None else [self.bias.flat[channel]]))
                writes.append(Write(channel, place, self.y[channel][at], total))
                self.y[channel][at] = total
            yield Step(place, tuple(Tap(one.tap, one.position, one.input, one.origin) for one in contacts), terms, tuple(writes))

    def _scattered(self) -> Iterator[Step]:
        windows = self.windows
        received: dict[tuple[int, Index], list[Number]] = {}
        for place in _places(windows.input_size):
            contacts = list(windows.of_input(place))
            terms = tuple(self._terms(contacts))
            touched: dict[tuple[int, Index], None] = {}
            for term in terms:
                cell = contacts[term.tap].output
                assert cell is not None
                touched[term.output_channel, cell] = None
                received.setdefault((term.output_channel, cell), []).append(term.product)
            writes = []
            for channel, cell in touched:
                at = flat_index(cell, windows.output_size)
                # From the start each time: so the sum is correctly rounded, as that of a gather is.
                total = sum_of(received[channel, cell] + ([] if self.bias is None else [self.bias.flat[channel]]))
                writes.append(Write(channel, cell, self.y[channel][at], total))
                self.y[channel][at] = total
            yield Step(place, tuple(self._stamped(one) for one in contacts), terms, tuple(writes))

    @staticmethod
    def _stamped(contact: Contact) -> Tap:
        origin = "cropped" if contact.output is None else "output" if contact.origin == "input" else contact.origin
        return Tap(contact.tap, contact.position, contact.output, origin)

    def _terms(self, contacts: Sequence[Contact]) -> Iterator[Term]:
        """The products of a step: by output channel, input channel, tap."""
        windows, size = self.windows, self.windows.input_size
        kept = [
            (
                number,
                contact,
                None if contact.input is None else flat_index(contact.input, size),
                flat_index(contact.tap, self.spec.kernel_size),
            )
            for number, contact in enumerate(contacts)
            if contact.output is not None
        ]
        zero = self._zero
        for oc in range(self.spec.out_channels):
            for ic in windows.inputs_of(oc):
                first, second = windows.weight_channels(ic, oc)
                taps, values = self.taps[first * self.weight.shape[1] + second], self.x[ic]
                for number, contact, cell, tap in kept:
                    value = zero if cell is None else values[cell]
                    # A transposed convolution multiplies no zeros: an infinite weight does not make them NaN in its gather.
                    product = value if cell is None and self.spec.transposed else value * taps[tap]
                    yield Term(oc, ic, number, (first, second, *contact.tap), value, taps[tap], product)

    @property
    def _zero(self) -> Number:
        """A zero of the input's kind."""
        first = self.x[0][0]
        return type(first)(0)

    # -- what stands around them -----------------------------------------------------------------

    def _grid(self, name: str, channels: int, size: Index, values: tuple[tuple[Number | None, ...], ...], used: set[Index] | None) -> Grid:
        """The input or the output; `used` are the positions under windows, None of the grid that no window lies on."""
        ranges = [range(extent) for extent in size] if used is None else shown_ranges(self.windows.axes, self.reading)
        cells = []
        for position in itertools.product(*ranges):
            source, origin = (position, name) if used is None else self._held(position, name, size)
            cells.append(Cell(position, source, origin, used is None or position in used))
        per_group = channels // self.spec.groups
        return Grid(
            name=name,
            channels=channels,
            groups=tuple(channel // per_group for channel in range(channels)),
            size=size,
            first=tuple(along.start for along in ranges),
            last=tuple(along.stop - 1 for along in ranges),
            cells=tuple(cells),
            values=values,
        )

    def _held(self, position: Index, name: str, size: Index) -> tuple[Index | None, str]:
        """The cell whose value stands at a place under the window, and how it comes there."""
        if self.spec.transposed and self.reading == "gather":
            found = [axis.zero_inserted(place) for axis, place in zip(self.windows.axes, position, strict=True)]
            source = tuple(cell for cell, _ in found if cell is not None)
            if len(source) == len(found):
                return source, "input"
            return None, "inserted" if all(cell is not None or is_inserted for cell, is_inserted in found) else "zero"
        homes = [home(place, extent, self.spec.padding_mode) for place, extent in zip(position, size, strict=True)]
        source = tuple(cell for cell in homes if cell is not None)
        if len(source) < len(homes):
            return None, "cropped" if self.reading == "scatter" else "zero"
        return source, name if source == position else ORIGINS[self.spec.padding_mode]

    def _kernel(self) -> Kernel:
        shape = self.weight.shape
        per_group = shape[0] // self.spec.groups
        return Kernel(
            shape=shape,
            groups=tuple(first // per_group for first in range(shape[0])),
            dilation=self.spec.dilation,
            values=tuple(tuple(self.taps[first * shape[1] + second] for second in range(shape[1])) for first in range(shape[0])),
            bias=None if self.bias is None else self.bias.flat,
        )


def shown_ranges(axes: Iterable[AxisTaps], reading: str) -> list[range]:
    """What is shown of the grid under the window, along each axis."""
    return [axis.shown_gather if axis.axis.transposed and reading == "gather" else axis.shown for axis in axes]


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
    _check_terms(math.prod(places) * weights, f"{'*'.join(map(str, places))} windows * {weights} weights")


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


def _places(size: Index) -> Iterator[Index]:
    return itertools.product(*map(range, size))


def _check_cells(what: str, channels: int, size: Sequence[int]) -> None:
    count = channels * math.prod(size)
    if count > MAX_CELLS:
        arithmetic = f"{channels} channel{'s' * (channels != 1)} * {'*'.join(map(str, size))}"
        raise ConvShapeError(
            f"the {what} has {arithmetic} = {count} cells, more than {MAX_CELLS}, the most that a scene shows.",
            "Show the same layer on a smaller input and with fewer channels, such as input_size=(8, 8).",
        )


def _check_terms(count: int, arithmetic: str) -> None:
    if count > MAX_TERMS:
        raise ConvShapeError(
            f"there are {arithmetic} = {count} products, more than {MAX_TERMS}, the most that a scene lists."
            if arithmetic != str(count)
            else f"there are more than {MAX_TERMS} products, the most that a scene lists.",
            "Show the same layer on a smaller input and with fewer channels, such as input_size=(8, 8).",
        )
