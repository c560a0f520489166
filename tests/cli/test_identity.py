"""`faltung identity`: the list, each one's case, and what a failed check does."""

from __future__ import annotations

import pytest

from faltung import identities
from faltung.identities import demonstration
from faltung.identities.demonstration import DEMONSTRATIONS, demonstrate


def test_the_list_has_every_identity(faltung, as_json) -> None:
    functions = {name for name in identities.__all__ if name[0].islower()}
    assert set(DEMONSTRATIONS) == functions
    result = faltung("identity")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in functions)
    listed = as_json("identity")["identities"]
    assert listed == {name: statement for name, (statement, _, _) in DEMONSTRATIONS.items()}


@pytest.mark.parametrize("name", DEMONSTRATIONS)
def test_each_is_shown_and_holds(faltung, as_json, name: str) -> None:
    result = faltung("identity", name)
    assert result.exit_code == 0, result.output
    assert " ".join(result.stdout.split()).startswith(f"{name}: {DEMONSTRATIONS[name][0]}")
    assert "passed" in result.stdout
    facts = as_json("identity", name)
    shown = demonstrate(name)
    assert facts["passed"] is True
    assert facts["worked"] == dict(shown.worked)
    for label, text in shown.worked:
        assert label in result.stdout
        assert all(line in result.stdout for line in text.splitlines())


@pytest.mark.parametrize("name", DEMONSTRATIONS)
def test_each_holds_for_many_random_cases(name: str) -> None:
    checks = [demonstrate(name, seed) for seed in range(25)]
    assert all(shown.passed for shown in checks), [shown.checked for shown in checks if not shown.passed]
    assert len({shown.checked for shown in checks}) > 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("compose", "[-1 -1  1  1], stride 2, gives [20 36]"),
        ("flip", "[3 2 1]"),
        ("dilate_kernel", "[3 0 4]"),
        ("transposed_as_conv", "[  1  10 102  20 203  30 300]"),
        ("circular_as_fft", "[1032  321 3210 2103]"),
        ("fold_batchnorm", "[ 5. 10.] and [-14.]"),
        ("separate", "rank 2"),
    ],
)
def test_the_numbers(faltung, name: str, told: str) -> None:
    assert told in faltung("identity", name).stdout


def test_a_seed_draws_another_case(as_json) -> None:
    one, same, other = (as_json("identity", "flip", "--seed", seed)["checked"] for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_failed_check_is_status_1(faltung, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]) -> None:
    wrong = lambda spec, weight, bias=None: identities.Rewritten(demonstration.ConvSpec.parse(str(spec)), weight + 1, bias)  # noqa: E731
    monkeypatch.setattr(demonstration, "dilate_kernel", wrong)
    result = faltung("identity", "dilate_kernel", *options)
    assert result.exit_code == 1
    assert ('"passed": false' if options else "FAILED") in result.stdout


def test_bad_input_is_one_block(refused) -> None:
    assert "name='composs' is not known.\n  Did you mean 'compose'?" in refused("identity", "composs")
    assert "Invalid value for '--seed'" in refused("identity", "flip", "--seed", "-1")


def test_help_has_an_example(faltung) -> None:
    result = faltung("identity", "--help")
    assert result.exit_code == 0
    assert "Example: faltung identity" in result.stdout


@pytest.mark.parametrize("columns", [80, 120])
def test_nothing_is_cut_off(faltung, columns: int) -> None:
    for name in ("", *DEMONSTRATIONS):
        lines = faltung("identity", *([name] if name else []), columns=columns).stdout.splitlines()
        assert max(map(len, lines)) <= columns
        assert "…" not in "".join(lines)
