"""PyTorch: an ``nn.Module`` called ``conv``.

What `nn.Conv1d` … `nn.ConvTranspose3d` cannot do is put around them: a padding module in an
`nn.Sequential`, or a subclass whose ``forward`` pads; state and initialisation stay PyTorch's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltung.errors import ConvSpecError
from faltung.frameworks import text
from faltung.frameworks.sides import Sides, crops, fixed_sides, grown_input, mode_in_use, negative_part, positive_part

if TYPE_CHECKING:
    from faltung.spec import ConvSpec

__all__ = ["to_pytorch"]

_PAD_CLASSES = {"zeros": "ZeroPad", "circular": "CircularPad", "reflect": "ReflectionPad", "replicate": "ReplicationPad"}

_INDEX = {
    "circular": ["i = i % n"],
    "replicate": ["i = i.clamp(0, n - 1)"],
    "symmetric": ["i = i % (2 * n)", "i = torch.minimum(i, 2 * n - 1 - i)"],
    "reflect": ["m = max(2 * n - 2, 1)", "i = torch.minimum(i % m, m - i % m)"],
}
"""Statements that bring positions ``i`` back inside an axis of ``n`` cells."""


def to_pytorch(spec: ConvSpec) -> str:
    """PyTorch code that ends in ``conv``, an ``nn.Module`` for inputs (N, in, *input_size).

    Raises
    ------
    ConvSpecError
        More than 3 axes.

    Examples
    --------
    >>> from faltung.spec import ConvSpec
    >>> print(to_pytorch(ConvSpec(3, 64, 7, stride=2, padding=3, bias=False, ndim=2)))
    from torch import nn
    <BLANKLINE>
    conv = nn.Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False)
    """
    if spec.ndim > 3:
        raise ConvSpecError(
            f"PyTorch has no convolution over {spec.ndim} axes: nn.Conv1d, nn.Conv2d and nn.Conv3d are all.",
            "Use to_jax() or to_onnx(), which take any number of axes.",
        )
    return _transposed(spec) if spec.transposed else _correlation(spec)


def _layer(spec: ConvSpec, name: str, *options: tuple[str, object, object]) -> str:
    """The constructor call; options are (name, value, default), those at their default are left out."""
    ones = (1,) * spec.ndim
    before = [("stride", spec.stride, ones), *(option for option in options if option[0] != "padding_mode")]
    after = [("dilation", spec.dilation, ones), ("groups", spec.groups, 1), ("bias", spec.bias, True)]
    after += [option for option in options if option[0] == "padding_mode"]
    given = [f"{key}={_quoted(value)}" for key, value, default in before + after if value != default]
    return text.call(name, [str(spec.in_channels), str(spec.out_channels), f"kernel_size={spec.kernel_size}", *given], room=text.WIDTH - 7)


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _module(spec: ConvSpec, imports: list[str], classes: str, modules: list[str], layer: int) -> str:
    """The whole text: imports, a class if needed, the comment on loading, the assignment."""
    single = len(modules) == 1
    parts = ["\n".join(imports)]
    if classes:
        parts.append("\n" + classes + "\n")
    value = modules[0] if single else text.call("nn.Sequential", modules, room=0)
    axes = ", ".join(str(axis + 2) for axis in range(spec.ndim))
    owner = "conv" if single else f"conv[{layer}]"
    comment = f"# PyTorch does not flip: the weight is loaded reversed, with\n#   {owner}.weight.data = weight.flip({axes})\n"
    parts.append((comment if spec.flip else "") + f"conv = {value}")
    return "\n\n".join(parts)


def _pad(spec: ConvSpec, kind: str, sides: Sides) -> str:
    """A padding module; PyTorch lists the last axis first."""
    return f"nn.{kind}{spec.ndim}d({tuple(side for pair in reversed(sides) for side in pair)})"


def _correlation(spec: ConvSpec) -> str:
    name, torch_nn = f"nn.Conv{spec.ndim}d", ["from torch import nn"]
    mode, sides = mode_in_use(spec), fixed_sides(spec)
    if sides is None or mode == "symmetric":
        return _padding_subclass(spec, mode, sides)
    known_mode = "zeros" if spec.padding_mode == "symmetric" else spec.padding_mode
    modes = ("padding_mode", known_mode, "zeros")
    upper_same = spec.padding in ("same", "same_upper") and all(step == 1 for step in spec.stride)
    if upper_same and any(map(any, sides)):
        return _module(spec, torch_nn, "", [_layer(spec, name, ("padding", "same", 0), modes)], 0)
    if all(before == after >= 0 for before, after in sides):
        padding = tuple(before for before, _ in sides)
        return _module(spec, torch_nn, "", [_layer(spec, name, ("padding", padding, (0,) * spec.ndim), modes)], 0)
    if mode == "zeros":
        around = [_pad(spec, "ZeroPad", sides)]
    else:  # the mode continues the whole input: only then crop
        around = [_pad(spec, _PAD_CLASSES[mode], positive_part(sides))]
        cropped = negative_part(sides)
        if any(map(any, cropped)):
            around.append(_pad(spec, "ZeroPad", tuple((-before, -after) for before, after in cropped)) + "  # crops")
    return _module(spec, torch_nn, "", [*around, _layer(spec, name)], len(around))


def _padding_subclass(spec: ConvSpec, mode: str, sides: Sides | None) -> str:
    """A subclass of the layer that pads when called: SAME with a stride, and the symmetric mode."""
    name = ("Same" if sides is None else "") + ("" if mode == "zeros" else mode.capitalize()) + f"Conv{spec.ndim}d"
    says = {"zeros": "Pads with zeros", "symmetric": "Pads as c b a | a b c | c b a"}.get(mode, f"Pads in {mode} mode")
    says += " so that ceil(size / stride) windows fit." if sides is None else "."
    odd = f"  # an odd cell goes {'before' if spec.padding == 'same_lower' else 'after'}"
    less, more = "total // 2", "total - total // 2"
    before, after = (more, less) if spec.padding == "same_lower" else (less, more)
    total = [
        "n, k, s, d = x.shape[axis], self.kernel_size[axis], self.stride[axis], self.dilation[axis]",
        "total = max(d * (k - 1) - (n - 1) % s, 0)",
    ]
    axes = tuple(range(-spec.ndim, 0))
    if mode == "symmetric":
        if sides is None:
            head = [
                f"for axis in {axes}:",
                *_in(total),
                f"    before = {before}{odd}",
                "    i = torch.arange(-before, n + total - before, device=x.device)",
            ]
        else:
            head = [_loop(sides), "    n = x.shape[axis]", "    i = torch.arange(-before, n + after, device=x.device)"]
        body = [*head, *_in(_INDEX[mode]), "    x = x.index_select(axis, i)", "return super().forward(x)"]
        imports = ["import torch", "from torch import nn"]
    else:
        given = "" if mode == "zeros" else f', mode="{mode}"'
        body = [
            "pad = []",
            f"for axis in {axes[::-1]}:  # F.pad takes the last axis first",
            *_in(total),
            f"    pad += [{before}, {after}]{odd}",
        ]
        body.append(f"return super().forward(F.pad(x, pad{given}))")
        imports = ["import torch.nn.functional as F", "from torch import nn"]
    layer = _layer(spec, name)
    return _module(spec, imports, _class(name, f"nn.Conv{spec.ndim}d", says, body), [layer], 0)


def _class(name: str, base: str, says: str, body: list[str]) -> str:
    return "\n".join([f"class {name}({base}):", f'    """{says}"""', "", "    def forward(self, x):", *_in(body, 8)])


def _in(statements: list[str], spaces: int = 4) -> list[str]:
    return [" " * spaces + statement for statement in statements]


def _loop(sides: Sides) -> str:
    rows = ", ".join(str((axis - len(sides), before, after)) for axis, (before, after) in enumerate(sides))
    return f"for axis, before, after in ({rows}{',' if len(sides) == 1 else ''}):"


def _transposed(spec: ConvSpec) -> str:
    if mode_in_use(spec) != "zeros":
        return _folding_subclass(spec)
    name = f"nn.ConvTranspose{spec.ndim}d"
    limits = tuple(max(axis.stride, axis.dilation) for axis in spec.axes)
    cropped = crops(spec)
    grown: Sides = ((0, 0),) * spec.ndim
    if not _is_native(cropped, limits):
        grown, cropped = grown_input(spec, cropped)
    padding, output_padding, rest = [], [], []
    for (before, after), limit in zip(cropped, limits, strict=True):
        native = _is_native(((before, after),), (limit,))
        padding.append(before if native else min(before, after))
        output_padding.append(before - after if native else 0)
        rest.append((0, 0) if native else (min(after - before, 0), min(before - after, 0)))
    zeros = (0,) * spec.ndim
    options = (("padding", tuple(padding), zeros), ("output_padding", tuple(output_padding), zeros))
    modules = [_layer(spec, name, *options)]
    layer = 0
    if any(map(any, grown)):
        modules.insert(0, _pad(spec, "ZeroPad", grown))
        layer = 1
    if any(map(any, rest)):
        modules.append(_pad(spec, "ZeroPad", tuple(rest)) + "  # crops")
    return _module(spec, ["from torch import nn"], "", modules, layer)


def _is_native(cropped: Sides, limits: tuple[int, ...]) -> bool:
    """Whether `padding` and `output_padding` alone crop and append like this."""
    return all(before >= 0 and 0 <= before - after < limit for (before, after), limit in zip(cropped, limits, strict=True))


def _folding_subclass(spec: ConvSpec) -> str:
    mode, sides = spec.padding_mode, crops(spec)
    name = f"{mode.capitalize()}ConvTranspose{spec.ndim}d"
    body = [
        f"y = F.conv_transpose{spec.ndim}d(",
        "    x, self.weight, stride=self.stride, groups=self.groups, dilation=self.dilation",
        ")",
        _loop(sides),
        "    n = y.shape[axis] - before - after",
        "    i = torch.arange(-before, n + after, device=y.device)",
        *_in(_INDEX[mode]),
        "    shape = list(y.shape)",
        "    shape[axis] = n",
        "    y = y.new_zeros(shape).index_add(axis, i, y)",
        f"return y + self.bias[:{', None' * spec.ndim}]" if spec.bias else "return y",
    ]
    says = f"Adds what leaves the output back where {mode} padding would read it."
    imports = ["import torch", "import torch.nn.functional as F", "from torch import nn"]
    return _module(spec, imports, _class(name, f"nn.ConvTranspose{spec.ndim}d", says, body), [_layer(spec, name)], 0)
