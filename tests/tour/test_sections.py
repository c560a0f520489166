"""Every section on small photographs: all checks hold, none of them for nothing."""

from __future__ import annotations

import re

import numpy as np
import pytest

import faltung as fl
from faltung.spec import ConvSpec
from faltung.tour import TourResult
from faltung.tour.blocks import Check, Folded, Gallery, GridRow, NumberGrid, Picture, Table
from faltung.tour.clock import Clock
from faltung.tour.photograph import Photograph
from faltung.tour.section import Section
from faltung.tour.sections import SECTIONS

FUNCTIONS = (
    "conv",
    "conv2d",
    "conv_transpose2d",
    "conv_input_grad",
    "correlate",
    "convolve",
    "unfold",
    "depthwise_separable_conv2d",
    "separable_conv2d",
)


@pytest.fixture(scope="session")
def sections(result: TourResult) -> tuple[Section, ...]:
    return result.sections


def blocks_of(section: Section, kind: type) -> list:
    """All blocks of a kind, those inside galleries, rows and folds too."""
    found, waiting = [], list(section.blocks)
    while waiting:
        block = waiting.pop(0)
        if isinstance(block, kind):
            found.append(block)
        inside = {Gallery: "pictures", GridRow: "items", Folded: "blocks"}.get(type(block))
        waiting.extend(getattr(block, inside) if inside else ())
    return found


def numbers_of(section: Section) -> list[list[list[int]]]:
    """The values of every grid."""
    return [[list(row) for row in grid.values] for grid in blocks_of(section, NumberGrid)]


def test_there_are_eleven_in_order(sections):
    assert [section.number for section in sections] == list(range(1, 12))
    assert [section.title for section in sections] == [title for title, _ in SECTIONS]
    assert len({section.anchor for section in sections}) == 11


@pytest.mark.parametrize("number", range(1, 12))
def test_it_is_whole(sections, number):
    section = sections[number - 1]
    assert section.checks
    assert section.costs
    assert section.timings
    assert blocks_of(section, Picture)
    for sentence in section.sentences:
        assert re.fullmatch(r"[A-Z][^!?]*[^.]\.", sentence), sentence
    for text in section.specs:
        assert str(ConvSpec.parse(text)) == text
    assert len({check.name for check in section.checks}) == len(section.checks)


@pytest.mark.parametrize("number", range(1, 12))
def test_every_check_holds_on_a_synthetic_photograph(sections, number):
    assert [check for check in sections[number - 1].checks if not check.passed] == []


def test_every_check_holds_on_the_default_photograph(coffee, quick):
    assert [check for _, section in SECTIONS for check in section(coffee, quick).checks if not check.passed] == []


def test_every_check_holds_on_a_black_sheet(quick):
    sheet = Photograph.of(np.zeros((1, 2, 3), np.float32), "sheet", 30)
    assert [check for _, section in SECTIONS for check in section(sheet, quick).checks if not check.passed] == []


@pytest.mark.parametrize("number", range(1, 12))
def test_a_sabotaged_engine_is_found_out(monkeypatch, synthetic, number):
    """One wrong number in every result, in the first and in the last channel."""
    clock = Clock(rounds=1, pause_seconds=0, warm_seconds=0)
    for name in FUNCTIONS:
        monkeypatch.setattr(fl, name, off_by_one(getattr(fl, name)))
    section = SECTIONS[number - 1][1](synthetic, clock)
    assert not section.passed
    assert section.summary().checks_passed < section.summary().checks_total
    assert any("definition" in check.name and not check.passed for check in section.checks)


def off_by_one(function):
    def wrong(*args, **options):
        result = np.array(function(*args, **options))
        result.flat[0] += 1
        result.flat[-1] += 1
        return result

    return wrong


def test_a_convolution_that_does_not_flip_is_found_out(monkeypatch, synthetic, quick):
    monkeypatch.setattr(fl, "convolve", fl.correlate)
    failed = [check.name for check in SECTIONS[1][1](synthetic, quick).checks if not check.passed]
    assert "an asymmetric kernel tells convolution from correlation" in failed
    assert "convolving a single 1 prints the kernel" in failed
    assert "x ∗ k = k ∗ x" in failed


def test_padding_with_something_else_than_zeros_is_found_out(monkeypatch, synthetic, quick):
    real = fl.conv

    def wraps(spec, *args, **options):
        if spec.padding_mode == "circular":
            spec = ConvSpec(**{**spec.to_dict(), "padding_mode": "zeros"})
        return real(spec, *args, **options)

    monkeypatch.setattr(fl, "conv", wraps)
    failed = [check.name for check in SECTIONS[10][1](synthetic, quick).checks if not check.passed]
    assert "circular padding, stride 1: equivariant to every shift, exactly" in failed


