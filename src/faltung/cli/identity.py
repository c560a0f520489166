"""`faltung identity`: what two convolutions have in common, shown in numbers and checked."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from faltung.cli import output

__all__ = ["register"]

CHECK_FAILED = 1


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("identity", epilog="Example: faltung identity compose")(identity)


def identity(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One of the identities. Without it, they are listed.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Draws another random case.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Show an identity of convolutions in a small case, and check it in a random one.

    Exit status 1 means that the check failed.
    """
    from faltung.identities.demonstration import DEMONSTRATIONS, demonstrate

    if name is None:
        statements = {key: statement for key, (statement, _, _) in DEMONSTRATIONS.items()}
        if as_json:
            output.print_json({"identities": statements})
            return
        output.print_facts("Identities", list(statements.items()))
        output.print_line()
        output.print_line("`faltung identity NAME` shows one; in Python they are in faltung.identities.", style="dim")
        return
    shown = demonstrate(name, seed)
    if as_json:
        output.print_json({**asdict(shown), "worked": dict(shown.worked), "seed": seed})
    else:
        output.print_line(f"{shown.name}: {shown.statement}", style="bold")
        for label, text in shown.worked:
            output.print_code(label, text)
        verdict = "passed" if shown.passed else "FAILED"
        output.print_facts("A random case", [(verdict, shown.checked)])
    if not shown.passed:
        raise typer.Exit(CHECK_FAILED)
