"""Sizes, padding and phases of one axis: the only shape formulas of the package.

Everything here is exact arithmetic on Python integers, one axis at a time; `ConvSpec.axes` gives the
`Axis` of each. Imports nothing but `errors`.

Along one axis, output o and kernel tap k meet the input at ``o*stride + k*dilation - before``. A
transposed axis is the adjoint of that: input i and tap k add to the output at
``i*stride + k*dilation - before``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from faltung.errors import ConvShapeError, ConvSpecError

__all__ = ["MAX_EXTENT", "PADDING_RULES", "Axis", "Phase", "extent_of", "reach_of", "same_padding"]

MAX_EXTENT = 2**62 - 1
"""The largest extent along an axis, padding included: positions then stay inside 64-bit integers."""

PADDING_RULES = ("valid", "same", "same_upper", "same_lower", "full", "causal")

Padding = tuple[int, int] | str


def extent_of(kernel: int, dilation: int) -> int:
    """Cells that a dilated kernel spans: ``dilation*(kernel-1) + 1``.

    >>> extent_of(3, 2)
    5
    """
    return dilation * (kernel - 1) + 1


def same_padding(input_size: int, kernel: int, stride: int, dilation: int, *, odd_cell: Literal["before", "after"]) -> tuple[int, int]:
    """Padding after which ``ceil(input_size / stride)`` windows fit (TensorFlow's and ONNX's SAME).

    An odd total leaves one cell over: `odd_cell` says on which side (ONNX SAME_UPPER: after). A
    negative total counts as 0.

    >>> same_padding(224, 7, 2, 1, odd_cell="after")
    (2, 3)
    >>> same_padding(6, 1, 2, 1, odd_cell="after")
    (0, 0)
    """
    outputs = -(-input_size // stride)
    total = max((outputs - 1) * stride + extent_of(kernel, dilation) - input_size, 0)
    less, more = total // 2, total - total // 2
    return (less, more) if odd_cell == "after" else (more, less)


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a convolution.

    Parameters
    ----------
    index : int
        Which axis this is, for error messages.
    kernel, stride, dilation : int
        All at least 1.
    padding : (int, int) or str
        ``(before, after)``, negative to crop, or one of `PADDING_RULES`.
    output_padding : int
        Cells appended to the output of a transposed axis.
    transposed : bool

    Examples
    --------
    >>> axis = Axis(0, kernel=7, stride=2, padding=(3, 3))
    >>> axis.output_size(224)
    112
    >>> axis.output_sum(224)
    'floor((224 + 3 + 3 - 1*(7-1) - 1) / 2) + 1 = 112'
    >>> axis.input_sizes(112)
    range(223, 225)
    """

    index: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    padding: Padding = (0, 0)
    output_padding: int = 0
    transposed: bool = False

    @property
    def extent(self) -> int:
        """Cells that the dilated kernel spans."""
        return extent_of(self.kernel, self.dilation)

    # -- padding ---------------------------------------------------------------------------------

    def sides(self, input_size: int) -> tuple[int, int]:
        """``(before, after)`` for an input of `input_size`: a rule put into numbers.

        Of a transposed axis these are the sides of its adjoint, whose input is this axis' output.

        >>> Axis(0, kernel=3, dilation=2, padding="causal").sides(10)
        (4, 0)
        """
        reach = self.extent - 1
        match self.padding:
            case "valid":
                return 0, 0
            case "full":
                return reach, reach
            case "causal":
                return reach, 0
            case "same" | "same_upper" | "same_lower" as rule:
                size = input_size * self.stride if self.transposed else input_size
                odd_cell: Literal["before", "after"] = "before" if rule == "same_lower" else "after"
                return same_padding(size, self.kernel, self.stride, self.dilation, odd_cell=odd_cell)
            case (before, after):
                return before, after
        raise ConvSpecError(f"padding={self.padding!r} along axis {self.index} is neither a pair nor a rule.")

    @property
    def is_same(self) -> bool:
        """Whether the padding is one of the SAME rules, which fix the output size themselves."""
        return self.padding in ("same", "same_upper", "same_lower")

    # -- sizes -----------------------------------------------------------------------------------

    def output_size(self, input_size: int, *, ceil: bool = False) -> int:
        """Outputs along this axis for `input_size` inputs.

        Parameters
        ----------
        input_size : int
        ceil : bool
            Count the last, partly filled window too (a pooling layer's ``ceil_mode``; the window must
            still begin inside the input or the padding before it).

        Raises
        ------
        ConvShapeError
            No window fits, or an extent exceeds `MAX_EXTENT`.

        >>> Axis(0, kernel=2, stride=2).output_size(5), Axis(0, kernel=2, stride=2).output_size(5, ceil=True)
        (2, 3)
        >>> Axis(0, kernel=3, stride=2, transposed=True, output_padding=1, padding=(1, 1)).output_size(4)
        8
        """
        if input_size == 0 and (self.transposed or self.is_same):
            return 0
        output = self._raw_output_size(input_size)
        if ceil and not self.transposed:
            before, after = self.sides(input_size)
            output = -(-(input_size + before + after - self.extent) // self.stride) + 1
            if (output - 1) * self.stride >= input_size + before:
                output -= 1
        if output > 0:
            return output
        if input_size == 0:
            return 0
        raise self._no_output(input_size)

    def _raw_output_size(self, input_size: int) -> int:
        """The formula's value, checked against overflow but not against "no window fits"."""
        before, after = self.sides(input_size)
        if self.transposed:
            if self.is_same:
                return self._checked(input_size * self.stride, f"{input_size}*{self.stride}")
            canvas = (input_size - 1) * self.stride + self.extent
            self._checked(canvas + abs(self.output_padding), f"({input_size} - 1)*{self.stride} + {self.extent} + {self.output_padding}")
            return self._checked(canvas - before - after + self.output_padding, self._terms(input_size))
        padded = self._checked(input_size + before + after, f"{input_size} + {before} + {after}")
        self._checked(input_size + abs(before) + abs(after), f"{input_size} + {abs(before)} + {abs(after)}")
        return (padded - self.extent) // self.stride + 1

    def _terms(self, input_size: int) -> str:
        before, after = self.sides(input_size)
        reach = f"{self.dilation}*({self.kernel}-1)"
        if not self.transposed:
            return f"floor(({input_size} + {before} + {after} - {reach} - 1) / {self.stride}) + 1"
        if self.is_same:
            return f"{input_size}*{self.stride}"
        return f"({input_size} - 1)*{self.stride} - {before} - {after} + {reach} + {self.output_padding} + 1"

    def output_sum(self, input_size: int) -> str:
        """The output size as a sum with the numbers put in; `input_size` must give an output."""
        return f"{self._terms(input_size)} = {self.output_size(input_size)}"

    def unused_cells(self, input_size: int) -> int:
        """Trailing cells of input plus padding that no window reaches (0 for a transposed axis).

        >>> Axis(0, kernel=3, stride=2).unused_cells(6)
        1
        """
        if self.transposed or input_size == 0:
            return 0
        before, after = self.sides(input_size)
        return (input_size + before + after - self.extent) % self.stride

    def input_sizes(self, output_size: int) -> range:
        """Every input size that gives `output_size`: the inverse of `output_size`, within `MAX_EXTENT`.

        >>> Axis(0, kernel=3, stride=2, padding="same_upper").input_sizes(4)
        range(7, 9)
        >>> Axis(0, kernel=2, stride=2, transposed=True).input_sizes(5)
        range(0, 0)
        """
        if output_size < 0:
            raise ConvShapeError(f"output_size={output_size} along axis {self.index} is negative.", "Sizes are 0 or more.")
        if self.is_same:
            if self.transposed:
                inputs, rest = divmod(output_size, self.stride)
                return range(inputs, inputs + 1) if rest == 0 else range(0)
            if output_size == 0:
                return range(1)
            first = (output_size - 1) * self.stride + 1
            fits = first - 1 + self.extent <= MAX_EXTENT
            return range(first, min(first + self.stride, MAX_EXTENT + 1)) if fits else range(0)
        before, after = self.sides(0)
        if self.transposed:
            if output_size == 0:
                return range(1)
            inputs, rest = divmod(output_size - self.output_padding + before + after - self.extent, self.stride)
            fits = inputs * self.stride + self.extent + self.output_padding <= MAX_EXTENT and output_size <= MAX_EXTENT
            return range(inputs + 1, inputs + 2) if rest == 0 and inputs >= 0 and fits else range(0)
        if output_size == 0:  # only an empty axis may give nothing: elsewhere that is an error
            return range(1) if before + after < self.extent else range(0)
        smallest = (output_size - 1) * self.stride + self.extent - before - after
        largest = min(smallest + self.stride - 1, MAX_EXTENT - abs(before) - abs(after))
        return range(max(smallest, 0), max(largest + 1, 0))

    def receptive_field(self) -> int:
        """Input cells, first to last, between which one output can look.

        >>> Axis(0, kernel=3, dilation=2).receptive_field()
        5
        >>> Axis(0, kernel=4, stride=2, transposed=True).receptive_field()
        2
        """
        if not self.transposed:
            return self.extent
        step = self.stride // math.gcd(self.stride, self.dilation)
        most_taps = -(-self.kernel // step)
        return extent_of(most_taps, self.dilation * step // self.stride)

    def outputs_inside(self, tap: int, small: int, large: int, before: int) -> range:
        """The outputs, of `small`, for which `tap` meets one of `large` cells and not the padding.

        >>> Axis(0, kernel=3, dilation=4).outputs_inside(2, 6, 6, 4)
        range(0, 2)
        """
        offset = before - tap * self.dilation
        first = max(-(-offset // self.stride), 0)
        return range(first, max(first, min(-(-(large + offset) // self.stride), small)))

    # -- the adjoint, taken apart ----------------------------------------------------------------

    def reached_after(self, large: int, small: int, before: int) -> int:
        """Padding after `large` cells up to which `small` windows reach; negative where cells stay unused.

        >>> Axis(0, kernel=3, stride=2).reached_after(6, 2, 0)
        -1
        """
        return (small - 1) * self.stride + self.extent - before - large

    def phases(self, outputs: int, before: int) -> Iterator[Phase]:
        """The transposed axis as stride-1 correlations, one for each residue of the output position.

        Output q collects input i and tap k with ``i*stride + k*dilation == q + before``. All q of one
        residue modulo stride use the same taps, so no zeros need to be inserted between the inputs
        (Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2018, §4, in
        polyphase form). Residues that no tap reaches are left out: there the output receives nothing.

        Parameters
        ----------
        outputs : int
            Size of the axis written to.
        before : int
            Cells cropped in front of it.

        >>> [(phase.first, phase.taps) for phase in Axis(0, kernel=3, stride=2, transposed=True).phases(7, 0)]
        [(0, 2), (1, 1)]
        """
        shared = math.gcd(self.stride, self.dilation)
        tap_step, spacing = self.stride // shared, self.dilation // shared
        for tap in range(min(self.kernel, tap_step)):
            first = (tap * self.dilation - before) % self.stride
            if first >= outputs:
                continue
            taps = -(-(self.kernel - tap) // tap_step)
            meets = (first + before - tap * self.dilation) // self.stride
            yield Phase(
                first=first,
                count=-(-(outputs - first) // self.stride),
                tap=tap,
                tap_step=tap_step,
                taps=taps,
                dilation=spacing,
                before=(taps - 1) * spacing - meets,
            )

    # -- errors ----------------------------------------------------------------------------------

    def _checked(self, value: int, arithmetic: str) -> int:
        if abs(value) > MAX_EXTENT:
            raise ConvShapeError(
                f"extent along axis {self.index} is too large: {arithmetic} = {value}, more than {MAX_EXTENT} = 2**62 - 1.",
                "Positions must fit in 64-bit integers: use a smaller size, padding, stride or dilation.",
            )
        return value

    def _no_output(self, input_size: int) -> ConvShapeError:
        before, after = self.sides(input_size)
        value = self._raw_output_size(input_size)
        where = f"no output along axis {self.index}: {self._terms(input_size)} = {value}."
        if self.transposed:
            return ConvShapeError(where, f"The padding crops the whole output: reduce it by {1 - value} or more in total.")
        padded = input_size + before + after
        remedy = f"Input plus padding must be at least {self.extent}, it is {padded}. Add {self.extent - padded} of padding"
        largest_dilation = (padded - 1) // (self.kernel - 1) if self.kernel > 1 else 0
        if self.dilation > 1 and largest_dilation >= 1:
            remedy += f", or use dilation {largest_dilation} or less"
        elif self.kernel > 1 and padded >= 1:
            largest = (padded - 1) // self.dilation + 1
            remedy += f", or use a kernel of {largest}{' or less' if largest > 1 else ''}"
        return ConvShapeError(where, remedy + ".")


@dataclass(frozen=True, slots=True)
class Phase:
    """Outputs ``first, first + stride, …`` of a transposed axis: a correlation of its own.

    Output number m of the phase is ``sum over t of input[m + t*dilation - before] * kernel[tap + (taps-1-t)*tap_step]``
    for t in ``range(taps)``: taps in falling order.
    """

    first: int
    count: int
    tap: int
    tap_step: int
    taps: int
    dilation: int
    before: int

    @property
    def kernel_slice(self) -> slice:
        """The phase's taps in the order of the correlation, as a slice of the kernel axis."""
        last = self.tap + (self.taps - 1) * self.tap_step
        stop = self.tap - self.tap_step
        return slice(last, stop if stop >= 0 else None, -self.tap_step)


def reach_of(phases: Iterable[Phase]) -> tuple[int, int]:
    """The first and the last input that outputs number 0 of these phases meet; 0 and 0 where they meet none.

    >>> reach_of([Phase(0, 4, 0, 2, 2, 1, 1), Phase(1, 4, 1, 2, 1, 1, -1)])
    (-1, 1)
    """
    reached = [phase for phase in phases if phase.taps]
    first = min((-phase.before for phase in reached), default=0)
    last = max(((phase.taps - 1) * phase.dilation - phase.before for phase in reached), default=0)
    return first, last
