"""What type checkers see of the package: a program that uses it, in their strict modes; how many public names have a known type.

python checks/typing/check.py              all of it; exit status 1 if something is not as promised
python checks/typing/check.py --show       every name whose type pyright does not know
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
LEAST = 0.96  # of all public names of all modules
BIN = Path(sys.executable).parent


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a checker where the package is found as it lies in src, typed as it would be where it is installed."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    return subprocess.run([str(part) for part in command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def main() -> None:
    """Run the checkers, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="every name whose type is not known")
    options = parser.parse_args()
    pyright = (BIN / "pyright", "--pythonpath", sys.executable)
    wrong = []

    done = run(BIN / "mypy", HERE / "consumer.py")
    print("mypy:", done.stdout.strip() or done.stderr.strip())
    wrong += ["mypy"] * (done.returncode != 0)
    done = run(*pyright, "--project", HERE)
    print("pyright:", done.stdout.strip() or done.stderr.strip())
    wrong += ["pyright"] * (done.returncode != 0)

    told = json.loads(run(*pyright, "--outputjson", "--ignoreexternal", "--verifytypes", "faltung").stdout)["typeCompleteness"]
    known, guessed, unknown = (told["exportedSymbolCounts"][kind] for kind in ("withKnownType", "withAmbiguousType", "withUnknownType"))
    score = told["completenessScore"]
    print(f"types of public names: {score:.1%} known ({known}; {guessed} only inferred, {unknown} unknown)")
    wrong += ["completeness"] * (score < LEAST)
    face = [one for one in told["symbols"] if one["isExported"] and one["name"].count(".") == 1 and not one["isTypeKnown"]]
    print("names of `import faltung` without a known type:", ", ".join(one["name"] for one in face) or "none")
    wrong += ["face"] * bool(face)
    if options.show:
        print(*(one["name"] for one in told["symbols"] if one["isExported"] and not one["isTypeKnown"]), sep="\n")
    sys.exit(f"Not as promised: {', '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main()