class TestTheNumbersOfTheSubject:
    """Published and well-known numbers, each where it belongs."""

    def test_1_and_2_the_laplacian_of_a_five_by_five(self, sections):
        for section in sections[:2]:
            assert [[0, 0, -7], [4, 0, -1], [0, 6, 1]] in numbers_of(section)

    def test_2_the_flip_shows_on_an_asymmetric_kernel(self, sections):
        assert [[9, 8, 7], [6, 5, 4], [3, 2, 1]] in numbers_of(sections[1])

    def test_3_eight_kinds(self, sections):
        (table,) = blocks_of(sections[2], Table)
        assert [str(row[0]).split(" (")[0] for row in table.rows] == [
            "Standard", "Depthwise separable", "Dilated", "Transposed", "Grouped", "Pointwise", "Circular", "Spatially separable",
        ]  # fmt: skip
        assert len(sections[2].timings) == 8

    def test_4_seven_cases(self, sections):
        table = blocks_of(sections[3], Table)[0]
        assert [str(row[-1]).rsplit(" ", 1)[-1] for row in table.rows] == ["2", "6", "5", "7", "2", "3", "3"]
        assert table.rows[1][-1] == "floor((5 + 2 + 2 - 1*(4-1) - 1) / 1) + 1 = 6"

    def test_5_twelve_kernels(self, sections):
        assert sum(len(grid) == 3 for grid in numbers_of(sections[4])) == 12

    def test_6_two_by_two_to_four_by_four(self, sections):
        assert [[1, 0, 2, 0], [0, 1, 0, 2], [3, 0, 4, 0], [0, 3, 0, 4]] in numbers_of(sections[5])
        assert [[1, 2, 3, 4, 2], [2, 4, 6, 8, 4], [4, 8, 10, 12, 6], [6, 12, 14, 16, 8], [3, 6, 7, 8, 4]] in numbers_of(sections[5])

    def test_7_the_pointwise_example(self, sections):
        table = blocks_of(sections[6], Table)[0]
        assert [row[-1] for row in table.rows] == ["[1, 2, 7]", "[5, 6, 15]", "[9, 10, 23]", "[13, 14, 31]"]

    def test_8_the_counts(self, sections):
        names = " ".join(check.name for check in sections[7].checks)
        assert "18,432 weights against 2,336, 7.89 times" in names
        assert [cost.parameters for cost in sections[7].costs] == [18_432, 2_336]

    def test_9_unfold(self, sections):
        table = blocks_of(sections[8], Table)[1]
        assert [str(row[1]) for row in table.rows] == ["3 · 3 · 3 = 27", "3 · 5 · 5 = 75"]

    def test_10_sixty_four_maps(self, sections):
        (cost,) = sections[9].costs
        assert (cost.parameters, cost.macs) == (9_408, 118_013_952)
        sheets = [picture for picture in blocks_of(sections[9], Picture) if picture.pixels.shape[:2] == (8 * 112 + 14, 8 * 112 + 14)]
        assert len(sheets) == 2

    def test_11_even_shifts_only(self, sections):
        table = next(table for table in blocks_of(sections[10], Table) if table.header[0] == "shift of the input")
        assert [row[-1] for row in table.rows] == ["exact", "not equivariant", "exact", "not equivariant", "exact"]


class TestPeers:
    def test_the_peer_s_result_is_compared(self, torch, synthetic, quick, monkeypatch):
        (timing, check) = self.timed(synthetic, quick)
        assert (timing.peer, check.passed) == ("PyTorch", True)
        assert timing.ratio == pytest.approx(timing.peer_ms / timing.faltung_ms)
        real = fl.conv
        monkeypatch.setattr(fl, "conv", lambda *args: real(*args) + np.float32(1))
        assert not self.timed(synthetic, quick)[1].passed

    def test_scipy_stands_in_for_pytorch(self, synthetic, quick, monkeypatch):
        from faltung.tour import clock

        scipy = [peer for peer in clock.chosen_peers(None) if peer.name == "scipy"]
        monkeypatch.setattr(clock, "chosen_peers", lambda names: scipy)
        (timing, check) = self.timed(synthetic, quick)
        assert (timing.peer, check.passed) == ("SciPy", True)

    def test_without_a_peer_faltung_is_timed_alone(self, synthetic, quick, monkeypatch):
        from faltung.tour import clock

        monkeypatch.setattr(clock, "chosen_peers", lambda names: ())
        sections = [section(synthetic, quick) for _, section in SECTIONS[:2]]
        for section in sections:
            assert section.passed
            assert section.summary().ratio is None
            assert section.summary().faltung_ms > 0

    @staticmethod
    def timed(photograph: Photograph, clock: Clock) -> tuple:
        from faltung.tour.clock import Stage

        spec = ConvSpec(1, 1, (3, 3), padding=1, bias=False)
        return clock.time("edges", (Stage(spec, np.arange(9).reshape(1, 1, 3, 3)),), photograph.grey[None])

    def test_threads_are_set_back(self, synthetic):
        before = fl.get_num_threads()
        fl.set_num_threads(2)
        try:
            self.timed(synthetic, Clock(rounds=1, pause_seconds=0, warm_seconds=0, threads=1))
            assert fl.get_num_threads() == 2
        finally:
            fl.set_num_threads(before)


def test_a_summary_adds_up_what_has_one_peer():
    from faltung.tour.blocks import Timing

    def summary(*timings: Timing):
        checks = (Check("a", True, "", 0, "equal"), Check("b", False, "", 1, "equal"))
        return Section(1, "T", ("A.", "B."), (), (*checks, *timings)).summary()

    both = summary(Timing("x", 1.0, "PyTorch", 3.0, 2.9), Timing("y", 3.0, "PyTorch", 5.0, 1.6))
    assert (both.checks_passed, both.checks_total) == (1, 2)
    assert (both.faltung_ms, both.peer, both.peer_ms, both.ratio) == (4.0, "PyTorch", 8.0, 2.0)
    assert summary(Timing("x", 1.0, "PyTorch", 3.0, 2.9)).ratio == 2.9
    half = summary(Timing("x", 1.0, "PyTorch", 3.0, 3.0), Timing("y", 3.0))
    assert (half.faltung_ms, half.peer, half.peer_ms, half.ratio) == (4.0, None, None, None)
    assert summary().faltung_ms is None
