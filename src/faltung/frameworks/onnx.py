"""ONNX: a ``ModelProto`` called ``model`` with inputs ``x``, ``weight``, ``bias`` and output ``y``.

The `Conv` and `ConvTranspose` nodes take all that ONNX lets them take; nodes before them pad, flip and
compute what depends on the input size. Opset 19 is the first whose `Pad` wraps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltung.errors import ConvSpecError
from faltung.frameworks import text
from faltung.frameworks.sides import Sides, crops, fixed_sides, grown_input, mode_in_use, negative_part, positive_part

if TYPE_CHECKING:
    from faltung.spec import ConvSpec

__all__ = ["to_onnx"]

_MODES = {"zeros": "constant", "circular": "wrap", "reflect": "reflect", "replicate": "edge"}

_SYMMETRIC = """\
# Continue each axis as c b a | a b c | c b a, which Pad cannot: Gather at the mirrored positions.
previous = "x"
for index, axis in enumerate({axes}):
    t = f"axis{{axis}}_"
    nodes += [
        helper.make_node("Constant", [], [t + "index"], value_int=index),
        helper.make_node("Gather", ["size", t + "index"], [t + "size"]),
        helper.make_node("Gather", ["before", t + "index"], [t + "before"]),
        helper.make_node("Gather", ["after", t + "index"], [t + "after"]),
        helper.make_node("Neg", [t + "before"], [t + "first"]),
        helper.make_node("Add", [t + "size", t + "after"], [t + "end"]),
        helper.make_node("Range", [t + "first", t + "end", "one"], [t + "position"]),
        helper.make_node("Add", [t + "size", t + "size"], [t + "period"]),
        helper.make_node("Mod", [t + "position", t + "period"], [t + "forward"]),
        helper.make_node("Sub", [t + "period", "one"], [t + "last"]),
        helper.make_node("Sub", [t + "last", t + "forward"], [t + "backward"]),
        helper.make_node("Min", [t + "forward", t + "backward"], [t + "source"]),
        helper.make_node("Gather", [previous, t + "source"], [t + "padded"], axis=axis),
    ]
    previous = t + "padded\""""


def to_onnx(spec: ConvSpec) -> str:
    """Code that ends in ``model``, an ONNX model of float32 inputs ``x`` (N, in, *input_size), ``weight``, ``bias``.

    Raises
    ------
    ConvSpecError
        A transposed convolution with a padding mode other than ``"zeros"``.

    Examples
    --------
    >>> from faltung.spec import ConvSpec
    >>> print(to_onnx(ConvSpec(3, 64, 7, stride=2, padding=3, bias=False, ndim=2)))
    from onnx import TensorProto, helper
    <BLANKLINE>
    node = helper.make_node(
        "Conv", ["x", "weight"], ["y"], kernel_shape=[7, 7], strides=[2, 2], pads=[3, 3, 3, 3]
    )
    graph = helper.make_graph(
        [node],
        "conv",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"]),
            helper.make_tensor_value_info("weight", TensorProto.FLOAT, [64, 3, 7, 7]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 64, "H_out", "W_out"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    """
    mode = mode_in_use(spec)
    if spec.transposed and mode != "zeros":
        raise ConvSpecError(
            f"ONNX cannot express padding_mode={mode!r} of a transposed convolution: ConvTranspose crops, it folds nothing back.",
            "Use padding_mode='zeros', or to_pytorch() or to_jax(), which fold the border back.",
        )
    nodes = _Nodes(spec)
    nodes.flip_weight()
    if spec.transposed:
        _transposed(spec, nodes)
    else:
        _correlation(spec, nodes, mode)
    return nodes.source()


