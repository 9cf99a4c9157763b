"""A stage that understands nothing stops: it is more likely wrong itself than all of its input."""

from runtime import limits
from runtime.gate import Gate
from runtime.publisher import MemoryPublisher
from tests.support.one_partition import Partition, record, shell_at, work


async def test_a_stage_that_understands_nothing_stops_and_commits_what_it_set_aside() -> None:
    publisher = MemoryPublisher()
    shell = shell_at(Gate(), publisher)
    partition = Partition()
    partition.records = [record(offset) for offset in range(3 * limits.DEAD_LETTER_RUN_MAX)]
    for each in partition.records:
        each.value = b"garbage"

    while not shell.halted and partition.position < len(partition.records):
        await work(shell, partition)

    assert len(publisher.published) == limits.DEAD_LETTER_RUN_MAX
    assert not shell.healthy
    assert await shell.next_records(partition) == ()
    await shell.commit()
    assert partition.committed_offsets == [limits.DEAD_LETTER_RUN_MAX]


async def test_one_record_that_is_understood_begins_the_count_anew() -> None:
    shell = shell_at(Gate(), MemoryPublisher())
    partition = Partition()
    partition.records = [record(offset) for offset in range(2 * limits.DEAD_LETTER_RUN_MAX)]
    for each in partition.records:
        if each.offset != limits.DEAD_LETTER_RUN_MAX - 1:
            each.value = b"garbage"

    while partition.position < len(partition.records) - 1:
        await work(shell, partition)
        assert not shell.halted or partition.position > 2 * limits.DEAD_LETTER_RUN_MAX - 2
