"""The log as it lies on the broker, read without a consumer group: nobody else notices.

Reads end where the caller says. What the client library cannot parse (a header whose name is no
text, which anybody can write) is stepped over and handed out as such.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from domain.errors import Unavailable
from replay.vector import Place, Vector
from runtime import limits
from runtime.dead_letter import Record
from runtime.letting_go import stop_consumer
from runtime.poll import UnreadableRecord

Batch = tuple[Place, Sequence[Record]]
"""Records of one partition, in order."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(time: datetime) -> int:
    """Whole milliseconds since 1970, as the broker counts."""
    return (time - _EPOCH) // timedelta(milliseconds=1)


def from_ms(time_ms: int) -> datetime:
    """The time (UTC) of so many milliseconds since 1970."""
    return _EPOCH + timedelta(milliseconds=time_ms)


class KafkaLog:
    """One reader of the broker. What goes wrong with it is Unavailable."""

    def __init__(self, bootstrap: str, *, prefix: str = "") -> None:
        self._prefix = prefix
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=limits.REPLAY_FETCH_BYTES,
            request_timeout_ms=int(limits.REPLAY_READ_S_MAX * 1000),
        )

    async def start(self, topics: Iterable[str]) -> None:
        """Connect; Unavailable if the broker is down or lacks one of these topics."""
        try:
            await self._consumer.start()
            missing = {self._prefix + name for name in topics} - await self._consumer.topics()
        except (KafkaError, OSError) as error:
            await self.stop()
            raise _unanswered(error) from error
        if missing:
            await self.stop()
            raise Unavailable(f"Kafka has no topic {min(missing)}: run `titan topics apply`")

    async def stop(self) -> None:
        """Let go of the broker. May be repeated."""
        await stop_consumer(self._consumer)

    async def begin(self, places: Iterable[Place]) -> dict[Place, int]:
        """The oldest offset that the broker still has of each place."""
        return await self._offsets(self._consumer.beginning_offsets(self._named(places)))

    async def end(self, places: Iterable[Place]) -> dict[Place, int]:
        """Where each place ends just now."""
        return await self._offsets(self._consumer.end_offsets(self._named(places)))

    async def at(self, places: Sequence[Place], time: datetime) -> dict[Place, int]:
        """What had been appended by a time, that millisecond included, by the broker's clock."""
        end = await self.end(places)
        try:
            found = await self._consumer.offsets_for_times(
                dict.fromkeys(self._named(places), to_ms(time) + 1)
            )
        except (KafkaError, OSError) as error:
            raise _unanswered(error) from error
        # None where nothing is younger: the end, then.
        return end | {
            self._place(named): first.offset for named, first in found.items() if first is not None
        }

    async def read(self, start: Vector, end: Vector) -> AsyncIterator[Batch]:
        """Every record from `start` until before `end`; partitions come mixed, each in order."""
        left = {
            named: end[place]
            for place in end
            if start.get(place, 0) < end[place]
            for named in self._named([place])
        }
        at = {named: start.get(self._place(named), 0) for named in left}
        try:
            self._consumer.assign(list(left))
            self._seek(at)
            while left:
                for named, records in (await self._next(at, left)).items():
                    place = self._place(named)
                    wanted = [record for record in records if record.offset < left[named]]
                    if wanted:
                        yield place, wanted
                    at[named] = records[-1].offset + 1
                await self._drop_finished(at, left)
        except OffsetOutOfRangeError as error:
            raise Unavailable(
                "the broker has removed records that were to be read: read them from an archive"
            ) from error
        except (KafkaError, OSError) as error:
            raise _unanswered(error) from error

    async def _next(
        self, at: dict[TopicPartition, int], left: dict[TopicPartition, int]
    ) -> dict[TopicPartition, list[Any]]:
        wait_ms = limits.POLL_WAIT_MS
        for _ in range(int(limits.REPLAY_READ_S_MAX * 1000) // wait_ms):
            try:
                found: dict[TopicPartition, list[Any]] = await self._consumer.getmany(
                    *left, timeout_ms=wait_ms
                )
            except KafkaError:
                raise
            except Exception:  # noqa: BLE001 - the library lets any parsing error out
                found = await self._step_over(at, left)
            if found:
                return found
            # Nothing but marks of the broker's own may lie at the end of a partition.
            await self._drop_finished(at, left, ask=True)
            if not left:
                return {}
        raise Unavailable("Kafka has records and does not hand them out")

    async def _drop_finished(
        self,
        at: dict[TopicPartition, int],
        left: dict[TopicPartition, int],
        *,
        ask: bool = False,
    ) -> None:
        for named in list(left):
            if ask:
                at[named] = max(at[named], await self._consumer.position(named))
            if at[named] >= left[named]:
                del left[named]
                self._consumer.pause(named)

    async def _step_over(
        self, at: dict[TopicPartition, int], left: dict[TopicPartition, int]
    ) -> dict[TopicPartition, list[Any]]:
        """Partition by partition: what each has, and the record that cannot be parsed as such.

        The library had moved its position over partitions whose records it then did not hand out.
        """
        self._seek(at)
        found: dict[TopicPartition, list[Any]] = {}
        for named in left:
            try:
                found |= await self._consumer.getmany(named, timeout_ms=limits.POLL_WAIT_MS)
            except KafkaError:
                raise
            except Exception:  # noqa: BLE001
                found[named] = await self._up_to_unreadable(named, at[named])
        return {named: records for named, records in found.items() if records}

    async def _up_to_unreadable(self, named: TopicPartition, offset: int) -> list[Any]:
        self._consumer.seek(named, offset)
        records: list[Any] = []
        while True:
            try:
                got = await self._consumer.getmany(
                    named, timeout_ms=limits.POLL_WAIT_MS, max_records=1
                )
            except KafkaError:
                raise
            except Exception:  # noqa: BLE001
                offset = records[-1].offset + 1 if records else offset
                self._consumer.seek(named, offset + 1)
                return [*records, UnreadableRecord(named.topic, named.partition, offset, -1)]
            if not got:
                return records
            records += got[named]

    def _seek(self, at: dict[TopicPartition, int]) -> None:
        for named, offset in at.items():
            if named not in self._consumer.paused():
                self._consumer.seek(named, offset)

    def _named(self, places: Iterable[Place]) -> list[TopicPartition]:
        return [TopicPartition(self._prefix + place.topic, place.partition) for place in places]

    def _place(self, named: TopicPartition) -> Place:
        return Place(named.topic.removeprefix(self._prefix), named.partition)

    async def _offsets(self, asked: Any) -> dict[Place, int]:  # noqa: ANN401 - aiokafka, untyped
        try:
            answered: dict[TopicPartition, int] = await asked
        except (KafkaError, OSError) as error:
            raise _unanswered(error) from error
        return {self._place(named): offset for named, offset in answered.items()}


def _unanswered(error: BaseException) -> Unavailable:
    return Unavailable(
        f"Kafka does not answer ({type(error).__name__}): start it, or correct the address"
    )
