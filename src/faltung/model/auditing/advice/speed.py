"""Layers that Faltung's engine computes faster than PyTorch on this machine: only what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from faltung.amounts import readable_share
from faltung.errors import ConvError
from faltung.extras import optional
from faltung.model.auditing.advice.piece import Advice, Subject, listed
from faltung.spec import ConvSpec

__all__ = ["faster"]

LEAST_RATIO = 1.1
"""Differences below a tenth are within what repeated measurements differ by."""

ROUNDS, SECONDS = 7, 0.02

MOST_PREEMPTIONS = 20
"""For each second of work, as `faltung bench` has it."""

Progress = Callable[[int, int, str], None]


def faster(subject: Subject, progress: Progress, notes: list[str]) -> Iterator[Advice]:
    """Each convolution in PyTorch and in Faltung on its real shape, in turns; those that were faster here.

    What could not be measured is put into `notes`.
    """
    torch = optional("torch", extra="torch", purpose="measuring layers against PyTorch")
    from faltung.torch.acceleration.measuring import compared

    cases: dict[tuple[ConvSpec, tuple[int, ...]], list[str]] = {}
    others: list[str] = []
    for node, layer in subject.convolutions:
        shape = node.inputs[0].shape
        assert layer.spec is not None
        assert shape is not None
        if node.inputs[0].dtype == "float32":
            cases.setdefault((layer.spec, shape), []).append(node.name)
        else:
            others.append(node.name)
    found = []
    before = _preemptions()
    for number, ((spec, shape), names) in enumerate(cases.items()):
        progress(number, len(cases), names[0])
        calls = _calls(torch, spec, shape)
        if calls is None:
            others += names
            continue
        with torch.no_grad():
            times = compared(*calls, rounds=ROUNDS, seconds=SECONDS)
        if times.ratio >= LEAST_RATIO:
            found.append((names, times))
    progress(len(cases), len(cases), "")
    waits = None if before is None else _rate(before)
    if waits is not None and waits > MOST_PREEMPTIONS:
        notes.append(
            f"Other programs were busy while layers were timed ({waits:.0f} preemptions for each second of work): the times are too long, "
            "most of all PyTorch's, whose threads wait spinning. Measure again when the machine is quiet."
        )
    if others:
        notes.append(f"Not measured, as PyTorch has no such float32 layer: {listed(others)}.")
    if not found:
        return
    found.sort(key=lambda row: -len(row[0]) * (row[1].before - row[1].after))
    saved = sum(len(names) * (times.before - times.after) for names, times in found)
    layers = tuple(name for names, _ in found for name in names)
    best = ", ".join(f"{names[0]} {times.before * 1e3:.3g} → {times.after * 1e3:.3g} ms ({times.ratio:.2f}×)" for names, times in found[:3])
    yield Advice(
        "faster here",
        layers,
        f"On this machine {len(layers)} of {sum(map(len, cases.values()))} convolutions ran faster in Faltung than in PyTorch "
        f"({readable_share(len(layers) / sum(map(len, cases.values())))}), each at least {LEAST_RATIO}×: {best}. Together "
        f"{saved * 1e3:.3g} ms less for each run. faltung.torch.accelerate(model, example) swaps those that are faster in place.",
        {
            "seconds_saved": saved,
            "layers": {
                name: {"pytorch_seconds": times.before, "faltung_seconds": times.after, "ratio": times.ratio}
                for names, times in found
                for name in names
            },
        },
        f"measured now, {ROUNDS} rounds in turns, medians; float32, {torch.get_num_threads()} threads",
    )


def _preemptions() -> tuple[int, float] | None:
    """How often this process was made to wait for another, and its seconds of work; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_nivcsw, used.ru_utime + used.ru_stime


def _rate(before: tuple[int, float]) -> float | None:
    now = _preemptions()
    return None if now is None or now[1] <= before[1] else (now[0] - before[0]) / (now[1] - before[1])


def _calls(torch: Any, spec: ConvSpec, shape: tuple[int, ...]) -> tuple[Callable[[], object], Callable[[], object]] | None:
    """One call of PyTorch's layer and one of Faltung's, with the same weights and input; None where PyTorch has no such layer."""
    from faltung.torch import to_module

    try:
        ours = to_module(spec).eval()
    except ConvError:
        return None
    theirs_class = next((kind for kind in type(ours).__mro__ if kind.__module__.startswith("torch.nn")), None)
    if theirs_class is None or not hasattr(ours, "kernel_size"):
        return None
    theirs: Any = object.__new__(theirs_class)
    theirs.__dict__.update(ours.__dict__)
    x = torch.randn(shape)
    with torch.no_grad():
        if theirs(x).shape != ours(x).shape:
            return None
    return (lambda: theirs(x)), (lambda: ours(x))
