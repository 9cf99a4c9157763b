"""`titan doctor`: what runs, in which versions, how far behind, and what is wrong."""

import asyncio

import typer

from runtime.clock import SystemClock
from titan.doctor_checks import Line, Place, Status, examine
from titan.endpoints import connected_settings, read_endpoints
from titan.terminal import CHECK_FAILED, JsonOption, say_json, say_table


def doctor(*, as_json: JsonOption = False) -> None:
    """Look at everything; exit 1 if something fails."""
    settings = connected_settings()
    place = Place(settings, read_endpoints(settings.data_directory), SystemClock())
    lines = asyncio.run(examine(place))
    if as_json:
        say_json([_as_json(line) for line in lines])
    else:
        say_table(
            ["check", "", "detail"], [[line.check, line.status, line.detail] for line in lines]
        )
    if any(line.status is Status.FAILED for line in lines):
        raise typer.Exit(CHECK_FAILED)


def _as_json(line: Line) -> dict[str, str]:
    return {"check": line.check, "status": line.status, "detail": line.detail}
