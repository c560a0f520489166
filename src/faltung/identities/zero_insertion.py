"""A transposed convolution as a convolution of an input with zeros between its cells."""

from __future__ import annotations

from dataclasses import dataclass

from faltung.engine.arrays import Array, as_array, new_array, trailing
from faltung.errors import ConvShapeError, ConvSpecError
from faltung.functional import conv
from faltung.geometry import Axis, extent_of
from faltung.identities.rewritten import changed, channel_groups, read, reversed_kernel
from faltung.spec import ConvSpec

__all__ = ["ZeroInserted", "transposed_as_conv"]


@dataclass(frozen=True, eq=False)
class ZeroInserted:
    """A convolution of an input into which zeros are put first. Called on an input, it does both.

    Attributes
    ----------
    spec : ConvSpec
        Stride 1, zero padding, not transposed.
    weight : array of ``spec.weight_shape``
    bias : array (out,) or None
    spacing : tuple of int
        Cell i of the input goes to cell ``i*spacing``; ``spacing - 1`` zeros between neighbours.
    """

    spec: ConvSpec
    weight: Array
    bias: Array | None
    spacing: tuple[int, ...]

    def insert_zeros(self, x: object) -> Array:
        """The input (N, in, *i) or (in, *i) with its zeros."""
        image = as_array("x", x)
        batch, size = self.spec.split_shape(image.shape)
        if 0 in size:
            raise ConvShapeError(f"x has shape {image.shape}: an empty axis has no cells between which zeros could stand.", "Give cells.")
        spread = tuple(extent_of(cells, step) for cells, step in zip(size, self.spacing, strict=True))
        sparse = new_array("the input with zeros", (*batch, self.spec.in_channels, *spread), image.dtype, zeros=True)
        sparse[trailing(slice(None, None, step) for step in self.spacing)] = image
        return sparse

    def __call__(self, x: object) -> Array:
        """The transposed convolution of x (N, in, *i) or (in, *i)."""
        return conv(self.spec, self.insert_zeros(x), self.weight, self.bias)


def transposed_as_conv(spec: ConvSpec | str, weight: object, bias: object = None) -> ZeroInserted:
    """A transposed convolution as a convolution: zeros between the input's cells, the kernel flipped, stride 1.

    Parameters
    ----------
    spec : ConvSpec or str
        Transposed; any stride, dilation, groups, padding and output padding.
    weight : array (in, out/groups, *k)
    bias : array (out,), optional

    Returns
    -------
    ZeroInserted
        Its weight is (out, in/groups, *k).

    Raises
    ------
    ConvSpecError
        The spec is not transposed, or it crops under another padding mode than zeros: what leaves the output is then added back
        elsewhere, which no convolution does.
    ConvShapeError, ConvTypeError

    Notes
    -----
    Input i and tap k add to output ``i*stride + k*dilation - before``. With the input spread to cells ``i*stride``, output o reads cell
    ``o + before - k*dilation``: a correlation with the reversed kernel and ``dilation*(K-1) - before`` of padding. Exact for finite
    weights (an infinite one times an inserted 0 is NaN). Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2018,
    §4.

    Examples
    --------
    >>> import numpy as np
    >>> rewritten = transposed_as_conv("conv_transpose1d(1, 1, 3, stride=2)", np.array([[[1, 10, 100]]]))
    >>> rewritten.insert_zeros(np.array([[1, 2]])), rewritten.weight[0, 0], rewritten.spec.padding
    (array([[1, 0, 2]]), array([100,  10,   1]), ((2, 2),))
    >>> rewritten(np.array([[1, 2]]))
    array([[  1,  10, 102,  20, 200]])
    """
    spec, kernel, offset = read(spec, weight, bias)
    if not spec.transposed:
        raise ConvSpecError(f"{spec} is not transposed.", "Give a spec with transposed=True, such as spec.adjoint().input_grad.")
    if spec.padding_mode != "zeros" and any(max(axis.sides(1)) > 0 for axis in spec.axes):
        raise ConvSpecError(
            f"padding_mode={spec.padding_mode!r} adds back what the padding {tuple(axis.sides(1) for axis in spec.axes)} crops:"
            " no convolution does that.",
            "Use padding_mode='zeros', or as_matrix, which serves every mode.",
        )
    grouped = channel_groups(kernel, spec.groups).swapaxes(1, 2)
    turned = reversed_kernel(grouped.reshape(spec.out_channels, spec.in_channels // spec.groups, *spec.kernel_size))
    fields = {"stride": 1, "padding": tuple(map(_padding, spec.axes)), "output_padding": 0, "padding_mode": "zeros", "transposed": False}
    return ZeroInserted(changed(spec, **fields), turned, offset, spec.stride)


def _padding(axis: Axis) -> tuple[int, int]:
    """Padding of the spread input along one axis; the same for every size, so that any large enough may stand for all."""
    cells = axis.extent + sum(map(abs, axis.sides(1)))
    outputs = axis.output_size(cells)
    # With stride 1 there is one phase: all outputs, all taps.
    (phase,) = Axis(axis.index, axis.kernel, 1, axis.dilation, transposed=True).phases(outputs, axis.sides(cells)[0])
    after = Axis(axis.index, axis.kernel, 1, axis.dilation).reached_after(extent_of(cells, axis.stride), outputs, phase.before)
    return phase.before, after
