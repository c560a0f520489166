"""The matrices of the page are those of `identities.as_matrix` and `unfold`, which know nothing of scenes."""

from __future__ import annotations

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


@given(problems(max_axes=3, max_batch=1), st.sampled_from(["auto", "gather"]))
def test_both_matrices_give_the_convolution(problem, reading) -> None:
    x, weight, _ = problem.arrays()
    made = fl.scene(problem.spec, x=x[0], weight=weight, reading=reading)
    (found,) = matrices_of(made)["stages"]
    wanted = reference.conv(problem.spec, x, weight)[0]
    toeplitz = found["toeplitz"]
    assert dense(toeplitz).tolist() == fl.identities.as_matrix(problem.spec, weight, problem.input_size).toarray().tolist()
    assert (dense(toeplitz, weight.ravel()) @ x.ravel()).tolist() == wanted.ravel().tolist()
    im2col = found["im2col"]
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
