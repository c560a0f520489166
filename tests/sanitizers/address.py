"""``python tests/sanitizers/address.py BUILD ARGUMENT…`` runs ``python ARGUMENT…`` with the sanitized module of a build folder.

The sanitizer's library has to be there before Python is, and sees each of NumPy's arrays alone only where Python allocates none itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def library(name: str) -> str:
    compiler = os.environ.get("CXX", "g++")
    return subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    build, *arguments = sys.argv[1:]
    (module,) = Path(build).resolve().glob("_native*.so")
    own = {
        "LD_PRELOAD": " ".join(library(name) for name in ("libasan.so", "libubsan.so", "libstdc++.so.6")),
        "ASAN_OPTIONS": "detect_leaks=0:detect_odr_violation=0:allocator_may_return_null=1:abort_on_error=1:handle_segv=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:abort_on_error=1",
        "PYTHONMALLOC": "malloc",
        "FALTUNG_NATIVE": str(module),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    os.execve(sys.executable, [sys.executable, *arguments], {**os.environ, **own})


if __name__ == "__main__":
    main()
