"""Every extra is tried by `make check-install`, or is one for developers."""

from __future__ import annotations

from checks.installing import check


def test_every_extra_has_its_program() -> None:
    named = {path.stem.removeprefix("with_") for path in check.HERE.glob("with_*.py")}
    extras = set(check.project["optional-dependencies"])
    assert named == extras - check.DEVELOPERS
    assert extras >= check.DEVELOPERS
