"""The shapes of a model's inputs: what the file fixes, what the caller gives, and what is left open."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from faltung.errors import ConvShapeError, ConvTypeError, shown
from faltung.model.onnx_file.calls import brief
from faltung.model.onnx_file.tensors import Shape, checked_shape, dtype_name
from faltung.normal_form import entries, integer

__all__ = ["OpenSizesError", "Signature", "declared_of", "settle"]

Dim = int | str | None
"""A size, the name of one that is left open, or None for one without a name."""

Given = Sequence[int] | Sequence[Sequence[int]] | Mapping[str, Sequence[int]] | None


_NO_NAMES = ("", "?", "-1", "None")
"""What files write for a size that is open and not the same as another one."""


class OpenSizesError(ConvShapeError):
    """The file leaves sizes open.

    Attributes
    ----------
    likely : dict of name to tuple of int
        For each input with open sizes a shape that networks often take.
    """

    likely: Mapping[str, tuple[int, ...]] = MappingProxyType({})


class Signature:
    """The name of an input, its dtype and its sizes as the file declares them; None where it declares none."""

    def __init__(self, proto: Any) -> None:
        self.name: str = proto.name
        kind = proto.type
        if kind.HasField("optional_type"):
            kind = kind.optional_type.elem_type
        self.is_tensor: bool = kind.HasField("tensor_type")
        self.dtype = dtype_name(kind.tensor_type.elem_type) if self.is_tensor else "object"
        self.dims: tuple[Dim, ...] | None = None
        if self.is_tensor and kind.tensor_type.HasField("shape"):
            self.dims = tuple(_dim(dim) for dim in kind.tensor_type.shape.dim)

    def __str__(self) -> str:
        if self.dims is None:
            return f"{shown(self.name)} of any shape"
        sizes = ", ".join("?" if dim is None else brief(dim) if isinstance(dim, str) else str(dim) for dim in self.dims[:64])
        return f"{shown(self.name)} ({sizes}{',' if len(self.dims) == 1 else ''})"


def _dim(proto: Any) -> Dim:
    if proto.HasField("dim_value"):
        return proto.dim_value if proto.dim_value > 0 else None if proto.dim_value in (0, -1) else int(proto.dim_value)
    return None if proto.dim_param in _NO_NAMES else proto.dim_param


def settle(signatures: Sequence[Signature], given: Given, note: Any) -> tuple[dict[str, Shape], dict[str, int]]:
    """The shape of every input, and the sizes that names of sizes stand for.

    Raises
    ------
    ConvShapeError
        A shape that is given contradicts the file, or a size is left open that is not the batch's.
    """
    named = _named(signatures, given)
    sizes: dict[str, int] = {}
    shapes: dict[str, Shape] = {}
    for signature in signatures:
        if signature.name in named:
            shapes[signature.name] = _checked(signature, named[signature.name], sizes)
    for signature in signatures:  # an open first size is the batch
        first = signature.dims[0] if signature.dims else 1
        if signature.name not in named and isinstance(first, str) and first not in sizes:
            sizes[first] = 1
            note(f"the size {shown(first)} is left open by the file: read with 1.")
    open_ = []
    for signature in signatures:
        if signature.name not in shapes and signature.is_tensor:
            shape = _settled(signature, sizes, note)
            if shape is None:
                open_.append(signature)
            shapes[signature.name] = shape
        shapes.setdefault(signature.name, None)
    if open_:
        raise _left_open(signatures, open_)
    return shapes, sizes


def _named(signatures: Sequence[Signature], given: Given) -> dict[str, tuple[int, ...]]:
    """The shapes that are given, by name of input."""
    if given is None:
        return {}
    listed = ", ".join(map(str, signatures)) or "none"
    if isinstance(given, Mapping):
        names = [signature.name for signature in signatures]
        for name in given:
            if name not in names:
                near = difflib.get_close_matches(str(name), names, n=1)
                hint = f"Did you mean {shown(near[0])}? " if near else ""
                raise ConvShapeError(f"input_shape names {shown(name)}, which is no input.", f"{hint}Inputs: {listed}.")
        return {name: _ints(f"input_shape[{shown(name)}]", shape) for name, shape in given.items()}
    several = entries(given)
    if several is not None and several and all(entries(one) is not None for one in several):
        if len(several) > len(signatures):
            raise ConvShapeError(f"input_shape has {len(several)} shapes, the file has {len(signatures)} inputs.", f"Inputs: {listed}.")
        return {signature.name: _ints("input_shape", shape) for signature, shape in zip(signatures, several, strict=False)}
    if not signatures:
        raise ConvShapeError(f"input_shape={shown(given)} is given, the file has no input.", "Leave it out.")
    return {signatures[0].name: _ints("input_shape", given)}


def _ints(name: str, shape: object) -> tuple[int, ...]:
    given = entries(shape)
    if given is None:
        raise ConvShapeError(f"{name}={shown(shape)} is no sequence of sizes.", "Give (N, C, …), such as (1, 3, 224, 224).")
    sizes = [integer(f"{name}[{place}]", size, least=0, error=ConvShapeError) for place, size in enumerate(given)]
    return checked_shape(sizes, name)


def _checked(signature: Signature, shape: tuple[int, ...], sizes: dict[str, int]) -> tuple[int, ...]:
    """A given shape, if the file allows it; what its names stand for goes into `sizes`."""
    if not signature.is_tensor:
        raise ConvTypeError(f"input {shown(signature.name)} is no array, it has no shape.", "Leave it out of input_shape.")
    if signature.dims is None:
        return shape
    if len(shape) != len(signature.dims):
        raise ConvShapeError(
            f"input_shape={shown(shape)} has {len(shape)} dimensions; the file takes {signature}, which has {len(signature.dims)}.",
            "Give one size for each, batch and channels included.",
        )
    for place, (size, dim) in enumerate(zip(shape, signature.dims, strict=True)):
        fixed = sizes.get(dim, size) if isinstance(dim, str) else size if dim is None else dim
        if size != fixed:
            why = f"{shown(dim)} is {fixed} already" if isinstance(dim, str) else f"the file fixes it at {fixed}"
            raise ConvShapeError(
                f"input_shape={shown(shape)} has size {size} along dimension {place}, {why}: it takes {signature}.",
                "Give sizes that the file leaves open, or export it with dynamic sizes.",
            )
        if isinstance(dim, str):
            sizes[dim] = size
    return shape


def _settled(signature: Signature, sizes: dict[str, int], note: Any) -> Shape:
    """The shape of an input that is not given, None where a size is missing."""
    if signature.dims is None:
        return None
    shape = []
    for place, dim in enumerate(signature.dims):
        size = sizes.get(dim) if isinstance(dim, str) else dim
        if size is None and place == 0:
            note(f"the first size of input {shown(signature.name)} is left open by the file: read with 1.")
            size = 1
        if size is None:
            return None
        shape.append(size)
    return checked_shape(shape, f"input {shown(signature.name)}")


def _left_open(signatures: Sequence[Signature], missing: Sequence[Signature]) -> OpenSizesError:
    listed = ", ".join(map(str, signatures[:8])) + (", …" if len(signatures) > 8 else "")
    likely = {one.name: _likely(one) for one in missing[:8]}
    if missing[0] is signatures[0] and len(missing) == 1:
        (shape,) = likely.values()
        in_python, typed = str(shape), f"--input {_typed(shape)}"
    else:
        in_python = "{" + ", ".join(f"{shown(name)}: {shape}" for name, shape in likely.items()) + "}"
        typed = " ".join(f"--input {shown(name).strip(chr(39))}={_typed(shape)}" for name, shape in likely.items())
    remedy = f"Give them, with your own sizes: input_shape={in_python}, or {typed} on the command line."
    error = OpenSizesError(f"the file leaves sizes open: {listed}.", remedy)
    error.likely = {one.name: _likely(one) for one in missing}
    return error


def _typed(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _likely(signature: Signature) -> tuple[int, ...]:
    if signature.dims is None:
        return (1, 3, 224, 224)
    usual = {3: 16, 4: 224, 5: 32}.get(len(signature.dims), 512)
    return tuple(dim if isinstance(dim, int) else 1 if place == 0 else usual for place, dim in enumerate(signature.dims))


def declared_of(protos: Sequence[Any], sizes: Mapping[str, int]) -> dict[str, tuple[Shape, str]]:
    """Shapes that the file declares for values, where all their sizes are known."""
    declared: dict[str, tuple[Shape, str]] = {}
    for proto in protos:
        signature = Signature(proto)
        if not signature.is_tensor:
            continue
        shape = [sizes.get(dim) if isinstance(dim, str) else dim for dim in signature.dims or (None,)]
        known = [size for size in shape if size is not None and size > 0]
        is_known = signature.dims is not None and len(known) == len(shape)
        declared[proto.name] = (tuple(known) if is_known else None, signature.dtype)
    return declared
