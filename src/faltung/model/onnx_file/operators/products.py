"""Matrix products, by the shapes that they multiply."""

from __future__ import annotations

import math
from collections.abc import Sequence

from faltung.errors import ConvShapeError
from faltung.model.onnx_file.calls import Call, shape_of
from faltung.model.onnx_file.operators.table import Operator
from faltung.model.onnx_file.tensors import Tensor
from faltung.model.operations import Elementwise, Multiply, Permute, Unknown

__all__ = ["CONTRIBUTED", "STANDARD", "product"]


def product(
    call: Call, a: Tensor, b: Tensor, others: Sequence[Tensor | None], dtype: str, *, output: int | None = 0, transposed: bool = False
) -> Tensor:
    """``a @ b`` as NumPy has it, `transposed` with the last two dimensions of `b` exchanged; `others` are biases, scales, zero points."""
    left, right = shape_of(a), shape_of(b)
    if transposed and len(right) > 1:
        right = (*right[:-2], right[-1], right[-2])
    if not left or not right:
        raise ConvShapeError(f"{call.op} takes {left} and {right}; single numbers have no rows.", "Export the file again.")
    rows, columns = left[:-1], right[-1:] if len(right) > 1 else ()
    inner, facing = left[-1], right[-2] if len(right) > 1 else right[0]
    if inner != facing:
        raise ConvShapeError(
            f"{call.op} multiplies {left} and {right}: rows of {inner} by columns of {facing}.", "Give an input_shape for which they meet."
        )
    lead, batch = rows[:-1], right[:-2]
    sizes = _against(call, lead, batch, left, right)
    shape = (*sizes, *rows[-1:], *columns)
    # Rows are taken each for itself only where the weight is on the right, and the same for all.
    operation = Multiply(math.prod(shape) * inner, is_linear=b.is_constant and not a.is_constant and math.prod(batch) == 1)
    inputs = [b, a, *others] if a.is_constant and not b.is_constant else [a, b, *others]
    return call.emit(operation, inputs, shape, dtype, output=output, learned=[a, b, *others[:1]])


def _against(call: Call, a: Sequence[int], b: Sequence[int], left: Sequence[int], right: Sequence[int]) -> tuple[int, ...]:
    rank = max(len(a), len(b))
    pairs = zip((1,) * (rank - len(a)) + tuple(a), (1,) * (rank - len(b)) + tuple(b), strict=True)
    sizes = []
    for one, other in pairs:
        if one != other and 1 not in (one, other):
            raise ConvShapeError(
                f"{call.op} multiplies {left} and {right}: batches of {one} and {other}.", "Give an input_shape for which they meet."
            )
        sizes.append(other if one == 1 else one)
    return tuple(sizes)


def _matmul(call: Call) -> list[Tensor]:
    a, b = call.tensor(0), call.tensor(1)
    return [product(call, a, b, [], a.dtype)]


def _gemm(call: Call) -> list[Tensor]:
    a, b, c = call.tensor(0), call.tensor(1), call.optional(2)
    for tensor in (a, b):
        if len(shape_of(tensor)) != 2:
            raise ConvShapeError(f"Gemm multiplies matrices, it has an array of shape {tensor.shape}.", "Export the file again.")
    a = _flipped(call, a) if call.attributes.integer("transA", 0) else a
    return [product(call, a, b, [c], a.dtype, transposed=bool(call.attributes.integer("transB", 0)))]


def _flipped(call: Call, a: Tensor) -> Tensor:
    shape = shape_of(a)
    order = (*range(len(shape) - 2), len(shape) - 1, len(shape) - 2)
    return call.emit(Permute(order), [a], tuple(shape[dim] for dim in order), output=None)


def _matmul_integer(call: Call) -> list[Tensor]:
    return [product(call, call.tensor(0), call.tensor(1), [None, call.optional(2), call.optional(3)], "int32")]


def _qlinear_matmul(call: Call) -> list[Tensor]:
    """Inputs: a, its scale and zero point, b and its, and those of the result."""
    others = [None, *(call.optional(index) for index in (1, 2, 4, 5, 6, 7))]
    zero = call.optional(7)
    return [product(call, call.tensor(0), call.tensor(3), others, zero.dtype if zero else call.tensor(0).dtype)]


