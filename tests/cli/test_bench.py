"""`faltung bench`: the table, the JSON, and wrong answers in plain sight."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from faltung.bench.peers import PEERS, Prepared
from faltung.bench.workloads import CLASSES
from tests.bench.runs import a_run, a_workload

QUICK = ("bench", "--only", "tiny", "--rounds", "1", "--peers")


class Liar:
    """A peer whose answer is zero."""

    name, idea, package, distribution = "liar", "answers zero", "numpy", "numpy"

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
    assert "prepared: packed once" in result.stdout
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
    assert row["refusals"]["scipy"] == "SciPy has no sum over channels"
    assert row["class"] == "tiny"
    assert facts["classes"]["tiny"]["rows"] == facts["all"]["rows"] == 1
    assert facts["seconds_per_row"] == 4.0
    assert set(row["seconds"]) == {"faltung", "faltung prepared"}
    assert "command" in facts
    assert "preemptions_per_second" in facts


def test_layers_of_ones_own(as_json, tmp_path: Path) -> None:
    layers = tmp_path / "layers.txt"
    layers.write_text("# two\nconv2d(3, 8, 3, padding=1) @ 16x16\n\nconv1d(4, 4, 5, groups=4) @ 2x4x50\n")
    facts = as_json("bench", "--layers", str(layers), "--rounds", "1", "--peers", "none")
    assert [row["name"] for row in facts["workloads"]] == [
        "conv2d(3, 8, (3, 3), padding=(1, 1)) @ 1x3x16x16",
        "conv1d(4, 4, (5,), groups=4) @ 2x4x50",
    ]
    back = as_json("bench", "--layers", str(layers), "--direction", "weight-grad", "--dtype", "float64", "--rounds", "1", "--peers", "none")
    assert {(row["direction"], row["dtype"]) for row in back["workloads"]} == {("weight gradient", "float64")}


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("# a comment\nconv2d(3, 8, 3)\n", (), "line 2 of --layers, 'conv2d(3, 8, 3)', names no size"),
        ("conv2d(3, 8, 3) @ 4x16x16\n", (), "line 1 of --layers: '4x16x16' has 4 channels"),
        ("# nothing\n", (), "has no layers"),
        ("conv2d(3, 8, 3) @ 16x16\n", ("--suite", "full"), "--suite and --layers exclude one another"),
        ("conv2d(3, 8, 3) @ 16x16\n", ("--direction", "back"), "--direction='back' is not known"),
        ("conv2d(3, 8, 3) @ 16x16\n", ("--dtype", "int8"), "--dtype='int8' is not known"),
    ],
)
def test_layers_that_cannot_be_timed(faltung, tmp_path: Path, text: str, options: tuple[str, ...], words: str) -> None:
    layers = tmp_path / "layers.txt"
    layers.write_text(text)
    result = faltung("bench", "--layers", str(layers), *options)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_peer_that_disagrees_is_shown_and_left_out(faltung, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PEERS, "liar", Liar())
    result = faltung(*QUICK, "liar", columns=200)
    assert result.exit_code == 0, result.stderr
    assert "≠ tiny 3×3 3→8 at 16²: liar differs from Faltung by" in result.stdout
    assert "vs torch" not in result.stdout


class Broken(Liar):
    """A peer that raises."""

    name = "broken"

    def prepare(self, workload, arrays, threads) -> Prepared:
        raise RuntimeError("no kernel")


def test_a_peer_that_fails_is_told_with_its_message(faltung, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PEERS, "broken", Broken())
    result = faltung(*QUICK, "broken", columns=200)
    assert result.exit_code == 0, result.stderr
    assert "! tiny 3×3 3→8 at 16²: broken was left out. RuntimeError: no kernel" in result.stdout


def test_peers_that_cannot_take_part_or_are_not_installed_are_told(faltung, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faltung.bench.peers._is_installed", lambda peer: peer.package != "ncnn")
    result = faltung(*QUICK, "scipy", columns=200)
    assert "not in 1 of 1 rows: scipy. SciPy has no sum over channels (1)." in result.stdout
    assert "not installed: ncnn. Run pip install ncnn to compare with them." in result.stdout


def test_a_class_is_looked_up_in_the_full_suite(as_json) -> None:
    facts = as_json("bench", "--class", "tiny", "--only", "lenet,5x5", "--rounds", "1", "--peers", "none")
    assert facts["suite"] == "full"
    assert [row["name"] for row in facts["workloads"]] == ["tiny 5×5 6→16 at 14²"]


def test_passes_add_their_rounds(as_json) -> None:
    facts = as_json("bench", "--class", "tiny", "--only", "lenet,3x3", "--rounds", "2", "--passes", "3", "--peers", "torch")
    assert (facts["rounds"], facts["passes"]) == (2, 3)
    for row in facts["workloads"]:
        assert {len(runs) for runs in row["runs"].values()} == {6}
        assert row["against_torch"] > 0
        assert row["fraction_of_limit"] > 0


def test_a_failure_in_many_rows_is_told_once(faltung, tmp_path: Path) -> None:
    rows = [a_workload(str(number), "fir", failures={"jax": "too many threads"}) for number in range(5)]
    recorded = tmp_path / "run.json"
    recorded.write_text(json.dumps(a_run(*rows)), encoding="utf-8")
    told = [line for line in faltung("bench", "--recorded", recorded).stdout.splitlines() if line.startswith("!")]
    assert told == ["! 5 rows: jax was left out. too many threads"]


def test_help_names_every_class_and_peer(faltung) -> None:
    words = faltung("bench", "--help", columns=200).stdout.replace(".", ",").replace(" ", ",").split(",")
    assert {*CLASSES, *PEERS} <= set(words)


def test_a_recorded_run_is_shown_and_drawn_again(faltung, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    recorded, figure = tmp_path / "run.json", tmp_path / "run.svg"
    rows = [a_workload(name, key) for key in ("fir", "tiny") for name in (f"first {key}", f"second {key}", f"third {key}")]
    rows[0]["disagreeing"], rows[0]["deviations"]["scipy"] = ["scipy"], None
    recorded.write_text(json.dumps(a_run(*rows, preemptions_per_second=400.0)), encoding="utf-8")
    result = faltung("bench", "--recorded", recorded, "--figure", figure, columns=200)
    assert result.exit_code == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["first", "fir", "1.00", "1.00", "4.00", "≠2.00", "4.00×", "2.00×", "80", "%"] in lines
    assert ["long", "1-D,", "FIR", "3", "4.00×", "2.00×", "2.00×", "80", "%"] in lines
    assert ["all", "6", "4.00×", "2.00×", "2.00×", "80", "%"] in lines
    assert "scipy differs from Faltung by more than can be told" in result.stdout
    assert "400 preemptions per second of work" in result.stdout
    assert figure.read_text(encoding="utf-8").startswith("<?xml")
    assert json.loads(faltung("bench", "--recorded", recorded, "--json").stdout) == json.loads(recorded.read_text(encoding="utf-8"))


@pytest.mark.parametrize("columns", [80, 120])
def test_no_number_is_cut_off(faltung, columns: int) -> None:
    pytest.importorskip("torch")
    result = faltung(*QUICK, "torch,torch-best,scipy", columns=columns)
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
        (("--class", "depthwice"), "Did you mean 'depthwise'?"),
        (("--suite", "foundation", "--class", "fir"), "suite 'foundation' has no layer of class fir."),
        (("--seconds-per-row", "0"), "--seconds-per-row=0 is not above 0"),
        (("--figure", "run.xls"), "no format of the figure"),
        (("--recorded", "nowhere.json"), "nowhere.json: No such file"),
        (("--rounds", "0"), "--rounds=0 is not between 1 and 1000."),
        (("--passes", "0"), "--passes=0 is not between 1 and 100."),
        (("--threads", "0"), "--threads=0 is no number of threads."),
        (("--rounds", "many"), "Invalid value for '--rounds'"),
    ],
)
def test_bad_input_is_one_block(refused, options: tuple[str, ...], told: str) -> None:
    assert told in refused("bench", *options)


@pytest.mark.parametrize(("text", "told"), [("no json", "holds no JSON"), ("[1]", "is no run of the benchmark")])
def test_a_file_that_holds_no_run_is_refused(refused, tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text, encoding="utf-8")
    assert told in refused("bench", "--recorded", path)


def test_functions_beside_scipys(faltung, refused, tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    arguments = ("bench", "--suite", "scipy", "--only", "9 taps along axis 0, 512", "--rounds", "1", "--peers", "scipy")
    result = faltung(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    recorded = tmp_path / "run.json"
    recorded.write_text(result.stdout)
    shown = faltung("bench", "--recorded", recorded)
    assert shown.exit_code == 0, shown.stderr
    assert "9 taps along axis 0, 512², float32" in shown.stdout
    assert "one axis" in shown.stdout
    assert "--passes" in refused(*arguments, "--passes", "2")
