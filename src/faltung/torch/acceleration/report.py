"""What `accelerate` did: a row for each convolution, and the whole."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from faltung.notebook import table_html
from torch import nn

__all__ = ["AccelerationReport", "Row"]

COLUMNS = ("layer", "convolution", "input", "with", "before ms", "after ms", "faster", "algorithm", "error", "")


@dataclass(frozen=True)
class Row:
    """One convolution.

    Attributes
    ----------
    layer : str
        Name of the module that calls it.
    convolution : str
        Its spec.
    input_shape : tuple of int
    fused : tuple of str
        What is done in the same pass: ``"padding"``, ``"batch norm"``, ``"scale"``, ``"residual"``, ``"relu"``, …
    before_seconds, after_seconds, ratio : float
        PyTorch's eager calls and Faltung's, with the batch norm and activation of modules; the median of their ratios.
    algorithm : str
    error : float
        Largest difference of the results, over the largest result.
    swapped : bool
    reason : str
        Why it was left alone.
    """

    layer: str
    convolution: str
    input_shape: tuple[int, ...]
    fused: tuple[str, ...]
    before_seconds: float
    after_seconds: float
    ratio: float
    algorithm: str
    error: float
    swapped: bool
    reason: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """As text, in the order of `COLUMNS`."""
        times = (
            (f"{self.before_seconds * 1e3:.3f}", f"{self.after_seconds * 1e3:.3f}", f"{self.ratio:.2f}×") if self.ratio else ("", "", "")
        )
        shape = "×".join(map(str, self.input_shape))
        error = f"{self.error:.1e}" if self.ratio else ""
        return (self.layer, self.convolution, shape, ", ".join(self.fused), *times, self.algorithm, error, self.reason)


@dataclass(frozen=True)
class AccelerationReport:
    """What was swapped, what it brought, and how far the results are apart.

    Attributes
    ----------
    rows : tuple of Row
    before_seconds, after_seconds, ratio : float
        Of the whole model on the example.
    error : float
        Largest difference of the model's results on the example, over the largest result.
    runs : int
        Runs of operations that the whole graph was made of; 0 where layers were swapped one by one.
    reason : str
        Why they were.
    """

    rows: tuple[Row, ...]
    before_seconds: float
    after_seconds: float
    ratio: float
    error: float
    model: nn.Module = field(repr=False)
    runs: int = 0
    reason: str = ""

    @property
    def swapped(self) -> int:
        """Convolutions that Faltung computes now."""
        return sum(row.swapped for row in self.rows)

    def undo(self) -> nn.Module:
        """The model as it was before."""
        from faltung.torch.acceleration import restore

        return restore(self.model)

    def to_dict(self) -> dict[str, Any]:
        """As data."""
        whole = {name: getattr(self, name) for name in ("before_seconds", "after_seconds", "ratio", "error", "swapped", "runs", "reason")}
        return {**whole, "rows": [asdict(row) for row in self.rows]}

    def to_markdown(self) -> str:
        """As a table in Markdown."""
        lines = [COLUMNS, ("---",) * len(COLUMNS), *(row.cells for row in self.rows)]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{self.summary}\n"

    @property
    def summary(self) -> str:
        """The whole in one line."""
        how = (
            f"in {self.runs} run{'s' if self.runs != 1 else ''}"
            if self.runs
            else "one by one" + (f" ({self.reason})" if self.reason else "")
        )
        return (
            f"{self.swapped} of {len(self.rows)} convolutions swapped, {how}: {self.before_seconds * 1e3:.2f} ms before, "
            f"{self.after_seconds * 1e3:.2f} ms after, {self.ratio:.2f} times as fast; largest error {self.error:.1e} of the largest result"
        )

    def __str__(self) -> str:
        rows = [COLUMNS, *(row.cells for row in self.rows)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join((*lines, self.summary))

    def _repr_html_(self) -> str:
        return table_html(self.summary, [row.cells for row in self.rows], COLUMNS)
