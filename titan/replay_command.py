"""`titan replay`: build read models again from the log, compare them with the living, swap them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from domain.errors import Invalid
from replay.compare import Comparison, Difference
from replay.projection import PROJECTIONS, Name
from replay.rebuild import Location
from replay.run import Outcome, Until, replay
from replay.vector import Place, as_json, parse_bound
from runtime.clock import SystemClock
from runtime.settings import Settings
from titan.endpoints import connected_settings
from titan.progress import Bar
from titan.terminal import JsonOption, fail, say, say_json, say_table

SHOWN_DEFAULT: Final = 20


class Choice(StrEnum):
    """What may be rebuilt."""

    PAYMENTS = "payments"
    ACCOUNTS = "accounts"
    DIRECTORY = "directory"
    ALL = "all"


ArchiveOption = Annotated[
    Path | None,
    typer.Option("--from-archive", metavar="DIR", help="Read what `titan archive` kept there."),
]


def replay_projections(
    *,
    projection: Annotated[Choice, typer.Option(help="What to rebuild.")],
    swap: Annotated[
        bool, typer.Option("--swap", help="Put the rebuilt tables in place of the living.")
    ] = False,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="As of this time, by the broker's clock.")
    ] = None,
    until_offset: Annotated[
        list[str] | None,
        typer.Option(metavar="TOPIC:PARTITION:OFFSET", help="Read a partition up to here only."),
    ] = None,
    from_archive: ArchiveOption = None,
    rows: Annotated[
        int, typer.Option(min=0, help="Differing rows to list of each table.")
    ] = SHOWN_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Rebuild read models beside the living ones and compare; exit 1 if they differ.

    What was rebuilt stays in the schema titan_replay until the next replay.
    """
    until = Until(time=None if at is None else time_of(at), bounds=_bounds(until_offset or []))
    settings = connected_settings(
        needed=("postgres_dsn",) if from_archive else ("kafka_bootstrap", "postgres_dsn")
    )
    names = list(Name) if projection is Choice.ALL else [Name(projection)]
    with Bar(disable=as_json) as bar:
        outcomes = asyncio.run(
            _replay(
                names,
                _location(settings, from_archive),
                until,
                is_swap=swap,
                shown_max=rows,
                bar=bar,
            )
        )
    if as_json:
        say_json([_as_json(outcome) for outcome in outcomes])
    else:
        for outcome in outcomes:
            _say(outcome)
    wrong = [outcome.projection for outcome in outcomes if not outcome.is_right]
    if wrong and not swap:
        fail(f"{', '.join(wrong)}: not what the log says; --swap puts the rebuilt table in place")


def time_of(text: str) -> datetime:
    """A time with its zone, as RFC 3339 has it; Invalid if it is none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise Invalid("invalid_time", "write a time with its zone, as 2026-11-23T10:03:07Z")
    return time.astimezone(UTC)


def _location(settings: Settings, archive: Path | None) -> Location:
    assert settings.postgres_dsn is not None
    return Location(
        bootstrap=settings.kafka_bootstrap,
        prefix=settings.topic_prefix,
        dsn=settings.postgres_dsn.get_secret_value(),
        archive=archive,
    )


async def _replay(
    names: Sequence[Name],
    location: Location,
    until: Until,
    *,
    is_swap: bool,
    shown_max: int,
    bar: Bar,
) -> list[Outcome]:
    return [
        await replay(
            PROJECTIONS[name],
            location=location,
            until=_of(until, PROJECTIONS[name].topics, is_only=len(names) == 1),
            is_swap=is_swap,
            shown_max=shown_max,
            clock=SystemClock(),
            watcher=bar,
        )
        for name in names
    ]


def _of(until: Until, topics: Sequence[str], *, is_only: bool) -> Until:
    """Of several projections each takes the bounds of its own topics."""
    if is_only:
        return until
    bounds = {place: offset for place, offset in until.bounds.items() if place.topic in topics}
    return Until(time=until.time, bounds=bounds)


def _bounds(texts: Sequence[str]) -> dict[Place, int]:
    return dict(parse_bound(text) for text in texts)


def _say(outcome: Outcome) -> None:
    rate = outcome.records / outcome.build_s if outcome.build_s else 0.0
    say(
        f"{outcome.projection}: {outcome.records:,} events read and merged in "
        f"{outcome.build_s:.1f} s, {rate:,.0f}/s"
        + (f"; {outcome.passed_over} records were no events" if outcome.passed_over else "")
    )
    for table in outcome.tables:
        say(f"  {_verdict(table, outcome)}")
        if table.differences:
            say_table(
                ["row", "column", "living", "rebuilt"],
                [[each.key, *_cells(each)] for each in table.differences],
            )
    if outcome.hold_s is not None:
        say(
            f"  swapped: writers waited {outcome.hold_s * 1000:.0f} ms; the former tables are in "
            "the schema titan_replaced until the next replay"
        )


def _cells(difference: Difference) -> list[str]:
    return [
        difference.column or "(the row)",
        "(none)" if difference.live is None else difference.live,
        "(none)" if difference.rebuilt is None else difference.rebuilt,
    ]


def _verdict(table: Comparison, outcome: Outcome) -> str:
    if not outcome.is_compared:
        return (
            f"titan_replay.{table.table}: {table.rows:,} rows, SHA-256 {table.rebuilt_sha256}; "
            "not compared, the living table is elsewhere in time"
        )
    if table.is_equal:
        flight = f", {table.in_flight} of them on their way" if table.in_flight else ""
        return f"{table.table}: equal, {table.rows:,} rows{flight}, SHA-256 {table.live_sha256}"
    return (
        f"{table.table}: {table.different:,} rows differ; "
        f"SHA-256 living {table.live_sha256}, rebuilt {table.rebuilt_sha256}"
    )


def _as_json(outcome: Outcome) -> dict[str, object]:
    return {
        "projection": outcome.projection,
        "events": outcome.records,
        "passed_over": outcome.passed_over,
        "build_s": round(outcome.build_s, 3),
        "vector": as_json(outcome.vector),
        "compared": outcome.is_compared,
        "equal": outcome.is_right if outcome.is_compared else None,
        "swapped": outcome.hold_s is not None,
        "hold_s": outcome.hold_s,
        "tables": [
            {
                "table": table.table,
                "rows": table.rows,
                "in_flight": table.in_flight,
                "different": table.different,
                "live_sha256": table.live_sha256 or None,
                "rebuilt_sha256": table.rebuilt_sha256,
                "differences": [
                    {
                        "key": each.key,
                        "column": each.column,
                        "live": each.live,
                        "rebuilt": each.rebuilt,
                    }
                    for each in table.differences
                ],
            }
            for table in outcome.tables
        ],
    }
