"""What was compared, counted; what was refused, and why; what is wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from checks.rounding import ONLY_WITH

from faltung.engine.catalog import ALGORITHMS
from faltung.engine.gradient_catalog import ALGORITHMS as GRADIENTS
from tests.exhaustive.case import DIRECTIONS
from tests.exhaustive.comparing import Refusal, Result

__all__ = ["Report", "named"]


def named() -> list[str]:
    """Every algorithm of both catalogs."""
    return list(dict.fromkeys([*(entry.name for entry in ALGORITHMS), *(entry.name for entry in GRADIENTS)]))


@dataclass
class Report:
    """Counts by (direction, algorithm, dtype, instruction set); the largest error over its bound by (direction, algorithm)."""

    seed: int = 0
    shapes: int = 0
    isas: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ()
    """Those that were asked for; none stands for all."""
    compared: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    refused: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    worst: dict[tuple[str, str], float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def take(self, result: Result | Refusal, isa: str, number: int, text: str) -> None:
        """Count one comparison of the shape `number`."""
        direction, algorithm, dtype, *_ = result
        if isinstance(result, Refusal):
            self.refused[direction, algorithm, result.reason] += 1
            return
        self.compared[direction, algorithm, dtype, isa] += 1
        if result.fault is None:
            self.worst[direction, algorithm] = max(self.worst.get((direction, algorithm), 0.0), result.share)
        else:
            self.faults.append(f"shape {number}, {text}: {direction}, {algorithm}, {dtype}, {isa}, {result.fault}")

    def add(self, other: Report) -> None:
        """Count what another worker found."""
        self.shapes += other.shapes
        self.isas = self.isas or other.isas
        self.compared.update(other.compared)
        self.refused.update(other.refused)
        for key, share in other.worst.items():
            self.worst[key] = max(self.worst.get(key, 0.0), share)
        self.faults += other.faults

    def never_tried(self) -> Iterator[str]:
        """Algorithms that no shape was computed by, on an instruction set and in a direction: then nothing was checked."""
        tried = {(direction, algorithm, isa) for direction, algorithm, _, isa in self.compared}
        correlations = [entry.name for entry in ALGORITHMS]
        names = {
            "forward": [*correlations, "separable"],
            "input gradient": correlations,
            "weight gradient": [entry.name for entry in GRADIENTS],
        }
        for direction in DIRECTIONS:
            for name in names[direction]:
                if self.algorithms and name not in self.algorithms:
                    continue
                for isa in self.isas:
                    is_expected = ONLY_WITH.get(name, isa) == isa
                    if ((direction, name, isa) in tried) != is_expected:
                        yield f"{name} was {'never' if is_expected else 'unexpectedly'} tried: {direction}, {isa}"

    def lines(self) -> Iterator[str]:
        """As text."""
        yield f"{self.shapes} shapes, {self.compared.total()} comparisons, seed {self.seed}, instruction sets {', '.join(self.isas)}"
        for direction in DIRECTIONS:
            yield f"\n{direction + ':':30}" + "".join(f"{isa:>10}" for isa in self.isas) + "   largest error over its bound"
            for name in dict.fromkeys(algorithm for one, algorithm, *_ in self.compared if one == direction):
                counts = [self._count(direction, name, isa) for isa in self.isas]
                share = self.worst.get((direction, name), 0.0)
                yield f"  {name:28}" + "".join(f"{count:10}" for count in counts) + ("   none: equal" if share == 0 else f"   {share:.2g}")
        yield "\nnot served:"
        for (direction, name, reason), count in sorted(self.refused.items()):
            yield f"  {direction}, {name}: {count} times, {reason}"
        yield f"\n{len(self.faults)} faults"
        yield from self.faults

    def _count(self, direction: str, name: str, isa: str) -> int:
        return sum(count for key, count in self.compared.items() if (key[0], key[1], key[3]) == (direction, name, isa))

    def save(self, path: Path) -> None:
        """As JSON, for `load`."""
        counters = {name: [[*key, count] for key, count in getattr(self, name).items()] for name in ("compared", "refused", "worst")}
        plain = {"seed": self.seed, "shapes": self.shapes, "isas": self.isas, "algorithms": self.algorithms, "faults": self.faults}
        path.write_text(json.dumps(plain | counters, indent=1))

    @classmethod
    def load(cls, paths: Iterable[Path]) -> Report:
        """The sum of saved reports of parts of one run."""
        whole = cls()
        for path in paths:
            kept = json.loads(path.read_text())
            keyed = {name: {tuple(key): count for *key, count in kept.pop(name)} for name in ("compared", "refused", "worst")}
            part = cls(
                kept["seed"],
                kept["shapes"],
                tuple(kept["isas"]),
                tuple(kept["algorithms"]),
                Counter(keyed["compared"]),
                Counter(keyed["refused"]),
                keyed["worst"],
                kept["faults"],
            )
            whole.seed, whole.algorithms = part.seed, part.algorithms
            whole.add(part)
        return whole
