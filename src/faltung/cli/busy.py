"""Whether other programs had a hand in the times that are shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from faltung.cli import output

__all__ = ["Watch", "watch"]


class Watch:
    """How often this process was made to wait for another while it was watched."""

    def __init__(self) -> None:
        self.preemptions_per_second: float | None = None

    def warn(self) -> None:
        """Say so below the table, if it was often."""
        from faltung.bench.machine import BUSY

        if self.preemptions_per_second is None or self.preemptions_per_second <= BUSY:
            return
        output.print_line()
        output.print_line(
            f"The machine was busy with other programs: {self.preemptions_per_second:.0f} preemptions per second of work. "
            "Times are too long, those of libraries whose threads wait spinning (PyTorch) most of all. Repeat when it is quiet.",
            style="bold yellow",
        )


@contextmanager
def watch() -> Iterator[Watch]:
    """Watch what runs inside."""
    from faltung.bench.machine import usage

    seen = Watch()
    before = usage()
    yield seen
    after = usage()
    if before is not None and after is not None:
        seen.preemptions_per_second = after.preemption_rate(before)
