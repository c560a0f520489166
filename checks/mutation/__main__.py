"""Run the tests on the mutants: ``python -m checks.mutation [MODULE …]``.

Ends with 1 if a mutant survives that `explained.toml` does not explain, if an explanation fits no mutant or a killed one, or
if fewer than 95 % of a module's mutants are killed. What becomes of each stands in build/mutation/outcomes.jsonl as soon as
it is known; with ``--resume`` those that were killed before count as killed, and only the others are tried.
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
TESTS = [f"tests/core/test_{name}.py" for name in ("geometry", "phases", "notation", "spec", "errors", "adjoint", "frameworks_text")]
EXPLAINED = Path(__file__).with_name("explained.toml")
FOLDER = Path("build/mutation")
LEAST = 0.95


def main() -> int:
    from checks.mutation.kept import KILLED, Kept
    from checks.mutation.mutating import Mutant, mutants_of
    from checks.mutation.running import run_inside, run_outside

    options = arguments()
    names = options.modules or MODULES
    files = {f"faltung.{name}": str(Path("src/faltung", f"{name}.py").resolve()) for name in names}
    tests = options.tests or [*TESTS, *(f"src/faltung/{name}.py" for name in MODULES)]

    sources = {module: Path(path).read_text("utf-8") for module, path in files.items()}
    mutants = [mutant for module, text in sources.items() for mutant in mutants_of(module, text)]
    explained = {
        tuple(one[key] for key in ("module", "function", "change")): one["why"]
        for one in tomllib.loads(EXPLAINED.read_text("utf-8")).get("mutant", [])
    }
    explained = {key: why for key, why in explained.items() if key[0] in files}
    known = {mutant.key for mutant in mutants}
    unknown = [key for key in explained if key not in known]
    kept = Kept(FOLDER / "outcomes.jsonl", sources)
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not options.resume:
        kept.path.write_text("", "utf-8")
    before = kept.killed(mutants)
    tried = [mutant for mutant in mutants if mutant.key not in before and (options.explained_too or mutant.key not in explained)]
    if options.sample is not None and options.sample < len(tried):
        tried = random.Random(1).sample(tried, options.sample)
    screen = os.fdopen(os.dup(1), "w")  # pytest has the other one
    print(
        f"{len(mutants)} mutants, {len(explained)} explained, {len(before)} killed before; {len(tried)} are tried", file=screen, flush=True
    )

    def tell(mutant: Mutant, outcome: str, by: str) -> None:
        kept.keep(mutant, outcome, by)
        if outcome not in KILLED and mutant.key not in explained:
            place = f"{mutant.module} {mutant.function or '(module)'} line {mutant.lines.start}"
            print(f"survived: {place}\n    {mutant.change}", file=screen, flush=True)

    if (process := os.fork()) == 0:  # this process must stay without the package
        seconds = run_inside((mutant for mutant in tried if mutant.inside), files, tests, tell)
        (FOLDER / "seconds.json").write_text(json.dumps(seconds), "utf-8")
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) != 0:
        return 2
    seconds = json.loads((FOLDER / "seconds.json").read_text("utf-8"))
    run_outside((mutant for mutant in tried if not mutant.inside), files, tests, seconds, tell)

    killed = kept.killed(mutants)
    looked_at = {*killed, *explained, *(mutant.key for mutant in tried)}
    failed = bool(unknown)
    for module in files:
        keys = [mutant.key for mutant in mutants if mutant.module == module and mutant.key in looked_at]
        count = Counter(killed.get(key, "explained" if key in explained else "survived") for key in keys)
        noticed = sum(count[outcome] for outcome in KILLED)
        print(
            f"{module:20} {len(keys):5} mutants, {noticed:5} killed ({noticed / max(len(keys), 1):.1%}; "
            f"{count['endless']} of them endless), {count['explained']} explained, {count['survived']} survived",
            file=screen,
        )
        failed |= count["survived"] > 0 or noticed < LEAST * (len(keys) - count["explained"])
    for key in unknown:
        print(f"explained, but no mutant: {' '.join(key)}", file=screen)
    for key in explained:
        if key in killed:
            print(f"explained, but killed: {' '.join(key)}", file=screen)
            failed = True
    return int(failed)


def arguments() -> argparse.Namespace:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("modules", nargs="*", metavar="MODULE", help=f"some of {', '.join(MODULES)}; all of them where none is given")
    asked.add_argument("--tests", nargs="+", default=[], help="other tests than those that belong to the modules")
    asked.add_argument(
        "--explained-too", action="store_true", help="run the tests on the explained ones as well: none of them may be killed"
    )
    asked.add_argument("--sample", type=int, metavar="N", help="only so many mutants, drawn at random, the same every time")
    asked.add_argument("--resume", action="store_true", help="only those that earlier runs did not kill, or whose function has changed")
    return asked.parse_args()


if __name__ == "__main__":
    sys.exit(main())
