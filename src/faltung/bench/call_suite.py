"""The suite of functions beside SciPy's: which calls there are, how to cut them down, and what a run of them comes down to."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

import faltung
from faltung.bench.calls import CALL_PEERS, Call, CallRow
from faltung.bench.image_calls import IMAGE_CALLS, IMAGE_CLASSES
from faltung.bench.machine import describe
from faltung.bench.peers import version_of
from faltung.bench.signal_calls import SIGNAL_CALLS, SIGNAL_CLASSES
from faltung.bench.suites import typed
from faltung.bench.summary import geometric_mean
from faltung.errors import ConvError, one_of

__all__ = ["CALLS", "CALL_CLASSES", "SUITE", "call_facts", "chosen_call_peers", "chosen_calls"]

SUITE = "scipy"
PURPOSE = "faltung.ndimage and faltung.signal beside SciPy and OpenCV"

CALLS: tuple[Call, ...] = (*IMAGE_CALLS, *SIGNAL_CALLS)
CALL_CLASSES: dict[str, str] = {**IMAGE_CLASSES, **SIGNAL_CLASSES}

_DISTRIBUTIONS = {"scipy": "scipy", "opencv": "opencv-python-headless"}


def chosen_calls(only: Iterable[str] = (), classes: Iterable[str] = ()) -> tuple[Call, ...]:
    """The calls whose names contain one of `only`, of one of `classes`; none of either keeps all.

    Raises
    ------
    ConvError
        There is no such class, or nothing matches.

    >>> [call.name for call in chosen_calls(["31×31"], ["kernel"])][0]
    '31×31, 512², uint8'
    """
    wanted = [one_of("class", key, CALL_CLASSES, ConvError) for key in classes]
    parts = [typed(part) for part in only]
    kept = [
        call
        for call in CALLS
        if (not wanted or call.call_class in wanted) and (not parts or any(part in typed(call.name) for part in parts))
    ]
    if not kept:
        raise ConvError("no call of suite 'scipy' matches.", f"There are {', '.join(repr(call.name) for call in CALLS[:5])} and more.")
    return tuple(kept)


def chosen_call_peers(names: str | None) -> tuple[str, ...]:
    """SciPy and OpenCV, or those in a comma-separated list."""
    if names is None:
        return tuple(CALL_PEERS)
    listed = [name.strip() for name in names.split(",") if name.strip() not in ("", "none")]
    return tuple(one_of("peer", name, [*CALL_PEERS, "none"], ConvError) for name in listed)


def call_facts(rows: Sequence[CallRow], peers: Sequence[str], threads: int, rounds: int) -> dict[str, Any]:
    """Everything that a run found, as JSON takes it."""
    workloads = [row.as_dict() for row in rows]
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for workload in workloads:
        grouped.setdefault(workload["class"], []).append(workload)
    return {
        "suite": SUITE,
        "purpose": PURPOSE,
        "machine": describe(threads),
        "versions": {
            "faltung": faltung.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            **{_DISTRIBUTIONS[peer]: version_of(_DISTRIBUTIONS[peer]) for peer in peers},
        },
        "peers": {peer: CALL_PEERS[peer] for peer in peers},
        "limits": {},
        "rounds": rounds,
        "workloads": workloads,
        "classes": {key: {"title": CALL_CLASSES[key], **_means(its)} for key, its in grouped.items()},
        "all": _means(workloads),
    }


def _means(workloads: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {"rows": len(workloads)}
    for peer in CALL_PEERS:
        ratios = [workload["against"][peer] for workload in workloads if workload["against"][peer] is not None]
        found[peer] = {"rows": len(ratios), "mean": geometric_mean(ratios), "lowest": min(ratios, default=None)}
    return found
