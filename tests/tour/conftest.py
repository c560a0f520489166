"""Photographs small enough for the definition, a clock that hardly waits, and one tour taken for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from faltung.tour import TourResult, checks, take_tour
from faltung.tour.clock import Clock
from faltung.tour.photograph import Photograph

SIDE = 30
NAME = 'cup <img src=x onerror="alert(1)"> & "saucer".npy'
"""A name that must not become markup."""


@pytest.fixture(scope="session", autouse=True)
def _small_crop() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "CROP", 18)
        yield


@pytest.fixture(scope="session")
def quick() -> Clock:
    return Clock(rounds=1, pause_seconds=0, warm_seconds=0)


@pytest.fixture(scope="session")
def synthetic() -> Photograph:
    """A bright disc on a slope, with grain: edges in all directions, no two places alike."""
    rows, columns = np.mgrid[:20, :SIDE].astype(np.float32)
    grain = np.random.default_rng(1).integers(0, 24, (3, 20, SIDE))
    disc = np.where((rows - 9) ** 2 + (columns - 13) ** 2 < 40, 120, 0)
    slope = np.stack([3 * columns, 4 * rows, 2 * (rows + columns)])
    return Photograph.of((slope / 2 + disc + grain).astype(np.float32), "disc", SIDE)


@pytest.fixture(scope="session")
def coffee() -> Photograph:
    pytest.importorskip("skimage")
    return Photograph.open(None, SIDE)


@pytest.fixture(scope="session")
def steps() -> list[tuple[int, int, str]]:
    """What the tour said about its progress."""
    return []


@pytest.fixture(scope="session")
def result(tmp_path_factory: pytest.TempPathFactory, synthetic: Photograph, quick: Clock, steps: list) -> TourResult:
    """The whole tour of the synthetic photograph, from its file to its page."""
    folder = tmp_path_factory.mktemp("tour")
    np.save(folder / NAME, synthetic.rgb)
    return take_tour(folder / NAME, folder / "new" / "report", lambda *step: steps.append(step), long_side=SIDE, clock=quick)
