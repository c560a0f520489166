"""What became of each mutant, in a file that later runs read: they try again only what was not killed, or has changed since.

A kill stays a kill while the function stays as it is, on the word of the test that noticed it: a run that reads no file is
the one that says what is noticed now.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from checks.mutation.mutating import Mutant

__all__ = ["KILLED", "Kept"]

KILLED = ("killed", "endless")

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Kept:
    """The outcomes in `path`; `sources` are the texts of the modules as they are now, by name."""

    path: Path
    sources: dict[str, str]

    def killed(self, mutants: Iterable[Mutant]) -> dict[Key, str]:
        """Those of the mutants that were killed, and whose functions have not changed since."""
        lines = self.path.read_text("utf-8").splitlines() if self.path.is_file() else []
        told = {}
        for line in lines:
            try:
                one = json.loads(line)
                told[tuple(one["key"])] = one
            except ValueError:  # a run was ended while it wrote
                continue
        return {
            mutant.key: told[mutant.key]["outcome"]
            for mutant in mutants
            if mutant.key in told and told[mutant.key]["outcome"] in KILLED and told[mutant.key]["body"] == self._body(mutant)
        }

    def keep(self, mutant: Mutant, outcome: str, by: str) -> None:
        """One more outcome; `by` is the test that noticed it."""
        one = {"key": mutant.key, "outcome": outcome, "by": by, "line": mutant.lines.start, "body": self._body(mutant)}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(one, ensure_ascii=False) + "\n")

    def _body(self, mutant: Mutant) -> str:
        """What stands where the mistake was made, without it, in few letters."""
        lines = self.sources[mutant.module].splitlines()[mutant.body.start - 1 : mutant.body.stop - 1]
        return sha256("\n".join(lines).encode()).hexdigest()[:16]
