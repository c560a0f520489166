"""What the processor does in a cycle, and what that changes: the choice, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import faltung as fl
from faltung.engine import native, processor, tuning
from faltung.engine.native import available_isas, has_bfloat16_dots, product_rates

Rates = tuple[float, float]


@pytest.fixture
def with_rates(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Rates], None]]:
    """Plan as on a processor of such rates."""

    def use(rates: Rates) -> None:
        monkeypatch.setattr(processor, "rates", lambda: rates)
        tuning.forget()

    yield use
    tuning.forget()


@pytest.mark.parametrize("isa", available_isas())
def test_rates_are_those_of_some_processor(isa: str) -> None:
    vectors, pairs = product_rates(isa)
    assert vectors in (1, 2)
    assert pairs in (0.5, 1, 2)
    assert product_rates(isa) == (vectors, pairs)  # nothing is measured


def test_an_unknown_instruction_set_is_refused() -> None:
    with pytest.raises(ValueError, match="mmx"):
        product_rates("mmx")


def test_where_products_are_cheap_fewer_of_them_gain_less(with_rates: Callable[[Rates], None]) -> None:
    stem, shape = "conv2d(3, 64, 5, padding=2)", (1, 3, 64, 64)
    estimates = {}
    for rates in ((1.0, 1.0), (2.0, 0.5)):
        with_rates(rates)
        estimates[rates] = {name: fl.plan(stem, shape, algorithm=name).cost.seconds for name in ("direct", "winograd")}
    one, two = estimates.values()
    assert two["direct"] < one["direct"]
    assert two["winograd"] < one["winograd"]
    assert two["direct"] / one["direct"] < two["winograd"] / one["winograd"]


@pytest.mark.skipif(not has_bfloat16_dots(native.chosen_isa()), reason="this processor has no bfloat16 dot products")
def test_dot_products_are_taken_where_they_are_fast(with_rates: Callable[[Rates], None]) -> None:
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    for rates, expected in (((1.0, 1.0), "dots"), ((2.0, 0.5), "pointwise")):
        with_rates(rates)
        assert fl.plan("conv2d(256, 256, 1)", (1, 256, 28, 28), bfloat16).algorithm == expected