def _qgemm(call: Call) -> list[Tensor]:
    """Inputs: a, its scale and zero point, b and its, the bias, and those of the result."""
    a, b, c, zero = call.tensor(0), call.tensor(3), call.optional(6), call.optional(8)
    a = _flipped(call, a) if call.attributes.integer("transA", 0) else a
    others = [c, *(call.optional(index) for index in (1, 2, 4, 5, 7, 8))]
    return [product(call, a, b, others, zero.dtype if zero else "float32", transposed=bool(call.attributes.integer("transB", 0)))]


def _fused_matmul(call: Call) -> list[Tensor]:
    a, b = call.tensor(0), call.tensor(1)
    if call.attributes.integer("transBatchA", 0) or call.attributes.integer("transBatchB", 0):
        return call.emit_all(Unknown("FusedMatMul with exchanged batches is not read"), [a, b], [(None, a.dtype)])
    a = _flipped(call, a) if call.attributes.integer("transA", 0) else a
    return [product(call, a, b, [], a.dtype, transposed=bool(call.attributes.integer("transB", 0)))]


def _fused_gemm(call: Call) -> list[Tensor]:
    a, b, c = call.tensor(0), call.tensor(1), call.optional(2)
    a = _flipped(call, a) if call.attributes.integer("transA", 0) else a
    y = product(call, a, b, [c], a.dtype, output=None, transposed=bool(call.attributes.integer("transB", 0)))
    return [call.emit(Elementwise(call.attributes.text("activation", "relu").lower(), activates=True), [y], y.shape)]


def _dynamic_quantised(call: Call) -> list[Tensor]:
    """The matrix is quantised before, the rows when it runs."""
    a, b = call.tensor(0), call.tensor(1)
    if call.op == "MatMulIntegerToFloat":  # a, b, their scales, their zero points, the bias
        return [product(call, a, b, [call.optional(6), *(call.optional(index) for index in (2, 3, 4, 5))], call.tensor(2).dtype)]
    return [product(call, a, b, [call.optional(4), call.optional(2), call.optional(3)], a.dtype)]


def _packed_matmul(call: Call) -> list[Tensor]:
    """A matrix of K rows and N columns, some bits a number, packed into bytes."""
    a, shape = call.tensor(0), call.rank_at_least(0, 1)
    k, n = call.attributes.integer("K", 0), call.attributes.integer("N", 0)
    if shape[-1] != k or n < 1:
        raise ConvShapeError(f"it multiplies rows of {shape[-1]} by a matrix of K={k} rows and N={n} columns.", "Export the file again.")
    return [call.emit(Multiply(math.prod(shape) * n, is_linear=True), call.inputs, (*shape[:-1], n), a.dtype, learned=[call.optional(1)])]


def _einsum(call: Call) -> list[Tensor]:
    equation = call.attributes.text("equation")
    tensors = [call.tensor(index) for index in range(len(call.inputs))]
    return [call.emit(Unknown(f"Einsum {equation[:60]!r}: what it multiplies is not counted"), tensors, _sizes(equation, tensors))]


def _sizes(equation: str, tensors: Sequence[Tensor]) -> tuple[int, ...] | None:
    """The shape of a sum whose letters are all written out."""
    terms, arrow, result = equation.replace(" ", "").partition("->")
    sizes: dict[str, int] = {}
    if not arrow or "." in equation or len(terms.split(",")) != len(tensors):
        return None
    for term, tensor in zip(terms.split(","), tensors, strict=True):
        if tensor.shape is None or len(term) != len(tensor.shape):
            return None
        sizes |= dict(zip(term, tensor.shape, strict=True))
    return tuple(sizes[letter] for letter in result) if set(result) <= set(sizes) else None


STANDARD: dict[str, Operator] = {
    "Einsum": _einsum, "Gemm": _gemm, "MatMul": _matmul, "MatMulInteger": _matmul_integer, "QLinearMatMul": _qlinear_matmul,
}  # fmt: skip
CONTRIBUTED: dict[str, Operator] = {
    "DynamicQuantizeMatMul": _dynamic_quantised, "FusedGemm": _fused_gemm, "FusedMatMul": _fused_matmul,
    "MatMulIntegerToFloat": _dynamic_quantised,
    "MatMulNBits": _packed_matmul, "QGemm": _qgemm, "TransposeMatMul": _fused_matmul,
}  # fmt: skip
