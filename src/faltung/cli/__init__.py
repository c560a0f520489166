"""The command line. One file a command; `app` holds them together; `main` is the installed program."""

from __future__ import annotations

from faltung.cli import animate, audit, bench, equivariance, explain, features, identity, plan, play, run, tour, tune
from faltung.cli.app import app

__all__ = ["app", "main"]

for _command in (tour, explain, animate, run, plan, audit, features, equivariance, identity, bench, tune, play):
    _command.register(app)


def main() -> None:
    """Run the command line in ``sys.argv``; leaves through SystemExit."""
    app(prog_name="faltung")
