"""A consumer of one partition, with the manners of aiokafka's, and a shell that works on it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from runtime.consumer import BatchShell
from runtime.gate import Gate
from runtime.inbox import MemoryInbox
from runtime.publisher import MemoryPublisher
from runtime.stage import Stage, StageRunner
from runtime.topics import topic_map
from runtime.unit import MemoryUnits, Unit
from schemas.event import Delivered, Event
from tests.support.events import payment_id, screened
from tests.support.memory_stage import FixedClock, RawRecord, message_of

TOPIC = "payment.screened.v1"
PLACE = TopicPartition(TOPIC, 0)


def record(offset: int) -> RawRecord:
    message = message_of(screened(payment_id=payment_id(f"payment {offset}")))
    return RawRecord(TOPIC, 0, offset, message.key, message.value, list(message.headers))


class Partition:
    """A consumer of one partition, as aiokafka's; `refuses` makes the next commits fail."""

    def __init__(self) -> None:
        self.committed_offsets: list[int] = []
        self.position = 0
        self.refuses = 0
        self.hangs = False
        self.during_fetch: Any = None
        self.fetches_that_fail = 0
        self.questions_that_fail = 0
        self.records = [record(offset) for offset in range(5)]

    def assignment(self) -> set[TopicPartition]:
        return {PLACE}

    def highwater(self, _place: TopicPartition) -> int:
        return len(self.records)

    def seek(self, place: TopicPartition, offset: int) -> None:
        assert place == PLACE
        self.position = offset

    async def committed(self, _place: TopicPartition) -> int | None:
        if self.questions_that_fail:
            self.questions_that_fail -= 1
            raise KafkaConnectionError
        return self.committed_offsets[-1] if self.committed_offsets else None

    async def seek_to_beginning(self, *places: TopicPartition) -> None:
        for place in places:
            self.seek(place, 0)

    async def getmany(self, **_options: int) -> dict[TopicPartition, Sequence[RawRecord]]:
        if self.fetches_that_fail:
            self.fetches_that_fail -= 1
            raise KafkaConnectionError
        found = self.records[self.position : self.position + 2]
        self.position += len(found)
        if self.during_fetch is not None:
            await self.during_fetch()
        return {PLACE: found}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.refuses:
            self.refuses -= 1
            raise KafkaConnectionError
        self.committed_offsets.append(offsets[PLACE])


async def work(shell: BatchShell, partition: Partition) -> None:
    """One batch."""
    await shell.on_batch(await shell.next_records(partition), partition)


def shell_at(gate: Gate, publisher: MemoryPublisher) -> BatchShell:
    """The shell of a stage that decides nothing."""
    clock = FixedClock()
    runner = StageRunner(
        Stage("ledger_posting", _nothing),
        topics=topic_map(),
        prefix="",
        units=MemoryUnits(),
        inbox=MemoryInbox(),
        publisher=publisher,
        clock=clock,
    )
    return BatchShell(runner, gate=gate, clock=clock, on_defect=_fail)


async def _nothing(fresh: Sequence[Delivered[Any]], _unit: Unit) -> list[Event | None]:
    return [None] * len(fresh)


def _fail() -> None:
    pytest.fail("a defect")
