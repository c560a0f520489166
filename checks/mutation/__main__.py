"""Run the tests on the mutants: ``python -m checks.mutation [MODULE …]``.

Ends with 1 if a mutant survives that `explained.toml` does not explain, if an explanation fits no mutant, or if fewer than
95 % of a module's mutants are killed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tomllib
from collections import Counter
from pathlib import Path

MODULES = ("geometry", "borders", "normal_form", "notation", "spec", "adjoint")
TESTS = [f"tests/core/test_{name}.py" for name in ("geometry", "notation", "spec", "errors", "adjoint")]
EXPLAINED = Path(__file__).with_name("explained.toml")
FOLDER = Path("build/mutation")
LEAST = 0.95


def main() -> int:
    from checks.mutation.mutating import Mutant, mutants_of
    from checks.mutation.running import run_inside, run_outside

    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("modules", nargs="*", metavar="MODULE", help=f"some of {', '.join(MODULES)}; all of them where none is given")
    asked.add_argument("--tests", nargs="+", default=[], help="other tests than those that belong to the modules")
    asked.add_argument(
        "--explained-too", action="store_true", help="run the tests on the explained ones as well: none of them may be killed"
    )
    asked.add_argument("--sample", type=int, metavar="N", help="only so many mutants, drawn at random, the same every time")
    options = asked.parse_args()
    names = options.modules or MODULES
    files = {f"faltung.{name}": str(Path("src/faltung", f"{name}.py").resolve()) for name in names}
    tests = options.tests or [*TESTS, *(f"src/faltung/{name}.py" for name in MODULES)]

    mutants = [mutant for module, path in files.items() for mutant in mutants_of(module, Path(path).read_text("utf-8"))]
    explained = {
        tuple(one[key] for key in ("module", "function", "change")): one["why"]
        for one in tomllib.loads(EXPLAINED.read_text("utf-8")).get("mutant", [])
    }
    unknown = [key for key in explained if key[0] in files and key not in {mutant.key for mutant in mutants}]
    tried = [mutant for mutant in mutants if options.explained_too or mutant.key not in explained]
    if options.sample is not None and options.sample < len(tried):
        tried = random.Random(1).sample(tried, options.sample)
    screen = os.fdopen(os.dup(1), "w")  # pytest has the other one
    print(f"{len(mutants)} mutants, {len(explained)} explained; {len(tried)} are tried", file=screen, flush=True)

    found: dict[tuple[str, str, str], str] = {}

    def tell(mutant: Mutant, outcome: str, by: str) -> None:
        found[mutant.key] = outcome
        log.write(json.dumps([outcome, *mutant.key, mutant.lines.start, by], ensure_ascii=False) + "\n")
        log.flush()
        if outcome == "survived" and mutant.key not in explained:
            place = f"{mutant.module} {mutant.function or '(module)'} line {mutant.lines.start}"
            print(f"survived: {place}\n    {mutant.change}", file=screen, flush=True)

    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "outcomes.jsonl").open("w", encoding="utf-8") as log:
        if (process := os.fork()) == 0:  # this process must stay without the package
            seconds = run_inside((mutant for mutant in tried if mutant.inside), files, tests, tell)
            (FOLDER / "seconds.json").write_text(json.dumps(seconds), "utf-8")
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) != 0:
            return 2
        seconds = json.loads((FOLDER / "seconds.json").read_text("utf-8"))
        run_outside((mutant for mutant in tried if not mutant.inside), files, tests, seconds, tell)
    for line in (FOLDER / "outcomes.jsonl").read_text("utf-8").splitlines():
        outcome, *key, _, _ = json.loads(line)
        found[tuple(key)] = outcome

    failed = bool(unknown)
    for module in files:
        keys = [mutant.key for mutant in mutants if mutant.module == module and (mutant.key in found or mutant.key in explained)]
        count = Counter(found.get(key, "explained") for key in keys)
        killed = count["killed"] + count["endless"]
        explained_here = sum(key in explained and found.get(key) in (None, "survived") for key in keys)
        open_here = sum(found.get(key) == "survived" and key not in explained for key in keys)
        print(
            f"{module:20} {len(keys):5} mutants, {killed:5} killed ({killed / max(len(keys), 1):.1%}; {count['endless']} of them endless), "
            f"{explained_here} explained, {open_here} survived",
            file=screen,
        )
        failed |= open_here > 0 or killed < LEAST * (len(keys) - explained_here)
    for key in unknown:
        print(f"explained, but no mutant: {' '.join(key)}", file=screen)
    for key in explained:
        if found.get(key) in ("killed", "endless"):
            print(f"explained, but killed: {' '.join(key)}", file=screen)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