class _Nodes:
    """The nodes written so far, as source, and the names of the tensors that stand for x and weight."""

    def __init__(self, spec: ConvSpec) -> None:
        self.spec = spec
        self.x, self.weight = "x", "weight"
        self.listed: list[str] = []
        self.loop = ""

    def add(self, operator: str, inputs: list[str], output: str, *attributes: str) -> None:
        arguments = [f'"{operator}"', _names(inputs), _names([output]), *attributes]
        self.listed.append(text.call("helper.make_node", arguments, room=text.WIDTH - 8))

    def constant(self, name: str, values: list[int] | int) -> None:
        self.add("Constant", [], name, f"value_int={values}" if isinstance(values, int) else f"value_ints={values}")

    def flip_weight(self) -> None:
        if not self.spec.flip:
            return
        ones = [-1] * self.spec.ndim
        self.constant("last", ones)
        self.constant("beyond_first", [-size - 1 for size in self.spec.kernel_size])
        self.constant("kernel_axes", list(range(2, self.spec.ndim + 2)))
        self.add("Slice", ["weight", "last", "beyond_first", "kernel_axes", "last"], "flipped")
        self.weight = "flipped"

    def pad(self, output: str, sides: Sides, mode: str, *, name: str = "pads") -> None:
        """A Pad node; negative sides crop."""
        if not any(map(any, sides)):
            return
        before, after = [0, 0, *(pair[0] for pair in sides)], [0, 0, *(pair[1] for pair in sides)]
        self.constant(name, before + after)
        self.add("Pad", [self.x, name], output, f'mode="{_MODES[mode]}"')
        self.x = output

    def same_sides(self) -> None:
        """Nodes for SAME's ``before`` and ``after``: total = max(extent - 1 - (size - 1) % stride, 0)."""
        self.constant("reach", [axis.extent - 1 for axis in self.spec.axes])
        self.constant("stride", list(self.spec.stride))
        self.constant("zero", 0)
        self.constant("two", 2)
        self.add("Sub", ["size", "one"], "size_minus_1")
        self.add("Mod", ["size_minus_1", "stride"], "covered")
        self.add("Sub", ["reach", "covered"], "missing")
        self.add("Max", ["missing", "zero"], "total")
        less, more = ("after", "before") if self.spec.padding == "same_lower" else ("before", "after")
        self.add("Div", ["total", "two"], less)
        self.add("Sub", ["total", less], more)

    def size(self) -> None:
        self.add("Shape", ["x"], "size", "start=2")
        self.constant("one", 1)

    def convolve(self, operator: str, options: list[tuple[str, list[int], int]], auto_pad: str = "") -> None:
        spec = self.spec
        attributes = [f"kernel_shape={list(spec.kernel_size)}"]
        for name, values, default in [("strides", list(spec.stride), 1), ("dilations", list(spec.dilation), 1), *options]:
            if any(value != default for value in values):
                attributes.append(f"{name}={values}")
        if auto_pad:
            attributes.append(f'auto_pad="{auto_pad}"')
        if spec.groups != 1:
            attributes.append(f"group={spec.groups}")
        self.add(operator, [self.x, self.weight, *["bias"] * spec.bias], "y", *attributes)

    def source(self) -> str:
        if len(self.listed) == 1:
            nodes, listed = f"node = {self.listed[0]}", "[node]"
        else:
            before = self.listed[:-1] if self.loop else self.listed
            nodes, listed = f"nodes = {text.listing(before, room=0)}", "nodes"
            if self.loop:
                nodes += f"\n{self.loop}\n{text.call('nodes.append', [self.listed[-1]])}"
        spec = self.spec
        sizes = list("DHW"[-spec.ndim :]) if spec.ndim <= 3 else [f"D{axis}" for axis in range(spec.ndim)]
        inputs = [_value("x", ["N", spec.in_channels, *sizes]), _value("weight", list(spec.weight_shape))]
        if spec.bias:
            inputs.append(_value("bias", [spec.out_channels]))
        outputs = [_value("y", ["N", spec.out_channels, *(f"{size}_out" for size in sizes)])]
        arguments = [listed, '"conv"', text.listing(inputs, room=0), text.listing(outputs)]
        graph = text.call("helper.make_graph", arguments, room=0)
        model = 'model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)'
        return f"from onnx import TensorProto, helper\n\n{nodes}\ngraph = {graph}\n{model}"


def _names(names: list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _value(name: str, shape: list[str | int]) -> str:
    sizes = ", ".join(f'"{size}"' if isinstance(size, str) else str(size) for size in shape)
    return f'helper.make_tensor_value_info("{name}", TensorProto.FLOAT, [{sizes}])'


def _correlation(spec: ConvSpec, nodes: _Nodes, mode: str) -> None:
    sides = fixed_sides(spec)
    pads: list[int] = []
    auto_pad = ""
    if mode == "symmetric":
        nodes.size()
        if sides is None:
            nodes.same_sides()
        else:
            nodes.constant("before", [before for before, _ in sides])
            nodes.constant("after", [after for _, after in sides])
        axes = tuple(range(2, spec.ndim + 2))
        nodes.loop = _SYMMETRIC.format(axes=axes)
        nodes.x = f"axis{axes[-1]}_padded"
    elif sides is None and mode == "zeros" and all(step == 1 for step in spec.dilation):
        auto_pad = "SAME_LOWER" if spec.padding == "same_lower" else "SAME_UPPER"
    elif sides is None:  # runtimes refuse auto_pad with dilation
        nodes.size()
        nodes.same_sides()
        nodes.add("Concat", ["before", "after"], "pads", "axis=0")
        nodes.constant("axes", list(range(2, spec.ndim + 2)))
        nodes.add("Pad", ["x", "pads", "", "axes"], "padded", f'mode="{_MODES[mode]}"')
        nodes.x = "padded"
    elif mode == "zeros" and all(side >= 0 for pair in sides for side in pair):
        pads = _pads(sides)
    elif mode == "zeros":
        nodes.pad("padded", sides, "zeros")
    else:  # the mode continues the whole input: only then crop
        nodes.pad("padded", positive_part(sides), mode)
        nodes.pad("cropped", tuple((-before, -after) for before, after in negative_part(sides)), "zeros", name="crops")
    nodes.convolve("Conv", [("pads", pads, 0)], auto_pad)


def _pads(sides: Sides) -> list[int]:
    """ONNX's order: every axis' cells in front, then every axis' cells behind."""
    return [before for before, _ in sides] + [after for _, after in sides]


def _transposed(spec: ConvSpec, nodes: _Nodes) -> None:
    cropped, appended = crops(spec), (0,) * spec.ndim
    # ONNX Runtime takes only an output_padding below the stride, whatever the dilation.
    if not isinstance(spec.padding, str) and _is_native(spec.padding, spec.output_padding, spec.stride):
        cropped, appended = spec.padding, spec.output_padding
    else:
        beyond = tuple(max(-after, 0) for _, after in cropped)
        inside = tuple((before, max(after, 0)) for before, after in cropped)
        if _is_native(inside, beyond, spec.stride):
            cropped, appended = inside, beyond
        else:
            grown, cropped = grown_input(spec, cropped)
            nodes.pad("padded", grown, "zeros")
    nodes.convolve("ConvTranspose", [("pads", _pads(cropped), 0), ("output_padding", list(appended), 0)])


def _is_native(sides: Sides, output_padding: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    return all(side >= 0 for pair in sides for side in pair) and all(
        more < step for more, step in zip(output_padding, strides, strict=True)
    )
