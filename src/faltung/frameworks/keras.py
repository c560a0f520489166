"""Keras 3: a layer, or a model of layers, called ``conv``; channels last, Keras' default on every backend.

Keras has no padding modes, no SAME with the odd cell in front, no stride together with dilation and no
groups in a transposed convolution: small layers around the convolution stand in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from textwrap import indent
from typing import TYPE_CHECKING

from faltung.errors import ConvSpecError
from faltung.frameworks import text
from faltung.frameworks.sides import Sides, crop_of, crops, fixed_sides, grown_input, mode_in_use, negative_part, positive_part

if TYPE_CHECKING:
    from faltung.spec import ConvSpec

__all__ = ["to_keras"]

_MODES = {"circular": "wrap", "reflect": "reflect", "replicate": "edge", "symmetric": "symmetric"}


def to_keras(spec: ConvSpec) -> str:
    """Keras code that ends in ``conv``, a layer or model for inputs (N, *input_size, in).

    Raises
    ------
    ConvSpecError
        More than 3 axes; a transposed convolution with a padding mode other than ``"zeros"``, or with both
        stride and dilation.

    Examples
    --------
    >>> from faltung.spec import ConvSpec
    >>> print(to_keras(ConvSpec(3, 64, 3, padding="same", ndim=2)))
    import keras
    <BLANKLINE>
    # Channels last: x is (N, H, W, 3). Set a NumPy weight of shape (64, 3, 3, 3) after the first call:
    #   conv.set_weights([weight.transpose(2, 3, 1, 0), bias])
    conv = keras.layers.Conv2D(64, kernel_size=(3, 3), padding="same")
    """
    if spec.ndim > 3:
        raise ConvSpecError(
            f"Keras has no convolution over {spec.ndim} axes: Conv1D, Conv2D and Conv3D are all.",
            "Use to_jax() or to_onnx(), which take any number of axes.",
        )
    return _transposed(spec) if spec.transposed else _correlation(spec)


def _source(spec: ConvSpec, layers: list[str], *, load: str, before: str = "", imports: tuple[str, ...] = ("import keras",)) -> str:
    """The whole text: imports, a class or model if needed, the comment on the weights, the assignment."""
    value = layers[0] if len(layers) == 1 else text.call("keras.Sequential", [text.listing(layers, room=0)])
    sizes = ", ".join("DHW"[-spec.ndim :])
    when = "after the first call (reversed: Keras does not flip)" if spec.flip else "after the first call"
    comment = f"# Channels last: x is (N, {sizes}, {spec.in_channels}). Set a NumPy weight of shape {spec.weight_shape} {when}:"
    return "\n".join([*imports, before, comment, f"#   conv.set_weights({load})", f"conv = {value}"])


def _flipped(spec: ConvSpec, weight: str = "weight") -> str:
    return f"{weight}[...{', ::-1' * spec.ndim}]" if spec.flip else weight


def _kernel_axes(spec: ConvSpec) -> str:
    return ", ".join(str(axis + 2) for axis in range(spec.ndim))


def _with_bias(spec: ConvSpec, kernel: str) -> str:
    return f"[{kernel}, bias]" if spec.bias else f"[{kernel}]"


def _needed_dilation(spec: ConvSpec) -> tuple[int, ...]:
    """Dilation where there is more than one tap to set apart."""
    return tuple(dilation if kernel > 1 else 1 for kernel, dilation in zip(spec.kernel_size, spec.dilation, strict=True))


def _layer(name: str, size: list[str], spec: ConvSpec, *, strides: tuple[int, ...], padding: str, groups: int = 1) -> str:
    ones = (1,) * spec.ndim
    dilation = _needed_dilation(spec)
    options = [("strides", strides, ones), ("padding", padding, "valid"), ("dilation_rate", dilation, ones), ("groups", groups, 1)]
    given = [f'{key}="{value}"' if isinstance(value, str) else f"{key}={value}" for key, value, default in options if value != default]
    return text.call(f"keras.layers.{name}", [*size, *given, *["use_bias=False"] * (not spec.bias)], room=text.WIDTH - 7)


def _sides(name: str, spec: ConvSpec, sides: Sides) -> list[str]:
    """A ZeroPadding or Cropping layer, none where there is nothing to do."""
    if not any(map(any, sides)):
        return []
    shown: object = sides
    if all(before == after for before, after in sides):
        shown = tuple(before for before, _ in sides)
    return [f"keras.layers.{name}{spec.ndim}D({shown[0] if spec.ndim == 1 else shown})"]  # type: ignore[index]


# -- correlation ---------------------------------------------------------------------------------


def _correlation(spec: ConvSpec) -> str:
    mode, sides = mode_in_use(spec), fixed_sides(spec)
    ones = (1,) * spec.ndim
    is_thinned = spec.stride != ones and _needed_dilation(spec) != ones
    depthwise = spec.groups == spec.in_channels > 1 and spec.ndim <= 2
    before, padding, layers = "", "valid", []
    imports: tuple[str, ...] = ("import keras",)
    if mode == "zeros" and not is_thinned and _is_keras_same(spec, sides):
        padding = "same"
    elif mode == "zeros" and spec.padding == "causal" and spec.ndim == 1 and not depthwise:
        padding = "causal"
    elif sides is None or mode != "zeros":
        name, before = _pad_class(spec, mode, sides)
        layers.append(f"{name}()")
        if sides is not None:
            layers += _sides("Cropping", spec, negative_part(sides))
        imports = ("import keras", "import numpy as np") if "np." in before else imports
    else:
        layers += _sides("ZeroPadding", spec, positive_part(sides)) + _sides("Cropping", spec, negative_part(sides))
    strides = ones if is_thinned else spec.stride
    if depthwise:
        multiplier = spec.out_channels // spec.in_channels
        size = [f"kernel_size={spec.kernel_size}", *[f"depth_multiplier={multiplier}"] * (multiplier > 1)]
        layers.append(_layer(f"DepthwiseConv{spec.ndim}D", size, spec, strides=strides, padding=padding))
        shape = f"{spec.in_channels}, {multiplier}, {', '.join(map(str, spec.kernel_size))}"
        weight = _flipped(spec) + (f".reshape({shape})" if multiplier > 1 else "")
        load = _with_bias(spec, f"{weight}.transpose({_kernel_axes(spec)}, 0, 1)")
    else:
        size = [str(spec.out_channels), f"kernel_size={spec.kernel_size}"]
        layers.append(_layer(f"Conv{spec.ndim}D", size, spec, strides=strides, padding=padding, groups=spec.groups))
        load = _with_bias(spec, f"{_flipped(spec)}.transpose({_kernel_axes(spec)}, 1, 0)")
    if is_thinned:
        steps = ", ".join(f"::{step}" if step > 1 else ":" for step in spec.stride)
        layers.append(f"keras.layers.Lambda(lambda y: y[:, {steps}])  # the stride: Keras has none beside dilation")
    return _source(spec, layers, load=load, before=before, imports=imports)


def _is_keras_same(spec: ConvSpec, sides: Sides | None) -> bool:
    """Whether ``padding="same"`` pads like this: TensorFlow's SAME, an odd cell after."""
    if sides is None:
        return spec.padding == "same_upper"
    same = _with_rule(spec, "same_upper")
    fixed = fixed_sides(same)
    return fixed == sides and any(map(any, sides))


