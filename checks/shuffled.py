"""A pytest plugin: the tests in another order, ``-p checks.shuffled --shuffle SEED``.

Files change places, and so do the tests of each; those of one file stay together, with what they share. Every
worker of pytest-xdist finds the same order.
"""

from __future__ import annotations

import random

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", type=int, required=True, metavar="SEED", help="the order of the tests: one for each number")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    order = random.Random(config.getoption("shuffle"))
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.nodeid.split("::")[0], []).append(item)
    shuffled = list(files.values())
    order.shuffle(shuffled)
    for tests in shuffled:
        order.shuffle(tests)
    items[:] = [item for tests in shuffled for item in tests]
