"""The one wrapper around FastStream: what every stage's `make_app` returns.

FastStream owns the application's life (start, signals, graceful stop) and the consumer; this
module owns how records are read, because the library's defaults lose payments: see
docs/adr/0007-ack-policy-and-broker-options.md and 0009-poll-without-idle-sleep.md.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import structlog
from aiokafka import AIOKafkaConsumer
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER

from domain.errors import Defect, TitanError
from runtime import limits, metrics
from runtime.clock import Clock, SystemClock
from runtime.consumer import BatchShell
from runtime.crash_points import arm
from runtime.database import Database
from runtime.dead_letter import Record
from runtime.gate import Gate
from runtime.inbox import PostgresInbox
from runtime.instance import InstanceLock
from runtime.publisher import KafkaPublisher
from runtime.selfcheck import (
    database_findings,
    demand_fit,
    setting_findings,
    topic_findings,
)
from runtime.settings import Settings
from runtime.stage import Stage, StageRunner
from runtime.telemetry import FASTSTREAM_LOG, configure_logging
from runtime.topics import group_of, topic_map
from runtime.tracing import start_tracing
from runtime.unit import PostgresUnits
from runtime.vault import Vault, connect_vault
from runtime.vigil import Vigil, until_deserted

log = structlog.get_logger()

DEFECT_EXIT_CODE: Final = 70
"""EX_SOFTWARE of sysexits.h: a supervisor restarts with backoff, and a person is paged."""

_FETCH_BYTES_MAX: Final = 8 * 1024 * 1024
_LOOP_LAG_INTERVAL_S: Final = 1.0

Records = tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Resources:
    """What a stage's `build` may use to wire its ports."""

    settings: Settings
    clock: Clock
    vault: Vault


class StageHealth:
    """What a stage process can say of itself; healthy means that work gets done."""

    def __init__(self) -> None:
        self.shell: BatchShell | None = None

    def report(self) -> dict[str, object]:
        """State for /health; "starting" until the consumer runs."""
        if self.shell is None:
            return {"status": "starting"}
        return {
            "status": "up" if self.shell.healthy else "down",
            "halted": self.shell.halted,
            "lag_records": self.shell.lag_records,
        }


HEALTH: Final[dict[str, StageHealth]] = {}
"""The stages that run in this process."""


def stage_app(
    name: str,
    build: Callable[[Resources], Stage],
    settings: Settings | None = None,
    *,
    gather_ms: int | None = None,
    refit: Callable[[StageRunner], StageRunner] = lambda runner: runner,
) -> FastStream:
    """The FastStream application of a stage.

    `gather_ms` is for a stage that no payment waits for: records that come within so long are taken
    together, and the machine is left to those that are waited for. `refit` may change the runner,
    to measure what surrounds it. Nothing is opened before the start; errors then are one line.
    """
    settings = settings or Settings()
    clock = SystemClock()
    group = group_of(name)
    gate = Gate(name)
    health = HEALTH[name] = StageHealth()
    broker = KafkaBroker(
        _bootstrap(settings),
        client_id=f"titan-{group}",
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        graceful_timeout=limits.GRACEFUL_STOP_S,
        apply_types=False,
        logger=FASTSTREAM_LOG,
    )
    subscriber = _subscriber(broker, group, settings, gate, gather_ms=gather_ms)
    resources = StageResources(name, settings, clock)

    async def next_records(consumer: AIOKafkaConsumer) -> Records:
        """Wait inside the fetch, never beside it: FastStream's own loop sleeps when idle."""
        if health.shell is None:
            await clock.sleep(limits.POLL_WAIT_MS / 1000)
            return ()
        return await health.shell.next_records(consumer)

    subscriber.get_msg = next_records

    @subscriber  # type: ignore[untyped-decorator]
    async def on_batch(records: Any) -> None:  # noqa: ANN401 - FastStream builds a model of it
        assert health.shell is not None
        await health.shell.on_batch(records, subscriber.consumer)

    vigil = Vigil("ended_unasked", stage=name, on_end=_stop_at_once)

    async def open_resources() -> None:
        runner = refit(await resources.open(build))
        shell = BatchShell(runner, gate=gate, clock=clock, on_defect=_stop_at_once)
        vigil.keep(shell.keep_committing(), name="committing")
        vigil.keep(until_deserted(lambda: subscriber.tasks, clock), name="reading")
        health.shell = shell

    async def finish() -> None:
        vigil.end()
        await gate.close()

    async def close_resources() -> None:
        health.shell = None
        await resources.close()

    return FastStream(
        broker,
        logger=None,
        on_startup=[open_resources],
        on_shutdown=[finish],
        after_shutdown=[close_resources],
    )


