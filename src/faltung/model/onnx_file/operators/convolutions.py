"""Convolutions of all kinds: one spec each, from attributes and the shape of the weight."""

from __future__ import annotations

from collections.abc import Sequence

from faltung.errors import ConvShapeError, ConvTypeError, one_of, shown
from faltung.model.onnx_file.calls import Call, NoShapeError, shape_of
from faltung.model.onnx_file.operators.table import Operator
from faltung.model.onnx_file.tensors import Tensor
from faltung.model.operations import Convolve, Elementwise, Unknown
from faltung.spec import ConvSpec

__all__ = ["CONTRIBUTED", "STANDARD", "padding_of"]

Padding = tuple[tuple[int, int], ...] | str

_RULES = {"NOTSET": "", "VALID": "valid", "SAME_UPPER": "same_upper", "SAME_LOWER": "same_lower"}


def padding_of(call: Call, ndim: int) -> Padding:
    """The padding as a spec has it: ONNX lists all axes' cells in front, then all behind; `auto_pad` may be a rule instead."""
    rule = _RULES[one_of("auto_pad", call.attributes.text("auto_pad", "NOTSET") or "NOTSET", _RULES, ConvTypeError)]
    if rule.startswith("same"):
        return rule
    pads = call.attributes.ints("pads") if not rule else None
    if not pads:
        return ((0, 0),) * ndim
    if len(pads) != 2 * ndim:
        raise ConvShapeError(f"pads={shown(pads)} has {len(pads)} entries, {ndim} axes need {2 * ndim}.", "Export the file again.")
    return tuple(zip(pads[:ndim], pads[ndim:], strict=True))


def _spec(call: Call, weight: Tensor, *, bias: bool, transposed: bool = False, padding: int | None = None) -> ConvSpec:
    shape = weight.shape
    if shape is None:
        raise NoShapeError
    if len(shape) < 3 or 0 in shape:
        raise ConvShapeError(
            f"its weight has shape {shape}, (out, in/groups, *kernel) with one axis or more is needed.", "Export the file again."
        )
    first, second, *kernel = shape
    given = call.attributes.ints("kernel_shape")
    if given and tuple(given) != tuple(kernel):
        raise ConvShapeError(
            f"kernel_shape={shown(given)} and a weight of shape {shape} contradict each other.", "The file is damaged: export it again."
        )
    groups, ndim = call.attributes.integer("group", 1), len(kernel)
    if groups < 1:
        raise ConvShapeError(f"group={groups} is below 1.", "Export the file again.")
    return ConvSpec(
        first if transposed else second * groups,
        second * groups if transposed else first,
        tuple(kernel),
        stride=call.attributes.ints("strides") or 1,
        padding=padding_of(call, ndim) if padding is None else padding,
        dilation=call.attributes.ints("dilations") or 1,
        groups=groups,
        bias=bias,
        transposed=transposed,
        output_padding=(call.attributes.ints("output_padding") or 0) if transposed else 0,
        ndim=ndim,
    )


def _conv(call: Call) -> list[Tensor]:
    x, weight, bias = call.computed(call.tensor(0)), call.tensor(1), call.optional(2)
    spec = _spec(call, weight, bias=bias is not None)
    return [call.emit(Convolve(spec), [x, weight, bias], _output(spec, x), x.dtype, learned=[weight, bias])]


def _output(spec: ConvSpec, x: Tensor) -> tuple[int, ...] | None:
    if x.shape is None:
        return None
    if len(x.shape) != spec.ndim + 2:
        raise ConvShapeError(
            f"its input has shape {x.shape}, {spec} takes {spec.ndim + 2} dimensions.", "Give an input_shape with batch and channels."
        )
    return spec.output_shape(x.shape)


def _conv_transpose(call: Call) -> list[Tensor]:
    x, weight, bias = call.computed(call.tensor(0)), call.tensor(1), call.optional(2)
    wanted = call.attributes.ints("output_shape")
    if not wanted and any(call.attributes.ints("output_padding") or ()) and call.attributes.text("auto_pad").startswith("SAME"):
        wanted = _same_size(call, x)
    spec = _spec(call, weight, bias=bias is not None, transposed=True) if not wanted else _for_output(call, x, weight, bias, wanted)
    return [call.emit(Convolve(spec), [x, weight, bias], _output(spec, x), x.dtype, learned=[weight, bias])]


