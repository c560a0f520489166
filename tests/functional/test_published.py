"""Numbers that others have printed: papers, books, manuals."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fl
from tests.support.check import check_same


def image(rows: object) -> np.ndarray:
    """One sample of one channel."""
    return np.array(rows)[None, None]


# -- Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2018, figures 1.1 and 1.2 ----

BLUE = [[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]]
SHADED = [[0, 1, 2], [2, 2, 0], [0, 1, 2]]


def test_dumoulin_and_visin_no_padding() -> None:
    check_same(fl.conv2d(image(BLUE), image(SHADED)), image([[12, 12, 17], [10, 17, 19], [9, 6, 14]]))


def test_dumoulin_and_visin_stride_2_padding_1() -> None:
    check_same(fl.conv2d(image(BLUE), image(SHADED), stride=2, padding=1), image([[6, 17, 3], [8, 17, 13], [6, 4, 4]]))


SHAPES = [  # §2 and §4: input, kernel, stride, padding -> output, and back by the transposed convolution
    (4, 3, 1, 0, 2),
    (5, 4, 1, 2, 6),
    (5, 3, 1, 1, 5),
    (5, 3, 1, 2, 7),
    (5, 3, 2, 0, 2),
    (5, 3, 2, 1, 3),
    (6, 3, 2, 1, 3),
]


@pytest.mark.parametrize(("i", "k", "s", "p", "o"), SHAPES)
def test_dumoulin_and_visin_shapes(i: int, k: int, s: int, p: int, o: int) -> None:
    x, weight = np.ones((1, 1, i, i)), np.ones((1, 1, k, k))
    assert fl.conv2d(x, weight, stride=s, padding=p).shape == (1, 1, o, o)
    extra = (i + 2 * p - k) % s
    assert fl.conv_transpose2d(np.ones((1, 1, o, o)), weight, stride=s, padding=p, output_padding=extra).shape == (1, 1, i, i)


# -- GNU Octave manual, conv2 --------------------------------------------------------------------------

OCTAVE_A, OCTAVE_B = np.array([[0, 1], [1, 2]]), np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])


def test_octave_conv2() -> None:
    full = np.array([[0, 1, 2, 3], [1, 8, 12, 12], [4, 20, 24, 21], [7, 22, 25, 18]])
    check_same(fl.convolve(OCTAVE_A, OCTAVE_B, mode="full"), full)
    check_same(fl.convolve(OCTAVE_B, OCTAVE_A, mode="full"), full)
    check_same(fl.convolve(OCTAVE_B, OCTAVE_A), full[1:3, 1:3].copy())


def test_polynomials_multiply() -> None:
    """(1 + 2x + 3x²)(4 + 5x) = 4 + 13x + 22x² + 15x³, as numpy.convolve."""
    check_same(fl.convolve([1, 2, 3], [4, 5], mode="full"), np.array([4, 13, 22, 15]))


# -- Zhang, Lipton, Li, Smola, "Dive into Deep Learning", chapter "Convolutional Neural Networks" ----------


def test_d2l_cross_correlation() -> None:
    x, kernel = np.arange(9.0).reshape(3, 3), np.arange(4.0).reshape(2, 2)
    check_same(fl.correlate(x, kernel), np.array([[19.0, 25.0], [37.0, 43.0]]))


def test_d2l_edge_detection() -> None:
    x = np.ones((6, 8))
    x[:, 2:6] = 0
    kernel = np.array([[1.0, -1.0]])
    check_same(fl.correlate(x, kernel), np.tile([0.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0], (6, 1)))
    check_same(fl.correlate(x.T, kernel), np.zeros((8, 5)))


D2L_X = np.stack([np.arange(9.0).reshape(3, 3), np.arange(1.0, 10.0).reshape(3, 3)])
D2L_K = np.stack([np.arange(4.0).reshape(2, 2), np.arange(1.0, 5.0).reshape(2, 2)])


def test_d2l_multiple_channels() -> None:
    check_same(fl.conv2d(D2L_X, D2L_K[None]), np.array([[[56.0, 72.0], [104.0, 120.0]]]))
    several = np.stack([D2L_K, D2L_K + 1, D2L_K + 2])
    expected = [[[56.0, 72.0], [104.0, 120.0]], [[76.0, 100.0], [148.0, 172.0]], [[96.0, 128.0], [192.0, 224.0]]]
    check_same(fl.conv2d(D2L_X, several), np.array(expected))


def test_d2l_padding_and_stride() -> None:
    x = np.ones((1, 1, 8, 8))
    assert fl.conv2d(x, np.ones((1, 1, 3, 3)), padding=1).shape == (1, 1, 8, 8)
    assert fl.conv2d(x, np.ones((1, 1, 5, 3)), padding=(2, 1)).shape == (1, 1, 8, 8)
    assert fl.conv2d(x, np.ones((1, 1, 3, 3)), padding=1, stride=2).shape == (1, 1, 4, 4)
    assert fl.conv2d(x, np.ones((1, 1, 3, 5)), padding=(0, 1), stride=(3, 4)).shape == (1, 1, 2, 2)
    padded = fl.conv2d(np.arange(9.0).reshape(1, 3, 3), np.arange(4.0).reshape(1, 1, 2, 2), padding=1, stride=(3, 2))
    check_same(padded, np.array([[[0.0, 8.0], [6.0, 8.0]]]))


def test_d2l_transposed() -> None:
    x, kernel = np.arange(4.0).reshape(1, 1, 2, 2), np.arange(4.0).reshape(1, 1, 2, 2)
    check_same(fl.conv_transpose2d(x, kernel), image([[0.0, 0.0, 1.0], [0.0, 4.0, 6.0], [4.0, 12.0, 9.0]]))
    check_same(fl.conv_transpose2d(x, kernel, padding=1), image([[4.0]]))
    strided = [[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 2.0, 3.0], [0.0, 2.0, 0.0, 3.0], [4.0, 6.0, 6.0, 9.0]]
    check_same(fl.conv_transpose2d(x, kernel, stride=2), image(strided))


def test_d2l_convolution_as_a_matrix() -> None:
    """Z = W X, and the transposed convolution multiplies by Wᵀ."""
    matrix = np.zeros((4, 9))
    row = np.array([1.0, 2.0, 0.0, 3.0, 4.0])
    matrix[0, :5], matrix[1, 1:6], matrix[2, 3:8], matrix[3, 4:] = row, row, row, row
    x, kernel = np.arange(9.0).reshape(3, 3), np.array([[1.0, 2.0], [3.0, 4.0]])
    z = fl.correlate(x, kernel)
    check_same(z, np.array([[27.0, 37.0], [57.0, 67.0]]))
    check_same(z, (matrix @ x.ravel()).reshape(2, 2))
    check_same(fl.conv_transpose2d(z[None], kernel[None, None])[0], (matrix.T @ z.ravel()).reshape(3, 3))


# -- the classics ------------------------------------------------------------------------------------

LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])


def test_laplacian_of_a_small_image() -> None:
    x = np.array([[1, 2, 3, 0, 1], [0, 1, 2, 3, 1], [1, 0, 1, 2, 2], [2, 1, 0, 1, 3], [1, 2, 3, 0, 1]])
    expected = np.array([[0, 0, -7], [4, 0, -1], [0, 6, 1]])
    check_same(fl.correlate(x, LAPLACIAN), expected)
    check_same(fl.convolve(x, LAPLACIAN), expected)


def test_an_asymmetric_kernel_shows_the_flip() -> None:
    x = np.arange(1, 10).reshape(3, 3)
    kernel = np.array([[1, 2], [3, 4]])
    check_same(fl.correlate(x, kernel), np.array([[37, 47], [67, 77]]))
    check_same(fl.convolve(x, kernel), np.array([[23, 33], [53, 63]]))
    check_same(fl.correlate(x, LAPLACIAN), fl.convolve(x, LAPLACIAN))


def test_an_impulse_response_is_the_kernel() -> None:
    impulse = np.zeros((5, 5), int)
    impulse[2, 2] = 1
    kernel = np.arange(1, 10).reshape(3, 3)
    check_same(fl.convolve(impulse, kernel), kernel)
    check_same(fl.correlate(impulse, kernel), kernel[::-1, ::-1].copy())


def test_transposed_two_by_two_to_four_by_four() -> None:
    """Stride 2, a kernel of 2 by 2: every input cell stamps its own block."""
    x, kernel = np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 4]])
    check_same(fl.conv_transpose2d(image(x), image(kernel), stride=2), image(np.kron(x, kernel)))


def test_pointwise_two_by_two_by_four_to_two_by_two_by_three() -> None:
    """Channels are columns of a matrix product."""
    x = np.arange(1, 17).reshape(2, 2, 4)
    weight = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]])
    y = fl.conv2d(np.moveaxis(x, -1, 0), weight[:, :, None, None])
    expected = np.array([[1, 2, 7], [5, 6, 15], [9, 10, 23], [13, 14, 31]])
    check_same(np.moveaxis(y, 0, -1).reshape(4, 3), expected)


def test_depthwise_separable_has_fewer_weights() -> None:
    standard = fl.ConvSpec(32, 64, 3, bias=False, ndim=2)
    depthwise, pointwise = fl.ConvSpec(32, 32, 3, groups=32, bias=False, ndim=2), fl.ConvSpec(32, 64, 1, bias=False, ndim=2)
    assert standard.parameters == 18_432
    assert depthwise.parameters + pointwise.parameters == 2_336


def test_alexnet_and_resnet_first_layers() -> None:
    assert fl.ConvSpec(3, 96, 11, stride=4, ndim=2).output_size(227) == (55, 55)
    layer = fl.plan("conv2d(3, 64, 7, stride=2, padding=3, bias=False)", (1, 3, 224, 224))
    assert layer.cost.macs == 118_013_952
