"""The matrices of the page are those of `identities.as_matrix` and `unfold`, which know nothing of scenes."""

from __future__ import annotations

import math
from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from faltung import reference
from faltung.app import matrices
from faltung.app.matrices import matrices_of
from tests.support.strategies import problems


def dense(toeplitz, weights=None) -> np.ndarray:
    made = np.zeros(toeplitz["shape"], np.int64)
    values = toeplitz["value"] if weights is None else [weights[flat].sum() for flat in toeplitz["weights"]]
    assert len(set(zip(toeplitz["row"], toeplitz["column"], strict=True))) == len(toeplitz["row"])
    made[toeplitz["row"], toeplitz["column"]] = values
    return made


def stamped(col2im, made, x, weight) -> list:
    """The output that the entries of C add up to, each where it falls; and C is the weights, transposed, times the input."""
    output = made.stages[0].output
    result = np.zeros((output.channels, math.prod(output.size)), np.int64)
    for group in col2im["groups"]:
        columns = weight.ravel()[np.array(group["weights"])] @ x.reshape(len(x), -1)[group["input_channels"]]
        assert columns.tolist() == group["values"]
        cells = np.array(output.sources)[np.array(group["places"])]
        for row, channel in enumerate(group["row_channel"]):
            np.add.at(result[channel], cells[row][cells[row] >= 0], columns[row][cells[row] >= 0])
    return result.reshape(output.channels, *output.size).tolist()


@given(problems(max_axes=3, max_batch=1), st.sampled_from(["auto", "gather"]))
def test_both_matrices_give_the_convolution(problem, reading) -> None:
    x, weight, _ = problem.arrays()
    made = fl.scene(problem.spec, x=x[0], weight=weight, reading=reading)
    with patch.object(matrices, "MAX_ENTRIES", 2**24):  # a few of the problems are larger than what a page shows
        (found,) = matrices_of(made)["stages"]
    wanted = reference.conv(problem.spec, x, weight)[0]
    toeplitz = found["toeplitz"]
    assert dense(toeplitz).tolist() == fl.identities.as_matrix(problem.spec, weight, problem.input_size).toarray().tolist()
    assert (dense(toeplitz, weight.ravel()) @ x.ravel()).tolist() == wanted.ravel().tolist()
    im2col = found["im2col"]
    assert (found["col2im"] is None) == (reading == "gather" or not problem.spec.transposed)
    if found["col2im"] is not None:
        assert stamped(found["col2im"], made, x[0], weight) == wanted.tolist()
    if im2col is None:
        assert problem.spec.transposed
        return
    result = np.zeros((problem.spec.out_channels, wanted[0].size), np.int64)
    for group in im2col["groups"]:
        columns = np.array(group["values"])
        result[group["output_channels"]] = weight.ravel()[np.array(group["weights"])] @ columns
        sources = np.array(made.stages[0].input.sources)[np.array(group["places"])]
        for row, channel in enumerate(group["row_channel"]):
            assert columns[row].tolist() == np.where(sources[row] < 0, 0, x[0, channel].ravel()[sources[row]]).tolist()
    assert result.ravel().tolist() == wanted.ravel().tolist()


def test_the_columns_of_im2col_are_those_of_unfold() -> None:
    x = np.arange(50).reshape(2, 5, 5)
    (found,) = matrices_of(fl.scene("conv2d(2, 3, (3, 2), stride=2, padding=1)", x=x))["stages"]
    (group,) = found["im2col"]["groups"]
    assert group["values"] == fl.unfold(x, (3, 2), padding=1, stride=2).tolist()
    assert group["row_channel"] == [0] * 6 + [1] * 6
    assert group["row_tap"] == [*range(6), *range(6)]


def test_matrices_too_large_to_read_say_so(monkeypatch) -> None:
    monkeypatch.setattr(matrices, "MAX_ENTRIES", 80)
    (found,) = matrices_of(fl.scene("conv2d(1, 1, 3)", 5))["stages"]
    assert found["toeplitz"] == {"reason": "the matrix would have up to 81 entries, more than 80. Use a smaller input, or fewer channels."}
    assert "9 rows * 9 columns = 81 entries, more than 80" in found["im2col"]["reason"]


def test_a_scatter_with_its_gather_beside_it_has_windows_and_stamps() -> None:
    fields = {"spec": "conv_transpose2d(2, 3, 3, stride=2, padding=1)", "x": np.arange(18).reshape(2, 3, 3)}
    scatter, gather = fl.scene(**fields), fl.scene(**fields, reading="gather")
    (found,) = matrices_of(scatter, gather.stages)["stages"]
    assert found["im2col"] == matrices_of(gather)["stages"][0]["im2col"]
    assert found["col2im"] == matrices_of(scatter)["stages"][0]["col2im"]


def test_stamps_too_many_to_read_say_so(monkeypatch) -> None:
    monkeypatch.setattr(matrices, "MAX_ENTRIES", 80)
    (found,) = matrices_of(fl.scene("conv_transpose2d(1, 1, 3)", 3))["stages"]
    assert found["col2im"] == {
        "reason": "the matrix of stamps would have 9 rows * 9 columns = 81 entries, more than 80. Use a smaller input, or fewer channels."
    }
