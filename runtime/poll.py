"""Polling the broker without losing what lies beside a record that cannot be read.

One record whose header name is not UTF-8 makes the client library raise out of `getmany`. By then
it has moved the position of the partitions it had already drained, so their records would be
skipped without a word, and the bad record's partition would raise for ever. Here, all positions
go back to where the reader is (a stage: what was committed), the bad record is found by stepping,
and a stage makes a dead letter of it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from runtime import limits
from runtime.clock import Clock
from runtime.dead_letter import Record

log = structlog.get_logger()

_STEP_ROUNDS_MAX: Final = 50
_STEP_PAUSE_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A record of which only the position is known; its bytes stay in the topic."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()


Rewind = Callable[[Any], Awaitable[None]]
"""Puts a consumer's positions back to where its reader is."""


async def to_committed(consumer: Any) -> None:  # noqa: ANN401 - aiokafka has no types
    """Back to what the group has committed: all before it is done."""
    never_committed: list[TopicPartition] = []
    for place in consumer.assignment():
        committed = await consumer.committed(place)
        if committed is None:
            never_committed.append(place)
        else:
            consumer.seek(place, committed)
    if never_committed:
        # All in one call, which ends only after the fetch in flight: one by one, that wait would
        # come again for each. Without any, the library would take all partitions.
        await consumer.seek_to_beginning(*never_committed)


async def poll(
    consumer: Any,  # noqa: ANN401
    clock: Clock,
    *,
    rewind: Rewind = to_committed,
    wait_ms: int = limits.POLL_WAIT_MS,
) -> tuple[Record, ...]:
    """The next records, waiting inside the broker's fetch while there are none.

    KafkaError passes through. What the library cannot read comes as an UnreadableRecord.
    """
    try:
        found = await consumer.getmany(timeout_ms=wait_ms, max_records=limits.BATCH_RECORDS_MAX)
    except KafkaError:
        raise
    except Exception as error:  # noqa: BLE001 - the library lets any parsing error out
        log.warning("unreadable_records", error=type(error).__name__)
        return await _step_over(consumer, clock, rewind)
    return tuple(chain.from_iterable(found.values()))


async def _step_over(consumer: Any, clock: Clock, rewind: Rewind) -> tuple[Record, ...]:  # noqa: ANN401
    await rewind(consumer)
    records: list[Record] = []
    for _ in range(_STEP_ROUNDS_MAX):
        # The library fetches ahead in the background; one record a call shows where it stumbles.
        await clock.sleep(_STEP_PAUSE_S)
        unreadable = False
        for place in consumer.assignment():
            try:
                found = await _one(consumer, place, clock)
            except KafkaError:
                if records:
                    # They were drained, so nobody would see them again; the error comes again.
                    return tuple(records)
                raise
            records += found
            unreadable |= any(isinstance(record, UnreadableRecord) for record in found)
        if unreadable:
            break
    return tuple(records)


async def _one(consumer: Any, place: TopicPartition, clock: Clock) -> list[Record]:  # noqa: ANN401
    """The partition's next record, if it has arrived; one that cannot be read is passed over."""
    try:
        found = await consumer.getmany(place, timeout_ms=0, max_records=1)
    except KafkaError:
        raise
    except Exception:  # noqa: BLE001 - the library lets any parsing error out
        offset = await consumer.position(place)
        consumer.seek(place, offset + 1)
        now_ms = int(clock.now().timestamp() * 1000)
        return [UnreadableRecord(place.topic, place.partition, offset, now_ms)]
    return list(chain.from_iterable(found.values()))
