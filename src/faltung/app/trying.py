"""The search for the nearest value of a control at which something holds, by trying, within a budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from faltung.app.state import MAX_SIZE, State

__all__ = ["Test", "around", "budgeted", "nearest"]

Test = Callable[[State], bool]

NEAR = 12
"""Steps that are tried one by one on either side; beyond them they double, and what lies between is halved."""


def budgeted(is_good: Test, most: int) -> Test:
    """The same test, false once it was asked `most` times: a state of many layers is answered in time."""
    asked = 0

    def test(state: State) -> bool:
        nonlocal asked
        asked += 1
        return asked <= most and is_good(state)

    return test


def around(value: int, least: int, most: int) -> Iterator[int]:
    """Other values, the nearest first.

    >>> list(around(2, 1, 4))
    [1, 3, 4]
    """
    for distance in _distances():
        for other in (value - distance, value + distance):
            if least <= other <= most:
                yield other


def nearest(current: Any, least: int, is_good: Callable[[Any], bool], *, up_first: bool = False) -> Any:
    """`current`, per axis or per side, moved along all axes as little as makes it good; axes that need no move stay.

    None where no move does.

    >>> nearest((3, 9), 1, lambda kernel: max(kernel) <= 5)
    (3, 5)
    """
    for distance in _distances():
        for step in (distance, -distance) if up_first else (-distance, distance):
            moved = _by(current, step, least)
            if moved != current and is_good(moved):
                return _kept(current, _closer(current, step, least, is_good), is_good)
    return None


def _distances() -> Iterator[int]:
    yield from range(1, NEAR + 1)
    distance = 2 * NEAR
    while distance < 2 * MAX_SIZE:
        yield distance
        distance *= 2


def _closer(current: Any, step: int, least: int, is_good: Callable[[Any], bool]) -> Any:
    """Where steps were doubled: the shortest between the last that was tried and this one."""
    sign, far = (1, step) if step > 0 else (-1, -step)
    near = far - 1 if far <= NEAR else max(far // 2, NEAR)
    while far - near > 1:
        middle = (far + near) // 2
        near, far = (near, middle) if is_good(_by(current, sign * middle, least)) else (middle, far)
    return _by(current, sign * far, least)


def _by(current: Any, step: int, least: int) -> Any:
    return tuple(_moved(entry, step, least) for entry in current)


def _moved(entry: Any, step: int, least: int) -> Any:
    if isinstance(entry, tuple):
        return tuple(_moved(side, step, least) for side in entry)
    return min(max(entry + step, least), MAX_SIZE)


def _kept(current: Any, moved: Any, is_good: Callable[[Any], bool]) -> Any:
    for axis in range(len(current)):
        back: Iterable[Any] = (*moved[:axis], current[axis], *moved[axis + 1 :])
        if is_good(back):
            moved = back
    return moved
