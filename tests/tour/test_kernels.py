from __future__ import annotations

import numpy as np
import pytest

import faltung as fl
from faltung.errors import ConvSpecError
from faltung.kernels import kernel_names, named_kernel

RIGHT = np.tile(np.arange(9.0), (9, 1))
"""Brightness that rises to the right."""


@pytest.mark.parametrize("name", kernel_names())
def test_every_name_gives_a_kernel_of_its_own(name):
    kernel = named_kernel(name)
    assert kernel.dtype == np.float64
    assert kernel.ndim == 2
    kernel[:] = 99
    assert named_kernel(name).max() < 99


@pytest.mark.parametrize(
    "name", ["identity", "gaussian", "gaussian(9, sigma=2)", "box", "box_x(7)", "motion(9, angle=30)", "unsharp", "sharpen"]
)
def test_kernels_that_keep_brightness_sum_to_one(name):
    assert named_kernel(name).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    "name",
    [
        "sobel_x",
        "sobel_y",
        "prewitt_x",
        "prewitt_y",
        "scharr_x",
        "scharr_y",
        "laplacian",
        "laplacian_8",
        "outline",
        "laplacian_of_gaussian(11)",
    ],
)
def test_derivatives_sum_to_zero(name):
    assert named_kernel(name).sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", ["sobel", "prewitt", "scharr"])
def test_they_answer_positively_where_brightness_rises_to_the_right_or_downwards(name):
    across, down = named_kernel(f"{name}_x"), named_kernel(f"{name}_y")
    assert (fl.correlate(RIGHT, across) > 0).all()
    assert (fl.correlate(RIGHT, down) == 0).all()
    assert (fl.correlate(RIGHT.T.copy(), down) > 0).all()
    np.testing.assert_array_equal(across.T, down)


def test_the_laplacian_is_positive_in_a_dark_spot():
    spot = np.ones((3, 3))
    spot[1, 1] = 0
    assert fl.correlate(spot, named_kernel("laplacian")).item() == 4
    assert fl.correlate(np.pad(spot, 4, constant_values=1.0), named_kernel("laplacian_of_gaussian(9)")).max() > 0


def test_emboss_is_lit_from_the_top_left():
    bump = np.zeros((5, 5))
    bump[2, 2] = 1.0
    relief = fl.correlate(bump, named_kernel("emboss"), "same")
    assert relief[1, 1] > 0 > relief[3, 3]


def test_motion_lies_along_its_angle():
    np.testing.assert_allclose(named_kernel("motion(5)")[2], 0.2)
    assert np.count_nonzero(named_kernel("motion(5)")) == 5
    np.testing.assert_allclose(named_kernel("motion(5, angle=90)"), named_kernel("motion(5)").T, atol=1e-12)
    rising = named_kernel("motion(7, angle=45)")
    assert rising[1, 5] > 0
    assert rising[1, 1] == 0


def test_a_gaussian_is_as_wide_as_its_sigma():
    kernel = named_kernel("gaussian(31, sigma=3)")
    steps = np.arange(31) - 15
    assert np.sqrt((kernel.sum(axis=0) * steps**2).sum()) == pytest.approx(3, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("sobelx", "kernel='sobelx' is not known.", "Did you mean 'sobel_x'?"),
        ("gaussian(4)", "size=4 is not an odd number between 1 and 1023.", "An odd kernel has a middle cell; use for example 5."),
        ("gaussian(5, sigma=-1)", "sigma=-1 is not above 0.", "Write for example sigma=1.5."),
        (
            "gaussian(5, width=1)",
            "kernel 'gaussian(5, width=1)': got an unexpected keyword argument 'width'.",
            "Its parameters: gaussian(size=5, sigma=None).",
        ),
        ("sobel_x(3)", "kernel 'sobel_x' takes no parameters, got 'sobel_x(3)'.", "Write sobel_x."),
        ("gaussian(", "kernel='gaussian(' cannot be read.", "Write a name"),
        ("__import__('os').system('x')", "kernel=\"__import__('os').system('x')\" cannot be read.", "Write a name"),
        ("motion(9, angle=1e400)", "angle=inf is no finite number.", "Write for example angle=1.5."),
        ("x" * 300, "the kernel's name has 300 characters, more than 200.", "Write a name"),
    ],
)
def test_a_wrong_name_is_told_with_its_remedy(text, problem, remedy):
    with pytest.raises(ConvSpecError) as raised:
        named_kernel(text)
    assert raised.value.problem == problem
    assert raised.value.remedy.startswith(remedy)


def test_a_name_that_is_no_text():
    with pytest.raises(ConvSpecError, match="named by text, not by int"):
        named_kernel(3)  # type: ignore[arg-type]