def _subscriber(
    broker: KafkaBroker, group: str, settings: Settings, gate: Gate, *, gather_ms: int | None
) -> Any:  # noqa: ANN401 - FastStream's subscriber, whose way to fetch is replaced
    """The group's subscriber, with each option that the library would choose otherwise."""
    return broker.subscriber(
        *(settings.topic_prefix + topic.name for topic in topic_map().of_group(group)),
        group_id=settings.topic_prefix + group,
        group_instance_id=_instance(settings, group),
        batch=True,
        max_records=limits.BATCH_RECORDS_MAX,
        batch_timeout_ms=limits.POLL_WAIT_MS,
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset=settings.consumer_auto_offset_reset,  # type: ignore[call-overload]
        isolation_level="read_committed",
        session_timeout_ms=settings.consumer_session_timeout_ms,
        heartbeat_interval_ms=settings.consumer_heartbeat_interval_ms,
        rebalance_timeout_ms=settings.consumer_rebalance_timeout_ms,
        fetch_max_bytes=_FETCH_BYTES_MAX,
        fetch_max_wait_ms=gather_ms or limits.POLL_WAIT_MS,
        fetch_min_bytes=limits.GATHER_BYTES if gather_ms else 1,
        parser=_raw_message,
        decoder=_raw_records,
        listener=gate,
        no_reply=True,
    )


class StageResources:
    """Opens what a stage needs, and closes it in the reverse order."""

    def __init__(self, name: str, settings: Settings, clock: Clock) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._database: Database | None = None
        self._publisher: KafkaPublisher | None = None
        self._watch: asyncio.Task[None] | None = None
        self._instance: InstanceLock | None = None
        self._vault: Vault | None = None
        self._stop_tracing: Callable[[], None] | None = None

    async def open(self, build: Callable[[Resources], Stage]) -> StageRunner:
        """Connect and wire the stage."""
        settings = self._settings
        configure_logging(settings)
        arm(settings)
        self._stop_tracing = start_tracing(settings, f"titan-{self._name}")
        if settings.postgres_dsn is None:
            raise Defect("set TITAN_POSTGRES_DSN, or start everything with `titan up`")
        dsn = settings.postgres_dsn.get_secret_value()
        self._vault = await connect_vault(settings, name=group_of(self._name), clock=self._clock)
        stage = build(Resources(settings, self._clock, self._vault))
        if (instance := _instance(settings, stage.group)) is not None:
            name = settings.topic_prefix + instance
            self._instance = await InstanceLock.take(dsn, name, self._clock)
        self._database = await Database.connect(dsn, name=stage.group)
        await self._check(stage.group)
        self._publisher = KafkaPublisher(
            _bootstrap(settings), prefix=settings.topic_prefix, settings=settings, role=stage.group
        )
        await self._publisher.start()
        self._watch = asyncio.create_task(self._watch_loop())
        return StageRunner(
            stage,
            topics=topic_map(),
            prefix=settings.topic_prefix,
            units=PostgresUnits(self._database, room=self._name),
            inbox=PostgresInbox(self._database),
            publisher=self._publisher,
            clock=self._clock,
        )

    async def _check(self, group: str) -> None:
        """Refuse to work in an unfit place; say aloud what a demo lives with."""
        assert self._database is not None
        settings = self._settings
        findings = [
            *setting_findings(settings, joins_group=True),
            *await database_findings(self._database, settings=settings),
            *await topic_findings(
                _bootstrap(settings),
                topic_map(),
                settings=settings,
                only={topic.name for topic in topic_map().of_group(group)},
            ),
        ]
        for line in demand_fit(findings):
            log.warning("unfit_but_demo", stage=self._name, finding=line)

    async def close(self) -> None:
        """Close what was opened; called after the last batch."""
        if self._watch is not None:
            self._watch.cancel()
        if self._publisher is not None:
            await self._publisher.stop()
        if self._database is not None:
            await self._database.close()
        if self._vault is not None:
            await self._vault.close()
        if self._instance is not None:
            await self._instance.release()
        if self._stop_tracing is not None:
            await asyncio.to_thread(self._stop_tracing)

    async def _watch_loop(self) -> None:
        """Measure how late the event loop wakes: heartbeats share it with everything else."""
        while True:
            before_s = self._clock.monotonic_s()
            await self._clock.sleep(_LOOP_LAG_INTERVAL_S)
            late_s = self._clock.monotonic_s() - before_s - _LOOP_LAG_INTERVAL_S
            metrics.EVENT_LOOP_LAG_SECONDS.set(max(0.0, late_s))


def _bootstrap(settings: Settings) -> str:
    if settings.kafka_bootstrap is None:
        raise TitanError("set TITAN_KAFKA_BOOTSTRAP, or start everything with `titan up`")
    return settings.kafka_bootstrap


def _instance(settings: Settings, group: str) -> str | None:
    return None if settings.instance_id is None else f"{settings.instance_id}-{group}"


async def _raw_message(records: Records) -> KafkaMessage:
    """Pass the records through: FastStream's parser would drop a batch for one bad header."""
    return KafkaMessage(raw_message=cast("Any", records), body=b"", consumer=FAKE_CONSUMER)


async def _raw_records(message: KafkaMessage) -> Records:
    records: Any = message.raw_message
    assert isinstance(records, tuple)
    return records


def _stop_at_once() -> None:
    """Die without goodbye: every line may die after any await, so this is always safe."""
    os._exit(DEFECT_EXIT_CODE)
