"""Named kernels at the size that the controls ask for."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from faltung.errors import ConvError, ConvShapeError
from faltung.viz.numbers import Number

__all__ = ["kernel_cells", "kernel_list", "kernel_of_size"]


@lru_cache(maxsize=256)
def kernel_cells(name: str) -> tuple[tuple[int, ...], tuple[Number, ...]]:
    """The shape and the numbers, in C order, of a kernel by name; whole numbers as int.

    >>> kernel_cells("box_x")
    ((1, 3), (0.3333333333333333, 0.3333333333333333, 0.3333333333333333))
    """
    from faltung.kernels import named_kernel

    made = named_kernel(name)
    return made.shape, tuple(int(value) if value.is_integer() else value for value in made.ravel().tolist())


def kernel_of_size(name: str, size: tuple[int, ...]) -> tuple[Number, ...]:
    """The numbers of a kernel of `size`: of the name as it is or, where it takes a size, at that size.

    Raises
    ------
    ConvSpecError, ConvShapeError
        No such name, or the kernel is never of that size.

    >>> len(kernel_of_size("gaussian", (7, 7)))
    49
    """
    shape, cells = kernel_cells(name)
    if len(size) == 1 and shape[0] == 1:
        shape = shape[1:]
    if shape == size:
        return cells
    if len(size) == 2 and "(" not in name and len(set(size)) == 1:
        try:
            shape_at_size, cells_at_size = kernel_cells(f"{name}({size[0]})")
        except ConvError:
            pass
        else:
            if shape_at_size == size:
                return cells_at_size
    wanted, own = ("×".join(map(str, extents)) for extents in (size, shape))
    raise ConvShapeError(f"the kernel {name} has {own} cells, the layer's has {wanted}.", f"Use a kernel size of {own}, or other weights.")


def kernel_list() -> list[dict[str, Any]]:
    """Every named kernel with its size and its numbers, for a list to choose from."""
    from faltung.kernels import kernel_names

    found = []
    for name in kernel_names():
        shape, cells = kernel_cells(name)
        rows = [list(cells[start : start + shape[1]]) for start in range(0, len(cells), shape[1])]
        found.append({"name": name, "title": name.replace("_", " "), "size": list(shape), "values": rows})
    return found
