"""Looking at the log from outside: how far topics have come, and when each payment was posted."""

from collections.abc import Mapping
from typing import Final, NamedTuple
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.letting_go import stop_consumer
from runtime.topics import topic_map
from schemas.payment import PaymentPosted, PaymentRefused

ENDS: Final = (PaymentPosted.TOPIC, PaymentRefused.TOPIC)
"""Every payment ends on one of these topics."""

_FETCH_MS: Final = 500

Offsets = Mapping[TopicPartition, int]


class Ending(NamedTuple):
    """One record that ends a payment."""

    payment_id: UUID
    event_id: UUID
    topic: str
    appended_at_ms: int


class Log:
    """A reader without a group, which fetches nothing until it is asked to.

    `prefix` stands before the names of the topics it looks at.
    """

    def __init__(self, bootstrap: str, *, prefix: str = "") -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._consumer = self._reader()

    async def start(self) -> None:
        """Connect."""
        await self._consumer.start()

    async def stop(self) -> None:
        """Let go of the broker."""
        await stop_consumer(self._consumer)

    async def ends(self) -> Offsets:
        """The present end of each partition where payments end."""
        offsets: Offsets = await self._consumer.end_offsets(self._partitions())
        return offsets

    async def ended_since(self, start: Offsets) -> int:
        """How many payments were posted or refused since those ends."""
        return sum((await self.ends()).values()) - sum(start.values())

    async def ended_at_ms(self, start: Offsets) -> dict[UUID, tuple[str, int]]:
        """Of each payment since those ends, the topic it ended on and when the broker appended it.

        The time is the broker's clock, which is this machine's, in whole ms since 1970.
        """
        found: dict[UUID, tuple[str, int]] = {}
        for end in await self.endings(start):
            # A redelivery tells the same again: the first time counts.
            found.setdefault(end.payment_id, (end.topic, end.appended_at_ms))
        return found

    async def endings(self, start: Offsets) -> list[Ending]:
        """Every record since those ends, repeats included, in the order of each partition."""
        left = {place: end - start[place] for place, end in (await self.ends()).items()}
        found: list[Ending] = []
        consumer = self._reader()
        await consumer.start()
        try:
            consumer.assign([place for place, count in left.items() if count > 0])
            for place in consumer.assignment():
                consumer.seek(place, start[place])
            while any(count > 0 for count in left.values()):
                for place, records in (await consumer.getmany(timeout_ms=_FETCH_MS)).items():
                    left[place] -= len(records)
                    for record in records:
                        headers = dict(record.headers)
                        payment_id = UUID(headers["ce_subject"].decode())
                        event_id = UUID(headers["ce_id"].decode())
                        found.append(Ending(payment_id, event_id, record.topic, record.timestamp))
        finally:
            await stop_consumer(consumer)
        return found

    def _partitions(self) -> list[TopicPartition]:
        return [
            TopicPartition(self._prefix + name, number)
            for name in ENDS
            for number in range(topic_map()[name].partitions)
        ]

    def _reader(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, group_id=None, enable_auto_commit=False
        )
