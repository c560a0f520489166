"""Runs made up for tests, as the benchmark's JSON has them."""

from __future__ import annotations

from typing import Any

from faltung.bench.summary import class_means

__all__ = ["a_run", "a_workload"]


def a_workload(
    name: str, layer_class: str, against_best: float | None = 2.0, against_torch: float | None = 4.0, **more: Any
) -> dict[str, Any]:
    """A row: Faltung takes 1 ms, others as many as the ratios say."""
    peers = {"torch": against_torch, "scipy": against_best}
    return {
        "name": name,
        "class": layer_class,
        "algorithm": "direct",
        "macs": 10**8,
        "intensity": 20.0,
        "seconds": {"faltung": 1e-3, "faltung prepared": 1e-3, **{peer: ratio * 1e-3 for peer, ratio in peers.items() if ratio}},
        "against_torch": against_torch,
        "against_best": against_best,
        "best_peer": "scipy" if against_best else None,
        "fraction_of_limit": 0.8,
        "deviations": {peer: 0.0 for peer, ratio in peers.items() if ratio},
        "tolerance": 1e-6,
        "disagreeing": [],
        "refusals": {},
        "failures": {},
        **more,
    }


def a_run(*workloads: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A run of these workloads, or of one in each of three classes."""
    rows = list(workloads) or [a_workload("a", "fir"), a_workload("b", "tiny", against_best=0.4), a_workload("c", "3d", intensity=2.0)]
    classes = class_means(rows)
    (means,) = class_means([{**row, "class": "all"} for row in rows]).values()
    del means["title"]
    return {
        "suite": "made up",
        "purpose": "a test",
        "machine": {"cpu": "Some Processor", "isa": "avx2", "threads": 2},
        "limits": {"flops_per_second": {"float32": 2e11, "float64": 1e11}, "bytes_per_second": 2e10},
        "peers": {"torch": "as people call it", "scipy": "its filters"},
        "peers_not_installed": {},
        "workloads": rows,
        "classes": classes,
        "all": means,
        "preemptions_per_second": 1.0,
        **more,
    }
