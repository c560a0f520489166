"""The suite again and again, each time in another order and with other examples, and every test that fails once.

    python -m checks.flaky --runs 20 -- tests/engine --numprocesses 2

Run number n shuffles the tests by the seed n (`checks.shuffled`) and lets hypothesis draw anew from it. What pytest
says is kept in build/flaky/, a file for each run. Ends with 1 if a test failed in any of them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

FOLDER = Path("build/flaky")


def main() -> int:
    options, for_pytest = arguments()
    FOLDER.mkdir(parents=True, exist_ok=True)
    failed: dict[str, list[int]] = {}
    complete = 0
    for seed in range(options.first, options.first + options.runs):
        command = command_of(seed, for_pytest)
        report_of(seed).unlink(missing_ok=True)
        print(f"run {seed}: ", end="", flush=True)
        with (FOLDER / f"{seed}.log").open("w") as log:
            code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | {"HYPOTHESIS_PROFILE": "anew"}).returncode
        if code not in (0, 1) or not report_of(seed).is_file():  # 1: tests failed
            print(f"pytest itself failed with {code}, see {FOLDER}/{seed}.log")
            return 2
        tests, names = failures(report_of(seed))
        complete += 1
        print(f"{tests} tests, {len(names)} failed", flush=True)
        for name in names:
            failed.setdefault(name, []).append(seed)
    for name, seeds in sorted(failed.items(), key=lambda entry: -len(entry[1])):
        print(f"{name} failed in {len(seeds)} of {complete} runs: {', '.join(map(str, seeds))}")
    if failed:
        seed = min(seed for seeds in failed.values() for seed in seeds)
        print(f"To repeat run {seed}:\n  HYPOTHESIS_PROFILE=anew {' '.join(command_of(seed, for_pytest))}")
        return 1
    print(f"No test failed in {complete} runs.")
    return 0


def arguments() -> tuple[argparse.Namespace, list[str]]:
    given = sys.argv[1:]
    split = given.index("--") if "--" in given else len(given)
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--runs", type=int, default=20)
    asked.add_argument("--first", type=int, default=1, help="the seed of the first run")
    return asked.parse_args(given[:split]), given[split + 1 :]


def report_of(seed: int) -> Path:
    return FOLDER / f"{seed}.xml"


def command_of(seed: int, for_pytest: list[str]) -> list[str]:
    ours = [
        "-p",
        "checks.shuffled",
        f"--shuffle={seed}",
        f"--hypothesis-seed={seed}",
        "-p",
        "no:cacheprovider",
        f"--junit-xml={report_of(seed)}",
    ]
    return [sys.executable, "-m", "pytest", "-q", *ours, *for_pytest]


def failures(report: Path) -> tuple[int, list[str]]:
    """How many tests ran, and the names of those that failed, in their call or around it."""
    cases = list(ET.parse(report).iter("testcase"))
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    return len(cases), sorted({f"{case.get('classname')}::{case.get('name')}" for case in bad})


if __name__ == "__main__":
    sys.exit(main())
