"""Which offsets a stage commits, when the broker fails and when partitions change hands."""

import asyncio

import pytest
from structlog.testing import capture_logs

from runtime import limits
from runtime.consumer import BatchShell
from runtime.gate import Gate
from runtime.publisher import MemoryPublisher
from tests.support.one_partition import PLACE, Partition, shell_at, work


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def shell(gate: Gate) -> BatchShell:
    return shell_at(gate, MemoryPublisher())


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


async def test_a_fetch_that_fails_is_said_and_answered_here(
    shell: BatchShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BACKOFF_S_MAX", 0.001)
    partition = Partition()
    partition.fetches_that_fail = 1
    with capture_logs() as logs:
        assert await shell.next_records(partition) == ()

    [line] = logs
    assert (line["event"], line["error"]) == ("fetch_failed", "KafkaConnectionError")
    assert [each.offset for each in await shell.next_records(partition)] == [0, 1]


async def test_a_rewind_that_fails_is_said_and_tried_again(
    shell: BatchShell, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BACKOFF_S_MAX", 0.001)
    partition = Partition()
    partition.questions_that_fail = 2

    async def change_hands() -> None:
        await gate.on_partitions_revoked({PLACE})
        await gate.on_partitions_assigned({PLACE})

    partition.during_fetch = change_hands
    with capture_logs() as logs:
        assert await shell.next_records(partition) == ()

    assert [line["event"] for line in logs if line["event"] == "rewind_failed"] == [
        "rewind_failed"
    ] * 2
    assert partition.position == 0
