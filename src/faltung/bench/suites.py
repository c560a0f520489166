"""Sets of layers that are timed together, and how to cut one down."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass, replace

from faltung.bench.layers import LAYERS
from faltung.bench.workloads import CLASSES, Direction, Workload
from faltung.errors import ConvError, one_of
from faltung.spec import ConvSpec

__all__ = ["SUITES", "Suite", "suite", "suite_of", "typed"]


@dataclass(frozen=True, slots=True)
class Suite:
    """Workloads that are timed together, on so many threads (None: as Faltung is set).

    `left_out` are those of a dtype that NumPy lacks here.
    """

    name: str
    purpose: str
    workloads: tuple[Workload, ...]
    threads: int | None = None
    left_out: tuple[Workload, ...] = ()


_ALL = tuple(replace(workload, layer_class=key) for key, rows in LAYERS.items() for workload in rows)

_QUICK = (
    "3×3 64→64 at 56²",
    "1×1 256→256 at 28²",
    "7×7/2 3→64 at 224²",
    "3×3 512→512 at 7²",
    "depthwise 3×3 144 at 56²",
    "depthwise 7×7 96 at 56²",
    "32 groups 128 at 56²",
    "dilated 3×3 256 at 28²",
    "transposed 4×4/2 256→128",
    "1-D dilated causal",
    "3×3×3 64→64",
    "picture, 15×15",
    "picture, 3×3 reflect",
    "circular 3×3 64 at 56²",
    "float64 3×3 64 at 28²",
    "tiny 3×3 3→8 at 16²",
    "input gradient 3×3 64",
    "weight gradient 3×3 64",
)


def _named(*names: str) -> tuple[Workload, ...]:
    by_name = {workload.name: workload for workload in _ALL}
    return tuple(by_name[name] for name in names)


SUITES: dict[str, Suite] = {
    entry.name: entry
    for entry in (
        Suite("quick", "every kind of convolution, in about a minute", _named(*_QUICK)),
        Suite("full", "the layers of twenty networks, image filters and signals, class by class", _ALL),
        Suite("foundation", "two layers against the processor's limit", _named(*_QUICK[:2]), threads=2),
    )
}


def suite(name: str, workloads: Iterable[str] = (), classes: Iterable[str] = ()) -> Suite:
    """The suite called `name`, cut down.

    Parameters
    ----------
    name : str
    workloads : iterable of str
        Keep those whose name contains one of these; none keeps all.
    classes : iterable of str
        Keep those of these classes, keys of `CLASSES`; none keeps all.

    Raises
    ------
    ConvError
        There is no such suite or class, or nothing in the suite matches.

    >>> [workload.origin for workload in suite("quick", ["7x7/2"]).workloads]
    ['ResNet stem']
    >>> [workload.name for workload in suite("full", ["31x31"], ["filter"]).workloads]
    ['picture, 31×31', 'picture, 31×31 separable']
    """
    found = SUITES[one_of("suite", name, SUITES, ConvError)]
    kept = found.workloads
    wanted_classes = [one_of("class", key.strip(), CLASSES, ConvError) for key in classes]
    if wanted_classes:
        kept = tuple(workload for workload in kept if workload.layer_class in wanted_classes)
        if not kept:
            there = ", ".join(dict.fromkeys(workload.layer_class for workload in found.workloads))
            raise ConvError(
                f"suite {name!r} has no layer of class {' or '.join(wanted_classes)}.", f"It has {there}; suite 'full' has all."
            )
    wanted = [typed(part.strip()) for part in workloads]
    if wanted:
        among = kept
        kept = tuple(workload for workload in among if any(part in typed(workload.name) for part in wanted))
        if not kept:
            names = ", ".join(repr(workload.name) for workload in among)
            raise ConvError(f"no workload of suite {name!r} contains {' or '.join(map(repr, wanted))}.", f"There are {names}.")
    possible = _possible(kept)
    return replace(found, workloads=possible, left_out=tuple(workload for workload in kept if workload not in possible))


def suite_of(layers: Iterable[tuple[ConvSpec, tuple[int, ...]]], dtype: str = "float32", direction: Direction = "forward") -> Suite:
    """Layers of one's own, given by spec and input shape; they are a class by themselves.

    >>> (layer,) = suite_of([(ConvSpec(3, 8, 3, ndim=2), (1, 3, 32, 32))]).workloads
    >>> layer.name
    'conv2d(3, 8, (3, 3)) @ 1x3x32x32'
    """
    workloads = [
        Workload(f"{spec} @ {'x'.join(map(str, shape))}", "", str(spec), shape, dtype, direction, layer_class="layers")
        for spec, shape in layers
    ]
    return Suite("layers", f"{len(workloads)} of your own, {dtype}, {direction}", tuple(workloads))


def _possible(workloads: tuple[Workload, ...]) -> tuple[Workload, ...]:
    """Without those of a dtype that NumPy lacks here, unless they are all."""
    has_bfloat16 = importlib.util.find_spec("ml_dtypes") is not None
    return tuple(workload for workload in workloads if has_bfloat16 or workload.dtype != "bfloat16") or workloads


def typed(name: str) -> str:
    """The name as a keyboard has it."""
    return name.lower().translate(str.maketrans("×→²", "x>2"))
