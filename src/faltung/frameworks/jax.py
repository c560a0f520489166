"""JAX: a function ``conv(x, weight, bias)`` around ``lax.conv_general_dilated``.

That one primitive takes any number of axes, asymmetric and negative padding and input dilation, so that
only padding modes and the weight's layout need a line of their own.
"""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING

from faltung.frameworks import text
from faltung.frameworks.sides import Sides, crops, fixed_sides, mode_in_use, negative_part, positive_part

if TYPE_CHECKING:
    from faltung.spec import ConvSpec

__all__ = ["to_jax"]

_MODES = {"circular": "wrap", "reflect": "reflect", "replicate": "edge", "symmetric": "symmetric"}


def to_jax(spec: ConvSpec) -> str:
    """JAX code that defines ``conv(x, weight, bias)`` for x (N, in, *input_size).

    The weight has the spec's shape; ``bias`` is no parameter where the spec has none.

    Examples
    --------
    >>> from faltung.spec import ConvSpec
    >>> print(to_jax(ConvSpec(3, 64, 7, stride=2, padding=3, ndim=2)))
    from jax import lax
    <BLANKLINE>
    <BLANKLINE>
    def conv(x, weight, bias):
        y = lax.conv_general_dilated(
            x,  # (N, 3, H, W)
            weight,  # (64, 3, 7, 7)
            window_strides=(2, 2),
            padding=((3, 3), (3, 3)),
            dimension_numbers=("NCHW", "OIHW", "NCHW"),
        )
        return y + bias[:, None, None]
    """
    body = _transposed(spec) if spec.transposed else _correlation(spec)
    if spec.bias:
        body.append(f"return y + bias[:{', None' * spec.ndim}]")
    elif body[-1].startswith("y = "):
        body[-1] = "return " + body[-1].removeprefix("y = ")
    else:
        body.append("return y")
    source = "\n".join(body)
    imports = ["import jax"] * ("jax.linear_transpose" in source) + ["import jax.numpy as jnp"] * ("jnp." in source)
    imports.append("from jax import lax")
    signature = "def conv(x, weight, bias):" if spec.bias else "def conv(x, weight):"
    return "\n".join([*imports, "", "", signature, indent(source, "    ")])


def _letters(spec: ConvSpec) -> str:
    """The axis letters of an image or volume; beyond 3 axes JAX's default order serves."""
    return "DHW"[-spec.ndim :] if spec.ndim <= 3 else ""


def _call(spec: ConvSpec, kernel: str, strides: tuple[int, ...], padding: str, *, weight_layout: str = "OI", spaced: bool = False) -> str:
    letters, ones = _letters(spec), (1,) * spec.ndim
    sizes = ", ".join(letters) or ", ".join(f"size{axis}" for axis in range(spec.ndim))
    arguments = [f"x  # (N, {spec.in_channels}, {sizes})", kernel, f"window_strides={strides}", f"padding={padding}"]
    if spaced and spec.stride != ones:
        arguments.append(f"lhs_dilation={spec.stride}  # zeros between the inputs")
    if spec.dilation != ones:
        arguments.append(f"rhs_dilation={spec.dilation}")
    if letters:
        arguments.append(f'dimension_numbers=("NC{letters}", "{weight_layout}{letters}", "NC{letters}")')
    if spec.groups != 1:
        arguments.append(f"feature_group_count={spec.groups}")
    return text.assign("y", "lax.conv_general_dilated", arguments)


def _pairs(sides: Sides) -> str:
    return str(sides) if any(map(any, sides)) else '"VALID"'


def _padded(mode: str, sides: Sides) -> str:
    return f'jnp.pad(x, {((0, 0), (0, 0), *sides)}, mode="{_MODES[mode]}")'


def _flip(spec: ConvSpec) -> str:
    return f"weight = jnp.flip(weight, {tuple(range(2, spec.ndim + 2))})"


def _correlation(spec: ConvSpec) -> list[str]:
    mode, sides = mode_in_use(spec), fixed_sides(spec)
    body = [_flip(spec)] if spec.flip else []
    same = '"SAME_LOWER"' if spec.padding == "same_lower" else '"SAME"'
    if mode == "zeros":
        by_rule = isinstance(spec.padding, str) and spec.padding.startswith("same")
        padding = same if by_rule or sides is None else _pairs(sides)
    elif sides is None:
        body.append(f"pads = lax.padtype_to_pads(x.shape[2:], {spec.effective_kernel_size}, {spec.stride}, {same})")
        body.append(f'x = jnp.pad(x, [(0, 0), (0, 0), *pads], mode="{_MODES[mode]}")')
        padding = '"VALID"'
    else:
        body.append(f"x = {_padded(mode, positive_part(sides))}")
        padding = _pairs(tuple((-before, -after) for before, after in negative_part(sides)))
    return [*body, _call(spec, f"weight  # {spec.weight_shape}", spec.stride, padding)]


def _transposed(spec: ConvSpec) -> list[str]:
    """A correlation of the zero-spaced input with the reversed kernel, input and output channels swapped."""
    mode, cropped = mode_in_use(spec), crops(spec)
    body = [
        f"# A convolution of the {'zero-spaced ' if max(spec.stride) > 1 else ''}input with the kernel reversed"
        + (" and, by flip=True, reversed back." if spec.flip else ".")
    ]
    layout, note = "IO", f"  # {spec.weight_shape}: input channels first"
    if spec.groups > 1:
        into, out = spec.in_channels // spec.groups, spec.out_channels // spec.groups
        body.append(f"# From {spec.weight_shape} to (out, in / groups, ...), as lax has it, each group by itself.")
        body.append(f"weight = weight.reshape({spec.groups}, {into}, {out}, {', '.join(map(str, spec.kernel_size))})")
        body.append(f"weight = weight.swapaxes(1, 2).reshape({spec.out_channels}, {into}, {', '.join(map(str, spec.kernel_size))})")
        layout, note = "OI", ""
    elif spec.ndim > 3:
        body.append("weight = weight.swapaxes(0, 1)")
        layout, note = "OI", ""
    if not spec.flip:  # a transposed convolution reverses the kernel, flip=True reverses it again
        body.append(_flip(spec))
    folded = positive_part(cropped) if mode != "zeros" else ((0, 0),) * spec.ndim
    reach = [axis.extent - 1 for axis in spec.axes]
    sides = tuple(
        (last - before + fold_before, last - after + fold_after)
        for last, (before, after), (fold_before, fold_after) in zip(reach, cropped, folded, strict=True)
    )
    body.append(_call(spec, f"weight{note}", (1,) * spec.ndim, str(sides), weight_layout=layout, spaced=True))
    if mode != "zeros":
        body += [
            "",
            f"# What leaves the output is added back where {mode} padding would read it: the transpose of that padding.",
            "def pad(x):",
            f"    return {_padded(mode, folded)}",
            "",
            f"size = [n - total for n, total in zip(y.shape[2:], {tuple(map(sum, folded))})]",
            "(y,) = jax.linear_transpose(pad, jnp.zeros((*y.shape[:2], *size), y.dtype))(y)",
        ]
    return body
