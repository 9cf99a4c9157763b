"""Lag: how many records each consumer group has yet to handle, asked of the broker.

A stage says its own lag; this asks for all of them from outside, so it also sees the lag of a
stage that does not run.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from domain.errors import Unavailable
from runtime import limits, metrics
from runtime.clock import Clock
from runtime.letting_go import stop_consumer
from runtime.topics import Topic, TopicMap

Lag = dict[tuple[str, str], int]
"""Records not yet handled, by group and topic (without a deployment's prefix)."""

_REQUEST_MS_MAX: Final = int(limits.LAG_SAMPLE_S_MAX * 1000)


def pipeline_groups(topics: TopicMap, prefix: str) -> dict[str, list[Topic]]:
    """The groups whose stages decide about what topics of that prefix hold, and what they read.

    Groups that only look on (projections) put nothing on a topic, and are left out.
    """
    deciding = {room for topic in topics.topics for room in topic.producers}
    groups: dict[str, list[Topic]] = defaultdict(list)
    for topic in topics.topics:
        for consumer in topic.consumers:
            if topic.name.startswith(prefix) and consumer.stage in deciding:
                groups[consumer.group].append(topic)
    return dict(groups)


def lag_of(
    committed: Mapping[TopicPartition, int],
    first: Mapping[TopicPartition, int],
    end: Mapping[TopicPartition, int],
) -> dict[str, int]:
    """Lag by topic. A partition without a commit is read from its first record."""
    lag: dict[str, int] = defaultdict(int)
    for partition, end_offset in end.items():
        offset = max(committed.get(partition, 0), first.get(partition, 0))
        lag[partition.topic] += max(0, end_offset - offset)
    return dict(lag)


class LagReader:
    """Asks the broker. Connects at the first question, and again after a failure."""

    def __init__(
        self, groups: Mapping[str, Sequence[Topic]], *, bootstrap: str, prefix: str
    ) -> None:
        self._groups = groups
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._admin: AIOKafkaAdminClient | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._connecting: asyncio.Task[None] | None = None

    async def read(self) -> Lag:
        """The lag of every group; Unavailable if the broker does not answer in time."""
        try:
            async with asyncio.timeout(limits.LAG_SAMPLE_S_MAX):
                return await self._read()
        except (KafkaError, OSError, TimeoutError) as error:
            await self.close()
            raise Unavailable(f"Kafka: {type(error).__name__}") from error

    async def close(self) -> None:
        """Let go of the broker. Takes as long as a connection that is being made."""
        if self._connecting is not None:
            await asyncio.gather(self._connecting, return_exceptions=True)
            self._connecting = None
        admin, self._admin = self._admin, None
        consumer, self._consumer = self._consumer, None
        for close in (admin and admin.close, consumer and partial(stop_consumer, consumer)):
            if close is not None:
                with suppress(KafkaError, OSError, TimeoutError):
                    await close()

    async def _read(self) -> Lag:
        admin, consumer = await self._clients()
        lag: Lag = {}
        partitions = self._partitions(
            {topic.name: topic for topics in self._groups.values() for topic in topics}.values()
        )
        # Commits first: a record handled in between may count as waiting, never the other way.
        committed = {
            group: await admin.list_consumer_group_offsets(self._prefix + group)
            for group in self._groups
        }
        first = await consumer.beginning_offsets(partitions)
        end = await consumer.end_offsets(partitions)
        for group, topics in self._groups.items():
            own = self._partitions(topics)
            found = lag_of(
                {
                    partition: position.offset
                    for partition, position in committed[group].items()
                    if position.offset >= 0
                },
                first,
                {partition: end[partition] for partition in own},
            )
            for name, records in found.items():
                lag[group, name.removeprefix(self._prefix)] = records
        return lag

    def _partitions(self, topics: Iterable[Topic]) -> list[TopicPartition]:
        return [
            TopicPartition(self._prefix + topic.name, number)
            for topic in topics
            for number in range(topic.partitions)
        ]

    async def _clients(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        if self._connecting is not None or self._consumer is None:
            # A task of its own: the library leaves the socket of a connection that is cut short.
            if self._connecting is None:
                self._connecting = asyncio.create_task(self._connect())
            try:
                await asyncio.shield(self._connecting)
            finally:
                if self._connecting.done():
                    self._connecting = None
        assert self._admin is not None
        assert self._consumer is not None
        return self._admin, self._consumer

    async def _connect(self) -> None:
        self._admin = AIOKafkaAdminClient(
            bootstrap_servers=self._bootstrap, request_timeout_ms=_REQUEST_MS_MAX
        )
        await self._admin.start()
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            request_timeout_ms=_REQUEST_MS_MAX,
        )
        await self._consumer.start()


class LagSampler:
    """Keeps a fresh sample, also as metrics."""

    def __init__(self, reader: LagReader, *, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._records = 0
        self._sampled_at_s: float | None = None

    @property
    def records(self) -> int | None:
        """Records that wait, of all groups together; None if there is no fresh sample."""
        if self._sampled_at_s is None:
            return None
        age_s = self._clock.monotonic_s() - self._sampled_at_s
        return self._records if age_s <= limits.LAG_SAMPLE_FRESH_S else None

    async def run(self) -> None:
        """Sample until cancelled."""
        try:
            while True:
                await self._sample()
                await self._clock.sleep(limits.LAG_SAMPLE_INTERVAL_S)
        finally:
            await self._reader.close()

    async def _sample(self) -> None:
        try:
            lag = await self._reader.read()
        except Unavailable:
            metrics.LAG_SAMPLE_FAILURES.inc()
            return
        for (group, topic), records in lag.items():
            metrics.LAG_RECORDS.labels(group, topic).set(records)
        self._records = sum(lag.values())
        self._sampled_at_s = self._clock.monotonic_s()
