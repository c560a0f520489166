"""The `faltung` program: its commands, and how it ends.

Owns what happens to every error: bad input is one block on stderr and exit status 2, Ctrl-C is 130, and a
reader that went away (``| head``) is no traceback. The commands are in the files beside this one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from faltung import __version__
from faltung.cli import output
from faltung.errors import ConvError

__all__ = ["app"]

BAD_INPUT = 2
INTERRUPTED = 130


class FaltungGroup(TyperGroup):
    """The group of commands, with one way to report what went wrong."""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, *, standalone_mode: bool = True, **extra: Any
    ) -> Any:
        """Run a command line; leaves through SystemExit unless `standalone_mode` is False."""
        if not standalone_mode:
            return super().main(args, prog_name, standalone_mode=False, **extra)
        output.tolerate_narrow_encodings()
        sys.exit(self._status(args, prog_name, **extra))

    def _status(self, args: Sequence[str] | None, prog_name: str | None, **extra: Any) -> int:
        try:
            result = super().main(args, prog_name, standalone_mode=False, **extra)
            sys.stdout.flush()
        except ConvError as error:
            return _report(error.problem, error.remedy)
        except (KeyboardInterrupt, typer.Abort):
            return INTERRUPTED
        except MemoryError as error:
            return _report(str(error) or "there is not enough memory.", "Use a smaller input or a smaller dtype.")
        except BrokenPipeError:
            output.abandon_stdout()
            return 1
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            return _report(f"{where}{error.strerror or error}.", "Check the path and its permissions.")
        except Exception as error:
            if not hasattr(error, "format_message"):  # only errors of the command line itself have it
                raise
            path = getattr(getattr(error, "ctx", None), "command_path", "faltung")
            message = error.format_message()
            return _report(message if message.endswith((".", "?")) else message + ".", f"`{path} --help` shows what it takes.")
        return result if isinstance(result, int) else 0


def _report(problem: str, remedy: str) -> int:
    output.print_error(problem, remedy)
    return BAD_INPUT


app = typer.Typer(
    name="faltung",
    cls=FaltungGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"faltung {__version__}\n")
        raise typer.Exit


_EXAMPLES = """Try:

faltung tour

faltung explain "conv2d(3, 64, 7, stride=2, padding=3)" --input 224x224

faltung COMMAND --help"""


@app.callback(invoke_without_command=True, epilog=_EXAMPLES)
def faltung(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Compute, explain and measure every kind of convolution."""
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")
