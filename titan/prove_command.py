"""`titan prove`: the books, on a running system, from the log, the ledger and the projections."""

import asyncio
import resource
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from domain.errors import TitanError
from proof.findings import LOOKED_AT, TITLES, Check, Finding
from proof.limits import AGE_S_DEFAULT, OPEN_PAYMENTS_MAX
from proof.prove import Place, Proof, prove
from proof.report import FORMAT, read_since, sealed, write_report
from proof.scope import US, Since
from proof.story import Story
from runtime.clock import Clock, SystemClock
from runtime.collector import spare_collector
from runtime.settings import Settings
from runtime.topics import topic_map
from titan import VERSION
from titan.endpoints import connected_settings
from titan.terminal import BAD_INPUT, CHECK_FAILED, JsonOption, fail, say, say_json, say_table

FOLDER: Final = "proofs"
"""Below the data directory: where reports go by themselves."""


def prove_books(
    *,
    age: Annotated[
        float, typer.Option("--age", min=0, help="Seconds after which a payment must have ended.")
    ] = AGE_S_DEFAULT,
    since: Annotated[
        Path | None,
        typer.Option("--since", help="Go on from this report of an earlier proof that held."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Write the report here, not among the others."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Prove the books: exit 0 if all holds, 1 if anything does not, 2 if it cannot be known.

    Safe while payments flow: reads only, in no consumer group, one snapshot of the tables.
    """
    clock = SystemClock()
    began_at = clock.now()
    try:
        settings = connected_settings(needed=("kafka_bootstrap", "postgres_dsn"))
        earlier = None if since is None else read_since(since)
        spare_collector()
        proof = asyncio.run(_proven(settings, clock, age, earlier, is_quiet=as_json))
        written = sealed(report_of(proof, age, earlier, began_at=began_at, ended_at=clock.now()))
        path = report or _path(settings, began_at)
        write_report(path, written)
    except (TitanError, OSError) as error:
        fail(str(error), exit_code=BAD_INPUT)
        return
    if as_json:
        say_json({**written, "report": str(path)})
    else:
        _show(proof, written, path)
    if not proof.findings.ok:
        raise typer.Exit(CHECK_FAILED)


async def _proven(
    settings: Settings, clock: Clock, age_s: float, since: Since | None, *, is_quiet: bool
) -> Proof:
    assert settings.kafka_bootstrap is not None
    assert settings.postgres_dsn is not None
    place = Place(
        topic_map(),
        settings.topic_prefix,
        settings.kafka_bootstrap,
        settings.postgres_dsn.get_secret_value(),
    )
    columns = (
        TextColumn("{task.description:<32}"),
        BarColumn(),
        TextColumn("{task.completed:>11,.0f}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=is_quiet) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(step: str, done: int, total: int | None) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done)

        return await prove(place, clock=clock, age_s=age_s, since=since, progress=progress)


def _path(settings: Settings, began_at: datetime) -> Path:
    return settings.data_directory / FOLDER / f"{began_at:%Y%m%dT%H%M%S_%fZ}.json"


def report_of(
    proof: Proof,
    age_s: float,
    since: Since | None,
    *,
    began_at: datetime,
    ended_at: datetime,
) -> dict[str, Any]:
    """What is written down of a proof, still to be sealed."""
    scope, findings = proof.scope, proof.findings
    can_go_on = len(proof.open_payments) <= OPEN_PAYMENTS_MAX
    return {
        "format": FORMAT,
        "titan": VERSION,
        "ok": findings.ok,
        "started_at": began_at.isoformat(),
        "finished_at": ended_at.isoformat(),
        "snapshot_at": datetime.fromtimestamp(scope.snapshot_us / US, UTC).isoformat(),
        "snapshot_us": scope.snapshot_us,
        "age_s": age_s,
        "since": None if since is None else since.sha256,
        "offsets": {
            "first": scope.vectors.first,
            "committed": scope.vectors.committed,
            "proven": scope.vectors.proven,
            "read": proof.read_to,
            "resume": proof.resume,
        },
        "open_payments": sorted(str(UUID(bytes=id_)) for id_ in proof.open_payments)
        if can_go_on
        else None,
        "checks": {check.value: _as_json(check, findings.by_check[check]) for check in Check},
        "notes": findings.notes,
        "dead_letters": proof.letters,
        "credited_minor": proof.credited_minor,
        "events": proof.events,
        "phases_s": proof.phases_s,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "spilled_bytes": proof.spilled_bytes,
        "counter_example": None if proof.story is None else proof.story.as_json(),
    }


def _as_json(check: Check, finding: Finding) -> dict[str, Any]:
    return {
        "title": TITLES[check],
        "looked_at": finding.looked_at,
        "of": LOOKED_AT[check],
        "faults": finding.faults,
        "examples": [fault.as_json() for fault in finding.examples],
    }


def _show(proof: Proof, written: dict[str, Any], path: Path) -> None:
    rows = []
    for check, finding in proof.findings.by_check.items():
        verdict = "holds" if not finding.faults else f"{finding.faults:,} FAULTS"
        looked_at = f"{finding.looked_at:,} {LOOKED_AT[check]}"
        rows.append([TITLES[check], looked_at, verdict])
    say_table(["what", "looked at", ""], rows)
    say("")
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in proof.phases_s.items())
    say(f"{proof.events:,} events read; {spent}")
    for currency, credited in proof.credited_minor.items():
        say(f"moved in all: {int(credited):,} minor units of {currency}")
    for name, count in proof.findings.notes.items():
        say(f"{count:,} {name}")
    for name, count in proof.letters.items():
        say(f"{count:,} dead letters: {name}")
    if proof.story is not None:
        _tell(proof.story)
    say(f"report {path}")
    say(f"sha256 {written['sha256']}")
    say("The books hold." if proof.findings.ok else "The books do NOT hold.")


def _tell(story: Story) -> None:
    """The counter-example, line by line."""
    about = "" if story.fault.subject is None else f"{story.fault.subject} "
    say("")
    say(f"Counter-example ({TITLES[story.fault.check]}): {about}{story.fault.what}")
    for event in story.events:
        place = f"{event['topic']}/{event['partition']}/{event['offset']}"
        said = f"{event.get('ce_id')} by {event.get('ce_source')}"
        say(f"  {event['appended_at']} {place} {said}")
        say(f"    {event['value']}")
    for table, rows in story.rows.items():
        for row in rows:
            columns = ", ".join(f"{name}={value}" for name, value in row.items())
            say(f"  {table}: {columns}")
    say("")
