"""`ConvSpec`: the one description of a convolution, from which everything else is derived.

Owns the fields, their normal form and their rules. Sizes come from `geometry`, counts from `cost`, text
from `notation`, other frameworks' code from `frameworks`, gradients from `adjoint`; the spec is the face
of all of them. Imports nothing that needs NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property, partial
from typing import Any

from faltung import cost, frameworks, normal_form, notation
from faltung.adjoint import Adjoint, adjoint_of
from faltung.borders import PADDING_MODES
from faltung.errors import ConvShapeError, ConvSpecError, one_of, shown
from faltung.geometry import Axis
from faltung.normal_form import Sides, check_extent, entries, flag, integer, number_of_axes, per_axis

__all__ = ["ConvSpec"]


@dataclass(frozen=True)
class ConvSpec:
    """One convolution: channels, kernel, stride, padding, dilation, groups and direction.

    Parameters
    ----------
    in_channels, out_channels : int
        At least 1, both divisible by `groups`.
    kernel_size : int or tuple of int
        Cells along each axis, at least 1. An int needs `ndim`.
    stride, dilation : int or tuple of int
        At least 1; dilation 1 means no holes.
    padding : int, tuple of int, tuple of (before, after) or str
        Cells added in front of and behind the input, negative to crop; or a rule: ``"valid"`` (none),
        ``"same"`` (output as large as the input, stride 1 only), ``"same_upper"`` / ``"same_lower"``
        (``ceil(input / stride)`` outputs; an odd total has its larger half after / before), ``"full"``
        (every overlap), ``"causal"`` (all of it before). Of a transposed spec it is the padding of the
        adjoint: it crops the output, negative extends it.
    groups : int
        Channels are split into this many groups that do not see each other.
    bias : bool
        Whether one number a channel is added to the output.
    padding_mode : str
        What stands in the padding: ``"zeros"``, ``"circular"``, ``"reflect"`` (edge not repeated),
        ``"replicate"``, ``"symmetric"`` (edge repeated). The input is continued without end; wrapping more
        than once around is allowed. Of a transposed spec: what leaves the output is added back where the
        mode would have read it, so that it stays the adjoint.
    transposed : bool
        The adjoint of the strided correlation (PyTorch's ``ConvTranspose``).
    output_padding : int or tuple of int
        Cells appended to a transposed output; less than ``max(stride, dilation)``.
    flip : bool
        False: cross-correlation, which deep learning calls convolution. True: the mathematical
        convolution, with the kernel reversed along every axis.
    ndim : int, optional
        Number of spatial axes; needed where `kernel_size` is an int.

    Raises
    ------
    ConvSpecError
        A field breaks its rule; the message has the numbers and a remedy.

    Examples
    --------
    >>> spec = ConvSpec(3, 64, 7, stride=2, padding=3, bias=False, ndim=2)
    >>> spec.output_shape((1, 3, 224, 224)), spec.parameters, spec.macs((224, 224))
    ((1, 64, 112, 112), 9408, 118013952)
    >>> ConvSpec(**spec.to_dict()) == spec == ConvSpec.parse(str(spec))
    True
    """

    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...] = 1  # type: ignore[assignment]
    padding: Sides | str = 0  # type: ignore[assignment]
    dilation: tuple[int, ...] = 1  # type: ignore[assignment]
    groups: int = 1
    bias: bool = True
    padding_mode: str = "zeros"
    transposed: bool = False
    output_padding: tuple[int, ...] = 0  # type: ignore[assignment]
    flip: bool = False
    ndim: int = None  # type: ignore[assignment]

    # Every per-axis field may be given as one int; the declared types are those of the normal form.
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | Sequence[Sequence[int]] | str = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        transposed: bool = False,
        output_padding: int | Sequence[int] = 0,
        flip: bool = False,
        ndim: int | None = None,
    ) -> None:
        put = partial(object.__setattr__, self)  # the class is frozen
        put("ndim", number_of_axes(kernel_size, ndim))
        put("kernel_size", per_axis("kernel_size", kernel_size, self.ndim, least=1))
        put("in_channels", integer("in_channels", in_channels, least=1))
        put("out_channels", integer("out_channels", out_channels, least=1))
        put("stride", per_axis("stride", stride, self.ndim, least=1))
        put("dilation", per_axis("dilation", dilation, self.ndim, least=1))
        put("padding", normal_form.padding(padding, self.ndim))
        put("groups", integer("groups", groups, least=1))
        for name, value in (("bias", bias), ("transposed", transposed), ("flip", flip)):
            put(name, flag(name, value))
        put("padding_mode", one_of("padding_mode", padding_mode, PADDING_MODES, ConvSpecError))
        put("output_padding", per_axis("output_padding", output_padding, self.ndim, least=0))
        self._check()

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, field.name) for field in fields(self)))

    # Caches are looked up with specs at every call.
    def __hash__(self) -> int:
        return self._hash

    def __getstate__(self) -> dict[str, Any]:
        """Without the hash: that of a text differs from process to process."""
        state = self.__dict__.copy()  # in one step: another thread may add what is remembered here
        state.pop("_hash", None)
        return state

    # -- rules -----------------------------------------------------------------------------------

    def _check(self) -> None:
        self._check_groups()
        for axis in self.axes:
            check_extent(axis.index, f"{axis.dilation}*({axis.kernel}-1) + 1", axis.extent)
            if not isinstance(axis.padding, str):
                before, after = axis.padding
                check_extent(axis.index, f"padding {abs(before)} + {abs(after)}", abs(before) + abs(after))
        if self.padding == "same" and any(step != 1 for step in self.stride):
            raise ConvSpecError(
                f"padding='same' needs stride 1, it is {self.stride}.",
                "Use padding='same_upper' (ceil(input / stride) outputs, as TensorFlow and ONNX) or numbers.",
            )
        if any(self.output_padding):
            self._check_output_padding()

    def _check_groups(self) -> None:
        for name in ("in_channels", "out_channels"):
            channels = getattr(self, name)
            if channels % self.groups:
                common = math.gcd(self.in_channels, self.out_channels)
                fitting = [g for g in range(1, min(common, 4096) + 1) if common % g == 0]
                head = (
                    f"conv{'_transpose' if self.transposed else ''}{self.ndim}d({self.in_channels}, {self.out_channels}, {self.kernel_size}"
                )
                listed = ", ".join(map(str, fitting[:12])) + (", …" if len(fitting) > 12 or common not in fitting else "")
                raise ConvSpecError(
                    f"groups={self.groups} does not divide {name}={channels} (remainder {channels % self.groups}).",
                    f"{head}, groups={self.groups}); groups that fit here: {listed}.",
                )

    def _check_output_padding(self) -> None:
        if not self.transposed:
            raise ConvSpecError(
                f"output_padding={self.output_padding} belongs to a transposed convolution.",
                "Use transposed=True, or padding on the input.",
            )
        if isinstance(self.padding, str) and self.padding.startswith("same"):
            raise ConvSpecError(
                f"output_padding={self.output_padding} contradicts padding={self.padding!r}, which fixes the output at input*stride.",
                "Leave output_padding out, or give the padding in numbers.",
            )
        for axis in self.axes:
            limit = max(axis.stride, axis.dilation)
            if axis.output_padding >= limit:
                raise ConvSpecError(
                    f"output_padding={axis.output_padding} along axis {axis.index} is not below max(stride, dilation) = "
                    f"max({axis.stride}, {axis.dilation}) = {limit}.",
                    f"{f'Use at most {limit - 1}' if limit > 1 else 'Leave it out'}; for a larger output use negative padding.",
                )

    # -- structure -------------------------------------------------------------------------------

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """Each axis on its own, for `geometry`."""
        paddings: Sequence[tuple[int, int] | str] = (self.padding,) * self.ndim if isinstance(self.padding, str) else self.padding
        rows = zip(self.kernel_size, self.stride, self.dilation, paddings, self.output_padding, strict=True)
        return tuple(Axis(index, *row, self.transposed) for index, row in enumerate(rows))

    @cached_property
    def weight_shape(self) -> tuple[int, ...]:
        """``(out, in/groups, *kernel)``, transposed ``(in, out/groups, *kernel)``."""
        first, second = (self.in_channels, self.out_channels) if self.transposed else (self.out_channels, self.in_channels)
        return (first, second // self.groups, *self.kernel_size)

    @property
    def bias_shape(self) -> tuple[int, ...] | None:
        """``(out,)``, or None without bias."""
        return (self.out_channels,) if self.bias else None

    @property
    def effective_kernel_size(self) -> tuple[int, ...]:
        """Cells that the dilated kernel spans along each axis."""
        return tuple(axis.extent for axis in self.axes)

    def receptive_field(self) -> tuple[int, ...]:
        """Input cells, first to last, between which one output can look, per axis.

        >>> ConvSpec(1, 1, (3, 3), dilation=(1, 2)).receptive_field()
        (3, 5)
        """
        return tuple(axis.receptive_field() for axis in self.axes)

    @property
    def kinds(self) -> frozenset[str]:
        """The names under which the field knows this convolution.

        ``standard`` is a dense spatial one that is neither dilated nor transposed; ``grouped`` means
        between 1 and in_channels groups, ``depthwise`` exactly in_channels (more than one).

        >>> sorted(ConvSpec(8, 8, 3, groups=8, stride=2, ndim=2).kinds)
        ['depthwise', 'strided']
        """
        pads = (isinstance(self.padding, str) and self.padding != "valid") or (
            not isinstance(self.padding, str) and any(map(any, self.padding))
        )
        pointwise = all(kernel == 1 for kernel in self.kernel_size)
        dilated = any(axis.dilation > 1 and axis.kernel > 1 for axis in self.axes)
        names = {
            "pointwise": pointwise,
            "depthwise": self.groups == self.in_channels > 1,
            "grouped": 1 < self.groups < self.in_channels,
            "dilated": dilated,
            "strided": any(step > 1 for step in self.stride),
            "transposed": self.transposed,
            "causal": self.padding == "causal",
            "flipped": self.flip,
            "standard": self.groups == 1 and not (pointwise or dilated or self.transposed),
            self.padding_mode: pads and self.padding_mode != "zeros",
        }
        return frozenset(name for name, holds in names.items() if holds)

    # -- sizes -----------------------------------------------------------------------------------

    def checked_size(self, name: str, size: object) -> tuple[int, ...]:
        """`size` as one int per axis, between 0 and 2**62 - 1; an int counts for every axis."""
        return normal_form.sizes(name, size, self.ndim)

    def sides(self, input_size: int | Sequence[int]) -> Sides:
        """``(before, after)`` per axis for this input size: rules put into numbers.

        >>> ConvSpec(1, 1, 3, stride=2, padding="same_upper", ndim=1).sides((6,))
        ((0, 1),)
        """
        return tuple(axis.sides(size) for axis, size in zip(self.axes, self.checked_size("input_size", input_size), strict=True))

    def output_size(self, input_size: int | Sequence[int]) -> tuple[int, ...]:
        """Spatial size of the output.

        Raises
        ------
        ConvShapeError
            No window fits along an axis, or an extent passes 2**62 - 1.

        >>> ConvSpec(1, 1, 3, stride=2, ndim=2).output_size((5, 6))
        (2, 2)
        """
        return tuple(axis.output_size(size) for axis, size in zip(self.axes, self.checked_size("input_size", input_size), strict=True))

    def output_shape(self, input_shape: Sequence[int]) -> tuple[int, ...]:
        """``(N, out, *output_size)`` of ``(N, in, *input_size)``; without N for an unbatched input.

        >>> ConvSpec(3, 8, 3, ndim=2).output_shape((3, 5, 5))
        (8, 3, 3)
        """
        batch, size = self.split_shape(input_shape)
        return (*batch, self.out_channels, *self.output_size(size))

    def split_shape(self, input_shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """``((N,) or (), input_size)`` of an input's shape, its rank and channels checked."""
        given = entries(input_shape)
        if given is None:
            raise ConvShapeError(f"input_shape={shown(input_shape)} is no sequence of sizes.", "Give (N, C, …) or (C, …), such as x.shape.")
        shape = tuple(integer(f"input_shape[{axis}]", size, least=0, error=ConvShapeError) for axis, size in enumerate(given))
        letters = ", ".join("DHW"[-self.ndim :]) if self.ndim <= 3 else f"{self.ndim} sizes"
        if len(shape) not in (self.ndim + 1, self.ndim + 2):
            raise ConvShapeError(
                f"input has shape {shape}, {len(shape)} axes; {self} takes {self.ndim + 2} (N, C, {letters})"
                f" or {self.ndim + 1} (C, {letters}).",
                "Add axes with x[None], or use the convolution with the right number of axes.",
            )
        channels = shape[-self.ndim - 1]
        if channels != self.in_channels:
            raise ConvShapeError(
                f"input has {channels} channels (shape {shape}), {self} takes {self.in_channels}.",
                f"Channels come first: (N, {self.in_channels}, {letters}); for channels-last arrays use"
                f" np.moveaxis(x, -1, {-self.ndim - 1}).",
            )
        return shape[: -self.ndim - 1], self.checked_size("input_size", shape[-self.ndim :])

    def input_sizes(self, output_size: int | Sequence[int]) -> tuple[range, ...]:
        """Every input size that gives `output_size`, a range per axis (empty where none does).

        >>> ConvSpec(1, 1, 3, stride=2, ndim=1).input_sizes((4,))
        (range(9, 11),)
        """
        return tuple(axis.input_sizes(size) for axis, size in zip(self.axes, self.checked_size("output_size", output_size), strict=True))

    # -- counts ----------------------------------------------------------------------------------

    @property
    def parameters(self) -> int:
        """Numbers that a layer would learn: weight and bias."""
        return cost.parameters(self)

    def macs(self, input_size: int | Sequence[int]) -> int:
        """Multiply-accumulates for one sample, products with padding cells included.

        Of a transposed spec: each input cell times the whole kernel (its adjoint's count).
        """
        return cost.macs(self, self.checked_size("input_size", input_size))

    def flops(self, input_size: int | Sequence[int]) -> int:
        """Floating-point operations for one sample: two a MAC, one a bias addition."""
        return cost.flops(self, self.checked_size("input_size", input_size))

    def memory(self, input_shape: Sequence[int], dtype: str = "float32") -> cost.Memory:
        """Bytes of input, output, weight and bias in `dtype` (a dtype or its name).

        >>> ConvSpec(3, 64, 7, stride=2, padding=3, ndim=2).memory((1, 3, 224, 224)).weight_bytes
        37632
        """
        itemsize = cost.itemsize(dtype)
        batch, size = self.split_shape(input_shape)
        return cost.memory(self, (*batch, self.in_channels, *size), itemsize)

    # -- other forms -----------------------------------------------------------------------------

    def adjoint(self, input_size: int | Sequence[int] | None = None, *, batch: int = 1) -> Adjoint:
        """The specs that compute the input gradient and the weight gradient.

        Parameters
        ----------
        input_size : int or tuple of int, optional
            Spatial size of the input. Without it the output padding of the input's gradient is 0 and the
            weight's gradient, whose kernel is as large as the output, is None.
        batch : int
            Samples that the weight's gradient sums over.

        >>> spec = ConvSpec(4, 8, 3, stride=2, padding=1, ndim=1)
        >>> print(spec.adjoint((6,)).input_grad)
        conv_transpose1d(8, 4, (3,), stride=(2,), padding=(1,), output_padding=(1,), bias=False)
        >>> print(spec.adjoint((6,)).weight_grad)
        conv1d(1, 8, (3,), padding=((1, 0),), dilation=(2,), bias=False)
        """
        return adjoint_of(
            self, None if input_size is None else self.checked_size("input_size", input_size), integer("batch", batch, least=1)
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields in normal form; ``ConvSpec(**spec.to_dict()) == spec``."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def parse(cls, text: str) -> ConvSpec:
        """Read ``conv2d(3, 64, 7, stride=2)``, a PyTorch constructor or repr, or ``ConvSpec(…)``; never evaluated.

        >>> print(ConvSpec.parse("nn.ConvTranspose2d(8, 4, 4, 2, 1)"))
        conv_transpose2d(8, 4, (4, 4), stride=(2, 2), padding=(1, 1))
        """
        return cls(**notation.parse_fields(text))

    def __str__(self) -> str:
        return notation.format_spec(self)

    def to_pytorch(self) -> str:
        """PyTorch code that builds the same layer."""
        return frameworks.to_pytorch(self)

    def to_onnx(self) -> str:
        """Code that builds the same ONNX node or nodes."""
        return frameworks.to_onnx(self)

    def to_jax(self) -> str:
        """JAX code that computes the same."""
        return frameworks.to_jax(self)

    def to_keras(self) -> str:
        """Keras code that builds the same layer."""
        return frameworks.to_keras(self)