def _with_rule(spec: ConvSpec, rule: str) -> ConvSpec:
    """The spec with another padding rule and no output padding."""
    return replace(spec, padding=rule, output_padding=0)  # type: ignore[arg-type]


def _pad_class(spec: ConvSpec, mode: str, sides: Sides | None) -> tuple[str, str]:
    """Name and source of a layer that pads when called."""
    name = ("Same" if sides is None else "") + ("" if mode == "zeros" else mode.capitalize()) + "Pad"
    less, more = "total // 2", "total - total // 2"
    pair = f"({more}, {less})" if spec.padding == "same_lower" else f"({less}, {more})"
    if sides is None:
        says = f"Pads so that ceil(size / stride) windows fit; an odd cell goes {'before' if spec.padding == 'same_lower' else 'after'}."
        rows = [(axis.index + 1, axis.extent - 1, axis.stride) for axis in spec.axes]
        loop = f"for axis, reach, stride in {_tuple(rows)}:"
        first = ["    size = x.shape[axis]", "    total = max(reach - (size - 1) % stride, 0)"]
    else:
        says = f"Continues x with {mode} padding."
        rows = [(axis + 1, *pair) for axis, pair in enumerate(positive_part(sides))]
        loop = f"for axis, before, after in {_tuple(rows)}:"
        first, pair = ["    size = x.shape[axis]"], "(before, after)"
    if mode == "zeros":
        body = ["sides = [(0, 0)]", loop, *first, f"    sides.append({pair})", "return keras.ops.pad(x, [*sides, (0, 0)])"]
    else:
        index = f'    index = np.pad(np.arange(size), {pair}, mode="{_MODES[mode]}")'
        body = [loop, *first, index, "    x = keras.ops.take(x, index, axis=axis)", "return x"]
    head = ["", "", f"class {name}(keras.layers.Layer):", f'    """{says}"""', "", "    def call(self, x):"]
    return name, "\n".join([*head, *(f"        {line}" for line in body), "", ""])


