"""What a layer is called: the field's names of convolutions, and plain words for the rest."""

from __future__ import annotations

from faltung.model.operations import (
    Attend,
    Convolve,
    Crop,
    Elementwise,
    Join,
    Lookup,
    Multiply,
    Normalise,
    Operation,
    Pad,
    Permute,
    Pool,
    Reduce,
    Reshape,
    Resize,
    Same,
    Unknown,
)

__all__ = ["family_of", "kinds_of"]

_ORDER = ("standard", "pointwise", "depthwise", "grouped", "dilated", "transposed", "strided", "causal", "flipped")


def kinds_of(operation: Operation) -> tuple[str, ...]:
    """Its names, the one that says most first.

    >>> from faltung.spec import ConvSpec
    >>> kinds_of(Convolve(ConvSpec(8, 8, 3, groups=8, stride=2, ndim=2)))
    ('depthwise', 'strided')
    """
    match operation:
        case Convolve(spec):
            known = [kind for kind in _ORDER if kind in spec.kinds]
            return (*known, *sorted(spec.kinds - set(_ORDER)))
        case Pool(axes, how):
            strided = any(axis.stride > 1 for axis in axes)
            return (f"{how} pooling", *(("strided",) if strided else ()))
        case Multiply(_, is_linear):
            return ("linear",) if is_linear else ("matrix product",)
        case Elementwise(name) | Normalise(name) | Reduce(name):
            return (name.replace("_", " "),)
        case Resize(how):
            return ("resize", how)
    return (family_of(operation),)


_FAMILIES: dict[type, str] = {
    Attend: "attention", Convolve: "convolution", Crop: "crop", Elementwise: "elementwise", Join: "concatenation", Lookup: "lookup",
    Multiply: "matrix product", Normalise: "normalisation", Pad: "pad", Permute: "permute", Pool: "pooling", Reduce: "reduction",
    Reshape: "reshape", Resize: "resize", Same: "copy", Unknown: "unknown",
}  # fmt: skip


def family_of(operation: Operation) -> str:
    """The family of an operation, for filters, such as ``"convolution"``."""
    return _FAMILIES[type(operation)]
