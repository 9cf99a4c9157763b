"""Replay, archive and travel, measured: `python -m bench.replay [--payments N] [--json FILE]`.

Servers of its own, a log of payments that were all posted, and the commands as a person runs them,
one after the other with nothing beside them but broker and database. The living table is filled by
the first swap; the stage's place in the log is put to its end, as it would be if the stage had
filled it.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID, uuid5

import typer
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console

from bench.figures import Figure
from bench.machine import this_machine
from bench.meter import Meter, cpu_s_between
from bench.people import CURRENCY, People, account_id_of
from bench.report import as_json, print_table
from bench.titan_command import run_titan
from replay.log import KafkaLog
from replay.projection import PROJECTIONS, Name
from replay.vector import places_of
from runtime.clock import SystemClock
from runtime.letting_go import stop_consumer
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from runtime.vault import load_vault
from schemas.event import Envelope, Event
from schemas.payment import PaymentPosted, PaymentRequested, PaymentResolved, PaymentScreened
from schemas.wire import Message, caused_envelope, encode, first_envelope
from titan.migrate import migrate
from titan.servers import Endpoints, ServerPlan, Servers
from titan.terminal import quiet_libraries

PEOPLE: Final = 2_000
EVENTS_PER_S_TARGET: Final = 50_000

_ROOT: Final = Path(__file__).resolve().parents[1]
_FAR: Final = "2100-01-01T00:00:00Z"
_WAVE: Final = 500
_PUBLISH_S_MAX: Final = 60.0
_PAYMENTS: Final = PROJECTIONS[Name.PAYMENTS]
_SHARED: Final = "broker and database; no stages, no edges"
Run = Callable[..., Coroutine[Any, Any, tuple[Any, float]]]
"""Runs a command; its JSON, and how long it took in seconds."""

Note = Callable[..., None]
"""Notes a figure: its name, value and unit."""

_STEPS: Final = ("handle_resolution", "risk_screening", "ledger_posting")


def main(
    *,
    payments: Annotated[int, typer.Option(min=1_000, help="Payments in the log.")] = 200_000,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file as JSON too.")
    ] = None,
) -> None:
    """Measure replay on servers of its own."""
    quiet_libraries()
    machine = this_machine(SystemClock().now())
    console = Console(stderr=True)
    console.print(machine.line)
    figures = uvloop.run(_measure(payments, console))
    print_table(Console(), figures)
    if json_file is not None:
        json_file.write_text(as_json(machine, figures), encoding="utf-8")


async def _measure(count: int, console: Console) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="titan-bench-") as name:
        directory = Path(name)
        servers = Servers(ServerPlan(directory=directory), progress=console.print)
        endpoints = await servers.start()
        try:
            await asyncio.to_thread(migrate, endpoints.postgres_dsn)
            await apply_topics(endpoints.kafka_bootstrap, topic_map(), prefix="")
            console.print(f"Writing the log of {count:,} payments ...")
            payment_id = await _write_log(endpoints, directory, count)
            return await _commands(endpoints, directory, count, payment_id, console)
        finally:
            await servers.stop()


async def _write_log(endpoints: Endpoints, directory: Path, count: int) -> UUID:
    """All events of all payments, in the order of life; the id of one of them."""
    settings = Settings(data_directory=directory)
    people = People(PEOPLE, clock=SystemClock(), vault=load_vault(settings))
    publisher = KafkaPublisher(
        endpoints.kafka_bootstrap, prefix="", settings=settings, role="bench"
    )
    await publisher.start()
    try:
        requests = people.payments(count, name="replay")
        for start in range(0, count, _WAVE):
            lives = [list(_life(request)) for request in requests[start : start + _WAVE]]
            for wave in zip(*lives, strict=True):
                await publisher.publish(wave, deadline_s=_PUBLISH_S_MAX)
    finally:
        await publisher.stop()
    return requests[count // 2].payment_id


def _life(request: PaymentRequested) -> Iterator[Message]:
    now = SystemClock().now()
    envelope: Envelope = first_envelope(
        event_id=uuid5(request.payment_id, "first"),
        idempotency_id=request.payment_id,
        source="titan/bench",
        now=now,
        traceparent=None,
    )
    yield encode(request, envelope)
    mine: dict[str, Any] = {
        "payment_id": request.payment_id,
        "accepted_at": request.accepted_at,
        "payer_account_id": account_id_of(request.from_handle),
        "payee_account_id": account_id_of(request.to_handle),
        "amount_minor": request.amount_minor,
        "currency": CURRENCY,
    }
    rail: dict[str, Any] = {"payment_type": request.payment_type}
    later: tuple[Event, ...] = (
        PaymentResolved(**mine, **rail, from_handle_version=1, to_handle_version=1),
        PaymentScreened(**mine, **rail),
        PaymentPosted(**mine, posting_id=request.payment_id),
    )
    for step, event in zip(_STEPS, later, strict=True):
        source = f"titan/consumers/{step}"
        envelope = caused_envelope(envelope, step=step, source=source, now=now)
        yield encode(event, envelope)


async def _commands(
    endpoints: Endpoints, directory: Path, count: int, payment_id: UUID, console: Console
) -> list[Figure]:
    clock = SystemClock()
    environment = {n: v for n, v in os.environ.items() if not n.startswith("TITAN_")} | {
        "TITAN_KAFKA_BOOTSTRAP": endpoints.kafka_bootstrap,
        "TITAN_POSTGRES_DSN": endpoints.postgres_dsn,
    }
    figures: list[Figure] = []

    async def run(*arguments: str) -> tuple[Any, float]:
        console.print(f"titan {' '.join(arguments)}")
        return await run_titan(*arguments, environment=environment, clock=clock)

    def note(name: str, value: float, unit: str, *, target: float | None = None) -> None:
        group = f"{count:,} payments, {4 * count:,} events"
        figures.append(
            Figure(
                group=group,
                name=name,
                value=value,
                unit=unit,
                target=target,
                more_is_better=unit.endswith("/s"),
                shared=_SHARED,
            )
        )

    meter = Meter({name: _pid_in(directory, name) for name in ("postgres", "kafka")})
    await _measure_rebuild(run, note, meter)
    await _measure_replay(endpoints, run, note)
    kept = str(directory / "kept")
    said, took_s = await run("archive", kept)
    note("archive, whole command", said["records"] / took_s, "records/s")
    note("archive, size of a record", said["bytes"] / said["records"], "bytes")
    said, took_s = await run("archive", kept, "--verify")
    note("archive --verify, whole command", said["records"] / took_s, "records/s")
    [said], _ = await run(
        "replay", "--projection", "payments", "--at", _FAR, "--from-archive", kept
    )
    note("payments rebuilt from the archive", said["events"] / said["build_s"], "events/s")
    _, took_s = await run("at", _FAR, "payment", str(payment_id))
    note("titan at, one payment, whole command", took_s, "s")
    limits = str(_ROOT / "limits.yaml")
    _, took_s = await run("shadow", "--stage", "risk_screening", "--limits", limits)
    note("titan shadow over all of it, whole command", took_s, "s")
    return figures


async def _measure_rebuild(run: Run, note: Note, meter: Meter) -> None:
    """The rate by the clock, and by the CPU it takes: the second does not mind who else works."""
    before, own_before_s = meter.read(), _children_cpu_s()
    [said], _ = await run("replay", "--projection", "payments", "--at", _FAR)
    cpu_s = cpu_s_between(before, meter.read())
    cpu_s["titan replay, its readers and its start"] = _children_cpu_s() - own_before_s
    rate = said["events"] / said["build_s"]
    note("payments rebuilt (read, folded, merged)", rate, "events/s", target=EVENTS_PER_S_TARGET)
    for part, spent_s in cpu_s.items():
        note(f"CPU of an event, {part}", spent_s / said["events"] * 1e6, "us")
    cores = len(os.sched_getaffinity(0))
    allowed = cores * said["events"] / sum(cpu_s.values())
    note(f"what that CPU allows on {cores} cores with nothing beside", allowed, "events/s")


def _children_cpu_s() -> float:
    """CPU seconds of all ended commands."""
    times = os.times()
    return times.children_user + times.children_system


def _pid_in(directory: Path, server: str) -> int:
    return int(json.loads((directory / server / "server.pid").read_text("utf-8"))["pid"])


async def _measure_replay(endpoints: Endpoints, run: Run, note: Note) -> None:
    payments = ("replay", "--projection", "payments")
    await _put_stage_to_the_end(endpoints)
    [said], _ = await run(*payments, "--swap")
    note("swap into an empty table: writers waited", said["hold_s"] * 1000, "ms")
    [said], took_s = await run(*payments)
    if not said["equal"]:
        raise SystemExit("the swapped table is not equal to the log")
    note("payments rebuilt, second time", said["events"] / said["build_s"], "events/s")
    note("replay and compare, whole command", took_s, "s")


async def _put_stage_to_the_end(endpoints: Endpoints) -> None:
    """Commit for the projection's group that all of the log is done."""
    places = places_of(_PAYMENTS.topics)
    log = KafkaLog(endpoints.kafka_bootstrap)
    await log.start(_PAYMENTS.topics)
    end = await log.end(places)
    await log.stop()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=endpoints.kafka_bootstrap,
        group_id=_PAYMENTS.group,
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        offsets = {TopicPartition(place.topic, place.partition): end[place] for place in places}
        consumer.assign(list(offsets))
        await consumer.commit(offsets)
    finally:
        await stop_consumer(consumer)


if __name__ == "__main__":
    typer.run(main)