def _for_output(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None, wanted: Sequence[int]) -> ConvSpec:
    """The spec whose output has the size that the file asks for: what is too much is cropped, its odd cell behind or in front."""
    if x.shape is None:
        raise NoShapeError
    upper = call.attributes.text("auto_pad", "NOTSET") == "SAME_UPPER"
    spec = _spec(call, weight, bias=bias is not None, transposed=True, padding=0)
    if len(wanted) == spec.ndim + 2:  # of old files with batch and channels
        wanted = wanted[2:]
    if len(wanted) != spec.ndim or len(x.shape) != spec.ndim + 2:
        raise ConvShapeError(
            f"output_shape={shown(tuple(wanted))} and an input of shape {x.shape} do not fit {spec}.", "Export the file again."
        )
    sides = []
    for axis, size, goal in zip(spec.axes, x.shape[2:], wanted, strict=True):
        total = axis.output_size(size) - goal
        less, more = total // 2, total - total // 2
        if total < 0:  # cells are appended behind, none are added in front
            less, more = 0, total
        sides.append((less, more) if upper or total < 0 else (more, less))
    return _with_padding(spec, tuple(sides))


def _same_size(call: Call, x: Tensor) -> tuple[int, ...]:
    """The output that SAME fixes, which `output_padding` does not change: what it appends is cropped again."""
    size = shape_of(x)[2:]
    strides = call.attributes.ints("strides") or (1,) * len(size)
    return ConvSpec(1, 1, (1,) * len(size), stride=strides, padding="same_upper", transposed=True).output_size(size)


def _with_padding(spec: ConvSpec, padding: Padding) -> ConvSpec:
    return ConvSpec(**(spec.to_dict() | {"padding": padding}))


def _conv_integer(call: Call) -> list[Tensor]:
    x, weight = call.computed(call.tensor(0)), call.tensor(1)
    spec = _spec(call, weight, bias=False)
    inputs = [x, weight, call.optional(2), call.optional(3)]
    return [call.emit(Convolve(spec), inputs, _output(spec, x), "int32", learned=[weight])]


def _qlinear_conv(call: Call) -> list[Tensor]:
    """Inputs: x and its scale and zero point, the weight and its, the output's, the bias."""
    if call.attributes.integer("channels_last", 0):
        raise NoShapeError("a convolution with channels last is not read")
    x, weight, bias = call.computed(call.tensor(0)), call.tensor(3), call.optional(8)
    spec = _spec(call, weight, bias=bias is not None)
    inputs = [x, weight, bias, *(call.optional(index) for index in (1, 2, 4, 5, 6, 7))]
    zero = call.optional(7)
    return [call.emit(Convolve(spec), inputs, _output(spec, x), zero.dtype if zero else x.dtype, learned=[weight, bias])]


def _deformable(call: Call) -> list[Tensor]:
    """Inputs: x, the weight, the offsets of its taps, the bias, a mask."""
    x, weight, bias = call.computed(call.tensor(0)), call.tensor(1), call.optional(3)
    shape = _output(_spec(call, weight, bias=bias is not None), x)
    reason = "a deformable convolution: its taps lie where computed numbers say"
    return [call.emit(Unknown(reason), [x, weight, bias, call.optional(2), call.optional(4)], shape, x.dtype, learned=[weight, bias])]


def _fused_conv(call: Call) -> list[Tensor]:
    """A convolution, then perhaps another array added, then perhaps an activation: a node each."""
    x, weight, bias, added = call.computed(call.tensor(0)), call.tensor(1), call.optional(2), call.optional(3)
    spec = _spec(call, weight, bias=bias is not None)
    name = call.attributes.text("activation").lower()
    steps = (added is not None) + bool(name)
    y = call.emit(Convolve(spec), [x, weight, bias], _output(spec, x), x.dtype, output=None if steps else 0, learned=[weight, bias])
    if added is not None:
        y = call.emit(Elementwise("add"), [y, added], y.shape, output=None if name else 0)
    if name:
        y = call.emit(Elementwise(_ACTIVATIONS.get(name, name), activates=True), [y], y.shape)
    return [y]


_ACTIVATIONS = {"leakyrelu": "leaky_relu", "clip": "clamp", "hardsigmoid": "hardsigmoid"}


STANDARD: dict[str, Operator] = {
    "Conv": _conv, "ConvTranspose": _conv_transpose, "ConvInteger": _conv_integer, "DeformConv": _deformable, "QLinearConv": _qlinear_conv,
}  # fmt: skip
CONTRIBUTED: dict[str, Operator] = {"FusedConv": _fused_conv, "QLinearConv": _qlinear_conv}
