"""The program as a shell sees it: exit status, streams, signals, pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

import faltung as faltung_package
from faltung.cli.app import FaltungGroup

PROGRAM = [sys.executable, "-m", "faltung"]
LAYER = "conv2d(3, 64, 7, stride=2, padding=3)"


def shell(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments], capture_output=True, text=True, encoding="utf-8", env={**os.environ, **environment}, check=False
    )


def test_success_is_status_0() -> None:
    done = shell("explain", LAYER, "--input", "224x224", "--no-code", PYTHONIOENCODING="utf-8")
    assert done.returncode == 0
    assert "118 013 952" in done.stdout
    assert done.stderr == ""


def test_bad_input_is_status_2_and_one_block() -> None:
    done = shell("explain", "conv2d(3, 64, 0)", COLUMNS="200")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "error: kernel_size=0 is below 1.\n  Use 1 or more.\n"
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    program = subprocess.Popen([*PROGRAM, "explain", LAYER, "--input", "224x224"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert program.stdout is not None
    program.stdout.close()
    assert program.stderr is not None
    complaints = program.stderr.read()
    program.stderr.close()
    assert program.wait() == 1
    assert complaints == b""


def test_an_interrupt_is_status_130_and_silent() -> None:
    # The interrupt comes from inside, once the command is under way: no waiting for the right moment.
    code = (
        "import os, signal, sys, faltung.bench.report as report\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell ignores it for what runs in the background
        "report.time_workload = lambda *a, **k: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.argv = ['faltung', 'bench', '--peers', 'none']\n"
        "from faltung.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGINT, "", "")


def test_a_narrow_encoding_costs_signs_not_the_answer() -> None:
    done = shell("explain", LAYER, "--input", "224x224", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "118 013 952" in done.stdout
    assert done.stderr == ""


def test_version(faltung) -> None:
    result = faltung("--version")
    assert (result.exit_code, result.stdout) == (0, f"faltung {faltung_package.__version__}\n")


def test_without_a_command_the_help_is_shown(faltung) -> None:
    result = faltung()
    assert result.exit_code == 0
    for command in ("explain", "run", "plan", "bench", "tour", "identity"):
        assert command in result.stdout


@pytest.mark.parametrize("command", ["explain", "run", "plan", "bench", "tour", "identity"])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_help_has_an_example(faltung, command: str, flag: str) -> None:
    result = faltung(command, flag)
    assert result.exit_code == 0
    assert f"Example: faltung {command}" in result.stdout


def test_a_misspelt_command_is_told_the_near_one(refused) -> None:
    message = refused("expla1n", LAYER)
    assert message.startswith("error: No such command 'expla1n'. Did you mean 'explain'")
    assert "\n  `faltung --help` shows what it takes.\n" in message


class Broken(FaltungGroup):
    """A group whose command fails as told."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(name="faltung")
        self.error = error

    def make_context(self, *args, **kwargs):
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (faltung_package.ConvShapeError("a problem.", "A remedy."), 2, "error: a problem.\n  A remedy.\n"),
        (faltung_package.ConvError("a problem."), 2, "error: a problem.\n"),
        (MemoryError(), 2, "error: there is not enough memory.\n  Use a smaller input or a smaller dtype.\n"),
        (PermissionError(13, "Permission denied", "a.png"), 2, "error: a.png: Permission denied.\n  Check the path and its permissions.\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_how_failures_end(capsys: pytest.CaptureFixture[str], error: BaseException, status: int, told: str) -> None:
    with pytest.raises(SystemExit) as left:
        Broken(error).main([])
    assert left.value.code == status
    assert capsys.readouterr() == ("", told)


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        Broken(ZeroDivisionError()).main([])
