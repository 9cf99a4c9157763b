"""Which offsets a stage commits, when the broker fails and when partitions change hands."""

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
        self.records = [record(offset) for offset in range(5)]

    def assignment(self) -> set[TopicPartition]:
        return {PLACE}

    def highwater(self, _place: TopicPartition) -> int:
        return len(self.records)

    def seek(self, place: TopicPartition, offset: int) -> None:
        assert place == PLACE
        self.position = offset

    async def committed(self, _place: TopicPartition) -> int | None:
        return self.committed_offsets[-1] if self.committed_offsets else None

    async def seek_to_beginning(self, place: TopicPartition) -> None:
        self.seek(place, 0)

    async def getmany(self, **_options: int) -> dict[TopicPartition, Sequence[RawRecord]]:
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


async def _nothing(fresh: Sequence[Delivered[Any]], _unit: Unit) -> list[Event | None]:
    return [None] * len(fresh)


def _fail() -> None:
    pytest.fail("a defect")


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def shell(gate: Gate) -> BatchShell:
    clock = FixedClock()
    runner = StageRunner(
        Stage("ledger_posting", _nothing),
        topics=topic_map(),
        prefix="",
        units=MemoryUnits(),
        inbox=MemoryInbox(),
        publisher=MemoryPublisher(),
        clock=clock,
    )
    return BatchShell(runner, gate=gate, clock=clock, on_defect=_fail)


async def work(shell: BatchShell, partition: Partition) -> None:
    await shell.on_batch(await shell.next_records(partition), partition)


async def test_an_offset_whose_commit_failed_is_said_again(shell: BatchShell) -> None:
    partition = Partition()
    await work(shell, partition)
    partition.refuses = 1
    await shell.commit()
    assert partition.committed_offsets == []

    await shell.commit()

    assert partition.committed_offsets == [2]


async def test_an_offset_whose_commit_was_cancelled_is_said_at_the_end(
    shell: BatchShell, gate: Gate
) -> None:
    partition = Partition()
    await work(shell, partition)
    partition.hangs = True
    committing = asyncio.create_task(shell.commit())
    await asyncio.sleep(0)
    committing.cancel()
    await asyncio.wait([committing])
    partition.hangs = False

    await gate.close()

    assert partition.committed_offsets == [2]


async def test_records_that_come_again_do_not_take_the_offset_back(shell: BatchShell) -> None:
    partition = Partition()
    await work(shell, partition)
    await work(shell, partition)
    partition.seek(PLACE, 0)
    await work(shell, partition)

    await shell.commit()

    assert partition.committed_offsets == [4]


async def test_an_offset_noted_before_partitions_changed_hands_is_forgotten(
    shell: BatchShell, gate: Gate
) -> None:
    partition = Partition()
    await work(shell, partition)
    partition.refuses = 1
    await gate.on_partitions_revoked({PLACE})
    await gate.on_partitions_assigned({PLACE})

    await shell.commit()

    assert partition.committed_offsets == []


async def test_records_read_while_partitions_changed_hands_are_read_again(
    shell: BatchShell, gate: Gate
) -> None:
    partition = Partition()

    async def change_hands() -> None:
        await gate.on_partitions_revoked({PLACE})
        await gate.on_partitions_assigned({PLACE})

    partition.during_fetch = change_hands
    assert await shell.next_records(partition) == ()
    partition.during_fetch = None

    assert partition.position == 0
    assert [each.offset for each in await shell.next_records(partition)] == [0, 1]
