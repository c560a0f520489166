"""Operators that choose cells by numbers, known or computed, and arrays that are made of nothing."""

from __future__ import annotations

from collections.abc import Callable

from faltung.errors import ConvShapeError
from faltung.model.onnx_file.calls import Call, NoShapeError
from faltung.model.onnx_file.operators.moving import cropped
from faltung.model.onnx_file.operators.table import Operator
from faltung.model.onnx_file.tensors import DTYPES, Shape, Tensor
from faltung.model.operations import Crop, Lookup, Unknown

__all__ = ["STANDARD"]


def _gather(call: Call) -> list[Tensor]:
    """Known indices in even steps are a crop, everything else is looked up."""
    x, indices = call.tensor(0), call.tensor(1)
    shape, places = call.rank_at_least(0, 1), call.shape(1)
    dim = call.dim(call.attributes.integer("axis", 0), len(shape))
    size = shape[dim]
    if indices.numbers is not None and len(places) <= 1 and x.value is not None and indices.numbers.size:
        cells = [int(number) for number in indices.numbers.reshape(-1)]
        if any(not -size <= cell < size for cell in cells):
            raise ConvShapeError(
                f"Gather takes cells {cells[:8]} of dimension {dim}, which has {size}.", "Give an input_shape that is large enough."
            )
        cells = [cell % size for cell in cells]
        step = cells[1] - cells[0] if len(cells) > 1 else 1
        if step and cells == list(range(cells[0], cells[0] + step * len(cells), step)):
            return [cropped(call, x, Crop(dim, cells[0], step, drops=not places), len(cells))]
    return [call.emit(Lookup(), [x, indices], (*shape[:dim], *places, *shape[dim + 1 :]), learned=[x])]


def _like(index: int) -> Operator:
    """Cells of the first input, as many as another one has."""

    def read(call: Call) -> list[Tensor]:
        return [call.emit(Lookup(), call.inputs, call.tensor(index).shape, call.tensor(0).dtype)]

    return read


def _gather_nd(call: Call) -> list[Tensor]:
    shape, places, batch = call.shape(0), call.rank_at_least(1, 1), call.attributes.integer("batch_dims", 0)
    deep = places[-1] + batch
    if not 0 <= deep <= len(shape):
        raise ConvShapeError(f"GatherND looks up {places[-1]} dimensions of {shape}.", "Export the file again.")
    return [call.emit(Lookup(), call.inputs, (*places[:-1], *shape[deep:]))]


def _top(call: Call) -> list[Tensor]:
    shape = call.rank_at_least(0, 1)
    dim = call.dim(call.attributes.integer("axis", -1), len(shape))
    given = call.ints(1, "") if call.version >= 10 else (call.attributes.integer("k", 1),)
    count = given[0] if given else 1
    sizes = (*shape[:dim], count, *shape[dim + 1 :])
    return call.emit_all(Lookup(), [call.tensor(0)], [(sizes, None), (sizes, "int64")])


def _one_hot(call: Call) -> list[Tensor]:
    places, depth, values = call.shape(0), call.ints(1, ""), call.tensor(2)
    if not depth:
        raise NoShapeError
    dim = call.dim(call.attributes.integer("axis", -1), len(places) + 1)
    return [call.emit(Lookup(), [call.tensor(0)], (*places[:dim], depth[0], *places[dim:]), values.dtype)]


def _grid_sample(call: Call) -> list[Tensor]:
    shape, grid = call.rank_at_least(0, 3), call.rank_at_least(1, 3)
    return [call.emit(Lookup(), call.inputs, (*shape[:2], *grid[1:-1]))]


def _roi_align(call: Call) -> list[Tensor]:
    shape, rois = call.rank_at_least(0, 4), call.rank_at_least(1, 2)
    height, width = call.attributes.integer("output_height", 1), call.attributes.integer("output_width", 1)
    return [call.emit(Lookup(), call.inputs, (rois[0], shape[1], height, width))]


def _as_many_as_there_are(*dtypes: str | None) -> Operator:
    """Chosen by the numbers, and so is how many."""

    def read(call: Call) -> list[Tensor]:
        results: list[tuple[Shape, str | None]] = [(None, dtype) for dtype in dtypes]
        return call.emit_all(Lookup(), call.inputs, results[: max(len(call.outputs), 1)])

    return read


def _sizes(call: Call) -> list[Tensor]:
    """The shape of an array whose shape is not known."""
    return [call.emit(Lookup(), [call.tensor(0)], () if call.op == "Size" else None, "int64")]


def _made(call: Call) -> list[Tensor]:
    """An array as large as computed numbers say."""
    proto = call.attributes.tensor("value")
    dtype = None if proto is None else DTYPES.get(proto.data_type, (None,))[0]
    return [call.emit(Lookup(), call.inputs, None, dtype or ("float32" if call.op == "ConstantOfShape" else None))]


def _random(shape_of: Callable[[Call], Shape]) -> Operator:
    def read(call: Call) -> list[Tensor]:
        like = call.optional(0)
        dtype = DTYPES.get(call.attributes.integer("dtype", 0), (like.dtype if like else "float32",))[0]
        return [call.emit(Lookup(), [], shape_of(call), dtype)]

    return read


def _rather(reason: str) -> Operator:
    """The shape of the first input, costs and positions not known here."""

    def read(call: Call) -> list[Tensor]:
        dtype = DTYPES.get(call.attributes.integer("dtype", 0), (None,))[0]
        return [call.emit(Unknown(reason), call.inputs, call.tensor(0).shape, dtype)]

    return read


STANDARD: dict[str, Operator] = {
    "Bernoulli": _rather("drawn at random"), "Compress": _as_many_as_there_are(None), "ConstantOfShape": _made,
    "CumSum": _rather("sums of all cells before are not counted"), "EyeLike": _random(lambda call: call.tensor(0).shape), "Gather": _gather,
    "GatherElements": _like(1), "GatherND": _gather_nd, "GridSample": _grid_sample, "NonMaxSuppression": _as_many_as_there_are("int64"),
    "NonZero": _as_many_as_there_are("int64"), "OneHot": _one_hot, "RandomNormal": _random(lambda call: call.attributes.ints("shape")),
    "RandomNormalLike": _random(lambda call: call.tensor(0).shape), "RandomUniform": _random(lambda call: call.attributes.ints("shape")),
    "RandomUniformLike": _random(lambda call: call.tensor(0).shape), "Range": _made, "ReverseSequence": _like(0), "RoiAlign": _roi_align,
    "Scatter": _like(0), "ScatterElements": _like(0), "ScatterND": _like(0), "Shape": _sizes, "Size": _sizes, "TopK": _top,
    "Unique": _as_many_as_there_are(None, "int64", "int64", "int64"),
}  # fmt: skip
