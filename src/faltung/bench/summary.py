"""A run as plain data: what JSON holds, what the table and the figure are drawn from."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import faltung
from faltung.bench.machine import Limits, describe
from faltung.bench.peers import Peer, missing_peers, version_of
from faltung.bench.report import Row
from faltung.bench.suites import Suite
from faltung.bench.workloads import CLASSES
from faltung.errors import ConvError

__all__ = ["checked_run", "class_means", "geometric_mean", "run_facts"]

MEANS = ("against_torch", "against_best", "fraction_of_limit")


def run_facts(suite: Suite, peers: Sequence[Peer], rows: Sequence[Row], limits: Limits, rounds: int, passes: int = 1) -> dict[str, Any]:
    """Everything that a run found, as JSON takes it."""
    workloads = [row.as_dict(limits) for row in rows]
    return {
        "suite": suite.name,
        "purpose": suite.purpose,
        "machine": describe(limits.threads),
        "versions": {
            "faltung": faltung.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            **{peer.distribution: version_of(peer.distribution) for peer in peers},
        },
        "peers": {peer.name: peer.idea for peer in peers},
        "peers_not_installed": {peer.name: peer.distribution for peer in missing_peers()},
        "left_out": [workload.name for workload in suite.left_out],
        "limits": {"flops_per_second": limits.flops_per_second, "bytes_per_second": limits.bytes_per_second},
        "rounds": rounds,
        "passes": passes,
        "workloads": workloads,
        "classes": class_means(workloads),
        "all": _means(workloads),
    }


def class_means(workloads: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each class that occurs: its title, how many rows it has, and their geometric means.

    >>> row = {"class": "fir", "against_torch": 2.0, "against_best": None, "fraction_of_limit": 0.25}
    >>> class_means([row, {**row, "against_torch": 8.0}])["fir"]["against_torch"]
    4.0
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for workload in workloads:
        found.setdefault(workload["class"], []).append(workload)
    return {key: {"title": CLASSES.get(key, key), **_means(rows)} for key, rows in found.items()}


def _means(workloads: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    against_best = [workload["against_best"] for workload in workloads if workload["against_best"] is not None]
    means = {key: geometric_mean([workload[key] for workload in workloads]) for key in MEANS}
    return {"rows": len(workloads), **means, "lowest_against_best": min(against_best, default=None)}


def geometric_mean(ratios: Sequence[float | None]) -> float | None:
    """The geometric mean of what is there; None of nothing.

    >>> geometric_mean([2.0, None, 0.5]), geometric_mean([])
    (1.0, None)
    """
    known = [entry for entry in ratios if entry is not None]
    return math.exp(sum(map(math.log, known)) / len(known)) if known else None


def checked_run(facts: object, name: str) -> dict[str, Any]:
    """`facts`, if they are a run that `run_facts` wrote.

    Raises
    ------
    ConvError
        They are something else; `name` says where they came from.
    """
    wanted = ("suite", "machine", "limits", "peers", "workloads", "classes", "all")
    missing = [key for key in wanted if key not in facts] if isinstance(facts, dict) else list(wanted)
    if not isinstance(facts, dict) or missing:
        raise ConvError(f"{name} is no run of the benchmark: it has no {', '.join(map(repr, missing))}.", "Record one with --json.")
    return facts
