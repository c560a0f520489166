"""`faltung bench`: the table, the JSON, and wrong answers in plain sight."""

from __future__ import annotations

import numpy as np
import pytest

from faltung.bench.peers import PEERS, Prepared

QUICK = ("bench", "--only", "tiny", "--rounds", "1", "--peers")


class Liar:
    """A peer whose answer is zero."""

    name, idea, package = "liar", "answers zero", "numpy"

    def refusal(self, workload) -> None:
        return None

    def prepare(self, workload, arrays, threads) -> Prepared:
        result = np.zeros(workload.output_shape, workload.dtype)
        return Prepared(lambda: result, np.asarray)


def test_a_table_with_its_limits_and_legend(faltung) -> None:
    result = faltung(*QUICK, "none")
    assert result.exit_code == 0, result.stderr
    assert "tiny 3×3 3→8 at 16²" in result.stdout
    assert "limits measured:" in result.stdout
    assert "prepared: packed once." in result.stdout
    assert "vs best" not in result.stdout
    assert result.stderr == ""


def test_json_has_all_that_repeats_the_run(as_json) -> None:
    facts = as_json(*QUICK, "scipy", "--threads", "1")
    assert facts["suite"] == "quick"
    assert facts["machine"]["threads"] == 1
    assert facts["machine"]["isa"]
    assert set(facts["versions"]) == {"faltung", "python", "numpy", "scipy"}
    assert facts["limits"]["flops_per_second"]["float32"] > 0
    (row,) = facts["workloads"]
    assert row["refusals"]["scipy"] == "SciPy has no channels"
    assert set(row["seconds"]) == {"faltung", "faltung prepared"}
    assert "command" in facts
    assert "preemptions_per_second" in facts


def test_a_peer_that_disagrees_is_shown_and_left_out(faltung, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PEERS, "liar", Liar())
    result = faltung(*QUICK, "liar", columns=200)
    assert result.exit_code == 0, result.stderr
    assert "≠ tiny 3×3 3→8 at 16²: liar differs from Faltung by" in result.stdout
    assert "geometric mean" not in result.stdout


@pytest.mark.parametrize("columns", [80, 120])
def test_no_number_is_cut_off(faltung, columns: int) -> None:
    pytest.importorskip("torch")
    result = faltung(*QUICK, "torch,torch-cl,scipy", columns=columns)
    assert result.exit_code == 0, result.stderr
    assert "…" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= columns


def test_the_number_of_threads_is_put_back(faltung) -> None:
    from faltung.engine.native import get_num_threads

    before = get_num_threads()
    faltung(*QUICK, "none", "--threads", str(before + 1))
    assert get_num_threads() == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--suite", "quik"), "Did you mean 'quick'?"),
        (("--peers", "torhc"), "Did you mean 'torch'?"),
        (("--only", "nothing"), "no workload of suite 'quick' contains 'nothing'."),
        (("--rounds", "0"), "--rounds=0 is not between 1 and 1000."),
        (("--threads", "0"), "--threads=0 is no number of threads."),
        (("--rounds", "many"), "Invalid value for '--rounds'"),
    ],
)
def test_bad_input_is_one_block(refused, options: tuple[str, ...], told: str) -> None:
    assert told in refused("bench", *options)
