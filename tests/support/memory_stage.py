"""A stage over memory ports: the real runner, with a log, an inbox and units in memory."""

from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from runtime.clock import SystemClock
from runtime.dead_letter import DeadLetter
from runtime.inbox import Inbox, MemoryInbox
from runtime.publisher import MemoryPublisher
from runtime.stage import Stage, StageRunner
from runtime.topics import topic_map
from runtime.unit import MemoryUnits
from schemas.event import Event, Position
from schemas.wire import Message, decode, first_message

NOW = datetime(2026, 11, 23, 10, 3, 7, tzinfo=UTC)
ROOT = UUID("00000000-0000-0000-0000-00000000c0de")


class FixedClock(SystemClock):
    """Time stands where the test puts it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


class Crash(Exception):  # noqa: N818
    """The process dies here."""


@dataclass
class RawRecord:
    """A record as the client library hands it out."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp: int = 1_763_892_187_000


def message_of(event: Event, *, idempotency_id: UUID | None = None, now: datetime = NOW) -> Message:
    """The event as the first of its chain: its id derives from its contents."""
    idempotency_id = idempotency_id or event.subject
    event_id = uuid5(idempotency_id, event.model_dump_json())
    return first_message(
        event,
        event_id=event_id,
        idempotency_id=idempotency_id,
        source="tests",
        now=now,
        traceparent=None,
    )


@dataclass
class _CrashingUnits:
    crash_before_commit: bool = False
    units: MemoryUnits = field(default_factory=MemoryUnits)

    @asynccontextmanager
    async def begin(self) -> Any:
        async with self.units.begin() as unit:
            yield unit
            if self.crash_before_commit:
                raise Crash

    @asynccontextmanager
    async def plain(self) -> Any:
        async with self.units.plain() as unit:
            yield unit
            if self.crash_before_commit:
                raise Crash


class MemoryStage:
    """Deliver events to a stage and look at what it published."""

    def __init__(
        self, stage: Stage, clock: FixedClock | None = None, inbox: Inbox | None = None
    ) -> None:
        self.clock = clock or FixedClock()
        self.publisher = MemoryPublisher()
        self._units = _CrashingUnits()
        self._offset = 0
        self.runner = StageRunner(
            stage,
            topics=topic_map(),
            prefix="",
            units=self._units,
            inbox=inbox or MemoryInbox(),
            publisher=self.publisher,
            clock=self.clock,
        )

    async def deliver(self, *events: Event, crash_before_commit: bool = False) -> None:
        """One batch; a crash before its commit leaves nothing behind."""
        await self.deliver_messages(
            [message_of(event) for event in events], crash_before_commit=crash_before_commit
        )

    async def deliver_messages(
        self, messages: Sequence[Message], *, crash_before_commit: bool = False
    ) -> list[DeadLetter]:
        self._units.crash_before_commit = crash_before_commit
        try:
            return await self.runner.process([self.record(message) for message in messages])
        except Crash:
            return []

    def record(self, message: Message) -> RawRecord:
        self._offset += 1
        return RawRecord(
            message.topic, 0, self._offset, message.key, message.value, list(message.headers)
        )

    def published(self) -> list[Event]:
        """Every event published, repeats included."""
        return [
            decode(
                topic_map()[message.topic].model,
                Position(message.topic, 0, number),
                key=message.key,
                value=message.value,
                headers=message.headers,
            ).event
            for number, message in enumerate(self.publisher.published)
            if not message.topic.endswith(".dlq")
        ]

    def distinct_published(self) -> list[Event]:
        """Every event published, by its id: the same id must be the same event."""
        by_id: dict[bytes, Event] = {}
        for message, event in zip(self.publisher.published, self.published(), strict=True):
            id_ = dict(message.headers)["ce_id"]
            assert by_id.setdefault(id_, event) == event
        return list(by_id.values())
