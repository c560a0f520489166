"""What the processor in use does in a cycle, as the estimates of costs count it.

They were measured on Zen 4 with AVX-512, which begins one product of vectors a cycle. Where two begin in a cycle, all else weighs more
beside the products: copying, transforming, storing.
"""

from __future__ import annotations

import functools

from faltung.engine.native import chosen_isa, product_rates

__all__ = ["pair_cycles", "product_cycles", "rates"]


@functools.cache
def rates() -> tuple[float, float]:
    """Products of vectors that begin in a cycle: of float32 numbers, and of pairs of bfloat16 numbers."""
    return product_rates(chosen_isa())


def product_cycles(two: float = 0.55) -> float:
    """Of a product of vectors, where Zen 4 takes one: `two` where two begin in a cycle.

    That was measured on Emerald Rapids over three thousand layers (`benchmarks/calibration.py`). Half a cycle would be the
    limit; kernels that load a vector for each product stay farther from it.
    """
    return two if rates()[0] > 1 else 1.0


def pair_cycles() -> float:
    """Of a product of pairs of bfloat16 numbers, where Zen 4 takes one."""
    return 1 / rates()[1]
