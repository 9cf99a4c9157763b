"""The broker's side of a small world: records put, forged and deleted, and groups' offsets."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid5

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from domain.errors import Invalid
from runtime.clock import SystemClock
from runtime.dead_letter import DeadLetter, dead_letter_message
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.topics import TopicMap, topic_map
from schemas.event import Event
from schemas.wire import first_message

ROOT: Final = UUID("0a0f0000-0000-5000-8000-0000000000aa")

_READ_MS: Final = 200
_TIMEOUT_S: Final = 15.0


@dataclass
class LogSide:
    """Topics and groups of one deployment, which a prefix keeps apart."""

    settings: Settings
    publisher: KafkaPublisher
    producer: AIOKafkaProducer
    reader: AIOKafkaConsumer
    clock: SystemClock = field(default_factory=SystemClock)
    positions: dict[tuple[str, TopicPartition], int] = field(default_factory=dict)
    topics: TopicMap = field(default_factory=topic_map)

    @property
    def bootstrap(self) -> str:
        assert self.settings.kafka_bootstrap is not None
        return self.settings.kafka_bootstrap

    def on(self, topic: str) -> str:
        return self.settings.topic_prefix + topic

    async def groups(self) -> dict[str, dict[TopicPartition, int]]:
        """Every group of the deployment, with what it has committed."""
        async with self._admin() as admin:
            listed = await admin.list_consumer_groups()
            found: dict[str, dict[TopicPartition, int]] = {}
            for name in sorted({name for name, *_ in listed}):
                if name.startswith(self.settings.topic_prefix):
                    positions = await admin.list_consumer_group_offsets(name)
                    found[name] = {place: each.offset for place, each in positions.items()}
            return found

    async def put(self, *events: Event) -> None:
        """Put first events on their topics, as an edge would."""
        messages = []
        for event in events:
            body = getattr(event, "fingerprint", "")
            messages.append(
                first_message(
                    event,
                    event_id=uuid5(event.subject, f"{body}{event.TOPIC}"),
                    idempotency_id=event.subject,
                    source="titan/producers/tests",
                    now=self.clock.now(),
                    traceparent=None,
                )
            )
        await self.publisher.publish(messages, deadline_s=_TIMEOUT_S)

    async def forge(
        self,
        topic: str,
        body: object,
        *,
        key: str,
        partition: int = 0,
        **headers: object,
    ) -> int:
        """Put any record on a topic; its offset."""
        value = body if isinstance(body, bytes) else json.dumps(body, default=str).encode()
        event_id = headers.setdefault("ce_id", uuid5(ROOT, value.hex()))
        named = {
            "ce_type": topic,
            "ce_source": "titan/producers/tests",
            "ce_time": self.clock.now().isoformat(),
            "idempotency_id": event_id,
            **headers,
        }
        record = await self.producer.send_and_wait(
            self.on(topic),
            value=value,
            key=key.encode(),
            headers=[(name, str(text).encode()) for name, text in named.items()],
            partition=partition,
        )
        return int(record.offset)

    def assign_all(self) -> None:
        """Let the reader have every partition: each new assignment costs it 0.1 s a topic."""
        self.reader.assign(
            [
                TopicPartition(self.on(topic.name), number)
                for topic in self.topics.topics
                for number in range(topic.partitions)
            ]
        )

    async def records_of(self, group: str) -> list[Any]:
        """What a group has not been given yet, up to the present end."""
        places = [
            TopicPartition(self.on(topic.name), number)
            for topic in self.topics.of_group(group)
            for number in range(topic.partitions)
        ]
        ends = await self.reader.end_offsets(places)
        begins = {place: self.positions.get((group, place), 0) for place in places}
        left = {place for place in places if begins[place] < ends[place]}
        records: list[Any] = []
        for place in left:
            self.reader.seek(place, begins[place])
        while left:
            for place, batch in (await self.reader.getmany(*left, timeout_ms=_READ_MS)).items():
                records += [record for record in batch if record.offset < ends[place]]
                if batch[-1].offset + 1 >= ends[place]:
                    left.discard(place)
        self.positions.update({(group, place): end for place, end in ends.items()})
        return records

    async def commit(self, group: str, changed: dict[tuple[str, int], int] | None = None) -> None:
        """Commit what the group was given, or other offsets."""
        offsets = {place: end for (name, place), end in self.positions.items() if name == group}
        for (topic, partition), offset in (changed or {}).items():
            offsets[TopicPartition(self.on(topic), partition)] = offset
        member = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            group_id=self.on(group),
            enable_auto_commit=False,
        )
        await member.start()
        try:
            member.assign(list(offsets))
            await member.commit(offsets)
        finally:
            await member.stop()

    async def all_of(self, topic: str) -> list[Any]:
        """Every record of a topic."""
        places = [
            TopicPartition(self.on(topic), number)
            for number in range(self.topics[topic].partitions)
        ]
        ends = await self.reader.end_offsets(places)
        await self.reader.seek_to_beginning(*places)
        records: list[Any] = []
        while len(records) < sum(ends.values()):
            for batch in (await self.reader.getmany(*places, timeout_ms=_READ_MS)).values():
                records += batch
        return records

    async def bury(self, record: Any, topic: str, group: str) -> None:
        """Set a record aside, as the group's stage would if it could not understand it."""
        letter = dead_letter_message(
            DeadLetter(record, Invalid("invalid_event", "does not fit")),
            topic=self.topics[topic].dead_letter(group),
            group=group,
            original_topic=topic,
            now=self.clock.now(),
        )
        await self.publisher.publish([letter], deadline_s=_TIMEOUT_S)

    async def delete_log(self) -> None:
        """Delete every record there is, as the broker does with old ones."""
        places = [
            TopicPartition(self.on(topic.name), number)
            for topic in self.topics.topics
            for number in range(topic.partitions)
        ]
        ends = await self.reader.end_offsets(places)
        async with self._admin() as admin:
            await admin.delete_records(
                {place: RecordsToDelete(before_offset=end) for place, end in ends.items() if end}
            )

    async def set_retention(self, *, ms: int) -> None:
        """Let the broker delete what is older than that."""
        async with self._admin() as admin:
            await admin.alter_configs(
                [
                    ConfigResource(
                        ConfigResourceType.TOPIC, self.on(topic.name), {"retention.ms": str(ms)}
                    )
                    for topic in self.topics.topics
                ]
            )

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()
