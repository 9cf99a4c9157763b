"""How every command speaks: text for people, `--json` for programs, one plain line for errors.

Exit codes: 0 done; 1 a check failed or a dependency is down; 2 wrong usage or bad input.
"""

import json
import logging
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final

import structlog
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from domain.errors import Invalid, TitanError
from runtime.settings import setting_faults
from titan.migrate import MigrationError
from titan.servers.errors import ServerStartError

CHECK_FAILED: Final = 1
BAD_INPUT: Final = 2

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


class PlainErrors(TyperGroup):
    """A group of commands that says what went wrong in one line, without a stack."""

    def invoke(self, context: Any) -> Any:  # noqa: ANN401 - typer does not export click's context
        """Run the command; our own errors become a line on standard error and an exit code."""
        # The client library tells each failed connection by itself; the command has its own line.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        try:
            return super().invoke(context)
        except Invalid as error:
            fail(error.message, exit_code=BAD_INPUT)
        except (TitanError, ServerStartError, MigrationError) as error:
            fail(str(error), exit_code=CHECK_FAILED)
        except ValidationError as error:
            fail("; ".join(setting_faults(error)), exit_code=BAD_INPUT)


def command_group(help_text: str) -> typer.Typer:
    """A group of commands in the house's manner."""
    return typer.Typer(
        cls=PlainErrors,
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )


def fail(message: str, *, exit_code: int = CHECK_FAILED) -> None:
    """End the command with one line on standard error."""
    sys.stderr.write(f"titan: {message}\n")
    raise typer.Exit(exit_code)


def say(line: str) -> None:
    """One line of text."""
    sys.stdout.write(f"{line}\n")


def say_json(value: object) -> None:
    """One JSON document; dates and ids as text."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def quiet_libraries() -> None:
    """Leave the screen to the command: libraries and our own shell are heard only when grave.

    A broker that is away makes its client write a line for each attempt; the command says it once.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger().setLevel(logging.ERROR)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def say_json_line(value: object) -> None:
    """One JSON document on a line of its own, at once: for what comes bit by bit."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def say_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table as wide as the terminal; what does not fit is folded, never cut."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False).print(table)
