"""Advice on a model: each kind a function from the audited model to pieces with their arithmetic; nothing is said without evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from faltung.engine.native import vector_lanes
from faltung.model.auditing.advice import coverage, fields, structure, weights
from faltung.model.auditing.advice.piece import Advice, Subject, listed

__all__ = ["Advice", "Subject", "advise"]

Progress = Callable[[int, int, str], None]

MOST_ALIKE = 4
"""Pieces of one kind that are told one by one."""


def advise(subject: Subject, *, measure: bool, low_rank: bool, progress: Progress, notes: list[str]) -> tuple[Advice, ...]:
    """All pieces, those first that save most of the model's MACs, then parameters, then memory traffic.

    What could not be looked at is put into `notes`.
    """
    too_large: list[str] = []
    found: list[Advice] = []
    kinds = _kinds(subject)
    if low_rank:
        kinds.append(("singular values", lambda: weights.low_rank(subject, too_large)))
    steps = len(kinds) + measure
    for number, (what, kind) in enumerate(kinds):
        progress(number, steps, what)
        found += kind()
    if too_large:
        notes.append(f"Weights too large to look for low rank in: {listed(list(dict.fromkeys(too_large)))}.")
    if measure:
        from faltung.model.auditing.advice.speed import faster

        found += faster(subject, progress, notes)
    progress(steps, steps, "")
    found.sort(key=lambda piece: (-piece.saves_macs, -piece.saves_parameters, -piece.saves_bytes))
    return tuple(_gathered(found))


def _gathered(pieces: list[Advice]) -> Iterator[Advice]:
    """The same, where more than `MOST_ALIKE` are of one kind the rest of them as one."""
    for kind in dict.fromkeys(piece.kind for piece in pieces):
        alike = [piece for piece in pieces if piece.kind == kind]
        yield from alike[:MOST_ALIKE]
        rest = alike[MOST_ALIKE:]
        if rest:
            layers = tuple(name for piece in rest for name in piece.layers)
            yield Advice(
                kind,
                layers,
                f"The same in {len(rest)} more places: {listed(layers)}.",
                {"places": [{"layers": piece.layers, **piece.numbers} for piece in rest]},
                rest[0].source,
                *(sum(getattr(piece, saved) for piece in rest) for saved in ("saves_macs", "saves_parameters", "saves_bytes")),
            )


def _kinds(subject: Subject) -> list[tuple[str, Callable[[], Iterator[Advice]]]]:
    return [
        ("dense layers", lambda: structure.depthwise_separable(subject)),
        ("layers that could be one", lambda: structure.pairs(subject)),
        ("batch norms", lambda: structure.batch_norms(subject)),
        ("biases", lambda: structure.biases(subject)),
        ("strides", lambda: coverage.skipped_cells(subject)),
        ("transposed kernels", lambda: coverage.checkerboards(subject)),
        ("borders", lambda: coverage.borders(subject)),
        ("receptive fields", lambda: fields.past_the_borders(subject)),
        ("branches", lambda: fields.misaligned(subject)),
        ("vectors", lambda: coverage.idle_lanes(subject, vector_lanes("float32"))),
    ]
