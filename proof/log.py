"""The log, read from any offset to any other, batch after batch, by a client that is in no group.

A record that the client library cannot read at all (a header's name that is not UTF-8) makes it
raise after it has moved other partitions on. Positions are kept here, so all go back, the bad
record is found by steps of one, told, and stepped over.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from domain.errors import Unavailable
from proof.limits import FETCH_BYTES_MAX, FETCH_WAIT_MS, SILENCE_S_MAX
from proof.scope import Vector
from runtime import limits
from runtime.clock import Clock
from runtime.letting_go import stop_consumer

OnRecords = Callable[[str, int, Sequence[Any]], None]
"""Told topic (without prefix), partition, and records in order."""
OnUnreadable = Callable[[str, int, int], None]
"""Told topic, partition and offset of a record that cannot be read."""

_STEP_PAUSE_S: Final = 0.02


class LogReader:
    """Reads topics of one deployment. Unavailable if the broker stops answering."""

    def __init__(self, *, bootstrap: str, prefix: str, clock: Clock) -> None:
        self._prefix = prefix
        self._clock = clock
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_bytes=FETCH_BYTES_MAX,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            request_timeout_ms=limits.TOPIC_ADMIN_REQUEST_MS_MAX,
        )
        self._positions: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}

    async def start(self) -> None:
        """Connect."""
        try:
            await self._consumer.start()
        except (KafkaError, OSError) as error:
            await self.stop()
            raise Unavailable(f"Kafka does not answer ({type(error).__name__})") from error

    async def stop(self) -> None:
        """Let go of the broker. May be repeated."""
        await stop_consumer(self._consumer)

    async def read(
        self, begin: Vector, end: Vector, *, on_records: OnRecords, on_unreadable: OnUnreadable
    ) -> None:
        """Read what lies from `begin` (included) to `end` (not included)."""
        self._positions = self._places(begin)
        self._ends = self._places(end)
        heard_s = self._clock.monotonic_s()
        left = [place for place, last in self._ends.items() if self._positions[place] < last]
        if not left:
            return
        try:
            self._consumer.assign(left)
            for place in left:
                self._consumer.seek(place, self._positions[place])
            while left := [place for place in left if self._positions[place] < self._ends[place]]:
                if await self._next(left, on_records, on_unreadable):
                    heard_s = self._clock.monotonic_s()
                elif self._clock.monotonic_s() - heard_s > SILENCE_S_MAX:
                    raise Unavailable("Kafka hands out no more records")
                else:
                    # What lies last may be no record: the mark of a transaction's end, say.
                    for place in left:
                        self._positions[place] = await self._consumer.position(place)
        except (KafkaError, OSError) as error:
            raise Unavailable(f"Kafka: {type(error).__name__}") from error

    async def record_at(self, topic: str, partition: int, offset: int) -> Any:  # noqa: ANN401
        """One record; None if it cannot be read or is there no more."""
        found: list[Any] = []

        def take(_topic: str, _partition: int, records: Sequence[Any]) -> None:
            found.extend(records)

        begin, end = [0] * partition + [offset], [0] * partition + [offset + 1]
        await self.read(
            {topic: begin},
            {topic: end},
            on_records=take,
            on_unreadable=lambda _topic, _partition, _offset: None,
        )
        return found[0] if found else None

    async def _next(
        self, left: list[TopicPartition], on_records: OnRecords, on_unreadable: OnUnreadable
    ) -> bool:
        """Hand one fetch on; whether there was anything."""
        try:
            batches = await self._consumer.getmany(*left, timeout_ms=FETCH_WAIT_MS)
        except KafkaError:
            raise
        except Exception:  # noqa: BLE001 - the library lets any parsing error out
            await self._step_over(left, on_records, on_unreadable)
            return True
        return self._hand_on(batches, on_records)

    def _hand_on(
        self, batches: Mapping[TopicPartition, Sequence[Any]], on_records: OnRecords
    ) -> bool:
        for place, batch in batches.items():
            end = self._ends[place]
            records = batch if batch[-1].offset < end else [r for r in batch if r.offset < end]
            self._positions[place] = batch[-1].offset + 1
            if records:
                on_records(place.topic.removeprefix(self._prefix), place.partition, records)
        return bool(batches)

    async def _step_over(
        self, left: list[TopicPartition], on_records: OnRecords, on_unreadable: OnUnreadable
    ) -> None:
        """Go back to what was handed on, and read one by one up to the record that is bad."""
        for place in left:
            self._consumer.seek(place, self._positions[place])
        for place in left:
            while self._positions[place] < self._ends[place]:
                try:
                    batches = await self._consumer.getmany(
                        place, timeout_ms=FETCH_WAIT_MS, max_records=1
                    )
                except KafkaError:
                    raise
                except Exception:  # noqa: BLE001
                    offset = self._positions[place]
                    on_unreadable(place.topic.removeprefix(self._prefix), place.partition, offset)
                    self._positions[place] = offset + 1
                    self._consumer.seek(place, offset + 1)
                    return
                if not self._hand_on(batches, on_records):
                    await self._clock.sleep(_STEP_PAUSE_S)

    def _places(self, vector: Vector) -> dict[TopicPartition, int]:
        return {
            TopicPartition(self._prefix + name, number): offset
            for name, offsets in vector.items()
            for number, offset in enumerate(offsets)
        }
