"""One way to compute a correlation, as the catalog lists it, and what may be asked of it.

Owns the unit of costs: seconds of one nominal core. They rank algorithms, the same on every machine of an instruction set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faltung.engine import order
from faltung.engine.arrays import Array
from faltung.engine.kernel import Kernel
from faltung.engine.native import Correlation, chosen_isa, native_problem
from faltung.engine.problem import Problem

__all__ = ["NOMINAL_HERTZ", "Algorithm", "Request"]

NOMINAL_HERTZ = 3.0e9


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a plan beside its problem.

    Attributes
    ----------
    dtype : str
        The native one.
    algorithm : str
        One of `catalog.CHOICES`.
    is_exact : bool
        Only algorithms that sum directly.
    is_prepared : bool
        Weights are packed once for many calls; else packing counts among the costs.
    is_tuned : bool
        What was measured on this machine counts, where something was.
    samples : int
        So many samples of a call are supposed to share the packing; a plan does not know how many there will be, for each sample's result
        is to be the same in any batch.
    """

    dtype: str
    algorithm: str = "auto"
    is_exact: bool = False
    is_prepared: bool = True
    is_tuned: bool = True
    samples: int = 1


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One way to compute a correlation.

    Attributes
    ----------
    name : str
    idea : str
        In one line.
    refusal : callable (Problem, native dtype) -> str or None
        Why it does not serve the problem, or None if it does.
    cycles : callable (Problem, native dtype) -> float
        Estimated for one sample on one core, weights packed before.
    packing_cycles : callable (Problem, native dtype) -> float
        Estimated for packing them, on one core.
    make : callable (Problem, native dtype) -> Kernel
        Its kernel; by default the compiled one of its name.
    error_growth : callable (Problem, native dtype) -> float, or None
        Its error bound over that of direct summation. None: it sums directly, in one fixed order, and serves whatever values there
        are; others serve finite values of moderate size alone (`packed` sees to that) and never under ``accuracy="exact"``.
    keeps_bound : callable (kernel, x of one sample, packed weights) -> bool, or None
        Whether the bound holds for these values; where it does not, they are summed directly.
    serves_phases : bool
        Whether it computes all phases of a transposed correlation together.
    shared_cycles : callable (Problem, native dtype) -> float, or None
        What of `cycles` several samples of one call have in common.
    in_order : callable (Problem, native dtype) -> bool
        Whether it sums in the one order of ``accuracy="exact"``; asked of direct ones alone.
    by_request : bool
        Whether it is taken only where it is asked for by name, for it rounds more than the others.
    """

    name: str
    idea: str
    refusal: Callable[[Problem, str], str | None]
    cycles: Callable[[Problem, str], float]
    packing_cycles: Callable[[Problem, str], float]
    make: Callable[[Problem, str], Kernel] | None = None
    error_growth: Callable[[Problem, str], float] | None = None
    keeps_bound: Callable[[Any, Array, Any], bool] | None = None
    serves_phases: bool = False
    shared_cycles: Callable[[Problem, str], float] | None = None
    by_request: bool = False
    in_order: Callable[[Problem, str], bool] = order.is_kept

    @property
    def is_direct(self) -> bool:
        """Whether it sums directly."""
        return self.error_growth is None

    def kernel(self, problem: Problem, dtype: str) -> Kernel:
        """Its kernel for one problem."""
        if self.make is not None:
            return self.make(problem, dtype)
        return Correlation(self.name, dtype, chosen_isa(), native_problem(problem))

    def seconds(self, problem: Problem, request: Request) -> float:
        """Estimated time for one sample on one nominal core; unless weights are prepared, its share of packing them included."""
        cycles = self.cycles(problem, request.dtype)
        if not request.is_prepared:
            cycles += self.packing_cycles(problem, request.dtype) / request.samples
        if request.samples > 1 and self.shared_cycles is not None:
            cycles -= self.shared_cycles(problem, request.dtype) * (1 - 1 / request.samples)
        return cycles / NOMINAL_HERTZ