def _tuple(rows: Sequence[tuple[int, ...]]) -> str:
    return f"({', '.join(map(str, rows))}{',' if len(rows) == 1 else ''})"


# -- transposed ----------------------------------------------------------------------------------


def _transposed(spec: ConvSpec) -> str:
    ones = (1,) * spec.ndim
    if mode_in_use(spec) != "zeros":
        raise ConvSpecError(
            f"Keras cannot express padding_mode={spec.padding_mode!r} of a transposed convolution: its layers fold nothing back.",
            "Use padding_mode='zeros', or to_pytorch() or to_jax(), which fold the border back.",
        )
    if spec.stride != ones and _needed_dilation(spec) != ones:
        raise ConvSpecError(
            f"Keras' Conv{spec.ndim}DTranspose takes a stride or a dilation, not both: "
            f"stride={spec.stride}, dilation={_needed_dilation(spec)}.",
            "Set one of them to 1, or use to_pytorch(), to_onnx() or to_jax(), which take both.",
        )
    cropped = crops(spec)
    padding, grown = "valid", ((0, 0),) * spec.ndim
    # "valid" leaves no output out: of a kernel shorter than the stride it appends the missing cells.
    appended = [max(axis.stride - axis.extent, 0) for axis in spec.axes]
    rest: Sides = tuple((before, after + more) for (before, after), more in zip(cropped, appended, strict=True))
    if any(map(any, rest)):
        if cropped == tuple(crop_of(axis) for axis in _with_rule(spec, "same_upper").axes):
            padding, rest = "same", ((0, 0),) * spec.ndim
        else:
            grown, rest = grown_input(spec, rest)
    size = [str(spec.out_channels // spec.groups), f"kernel_size={spec.kernel_size}"]
    layer = _layer(f"Conv{spec.ndim}DTranspose", size, spec, strides=spec.stride, padding=padding)
    axes, before = _kernel_axes(spec), ""
    if spec.groups == 1:
        load = _with_bias(spec, f"{_flipped(spec)}.transpose({axes}, 1, 0)")
    else:
        before = "\n".join(
            [
                "",
                "# Keras has no groups here: one layer for each, side by side.",
                f"x = keras.Input(({'None, ' * spec.ndim}{spec.in_channels}))",
                "parts = [",
                indent(layer + "(part)", "    "),
                f"    for part in keras.ops.split(x, {spec.groups}, axis=-1)",
                "]",
                "",
            ]
        )
        layer = "keras.Model(x, keras.layers.Concatenate()(parts))"
        kernel = f"{_flipped(spec, 'w')}.transpose({axes}, 1, 0)"
        split = f"np.split(weight, {spec.groups})"
        load = f"[{kernel} for w in {split}]"
        if spec.bias:
            load = f"[a for w, b in zip({split}, np.split(bias, {spec.groups})) for a in ({kernel}, b)]"
    layers = [*_sides("ZeroPadding", spec, grown), layer, *_sides("Cropping", spec, rest)]
    return _source(spec, layers, load=load, before=before)
